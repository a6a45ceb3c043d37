//! What confines a guest on this host, as `hognose doctor` and `/capabilities` tell it.

/// The tier and every layer, from one probe at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolation {
    /// `full` (root with cgroups) or `rootless`.
    pub tier: &'static str,
    /// In the order they are applied.
    pub layers: Vec<Layer>,
}

/// One isolation layer on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Such as `seccomp`.
    pub name: &'static str,
    /// Whether it is in force.
    pub state: LayerState,
    /// Details: ABI, cgroup version.
    pub detail: String,
    /// What this means here, in one sentence.
    pub meaning: String,
    /// How to get it, when it is missing.
    pub mend: Option<String>,
}

/// Whether a layer is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerState {
    /// In force for every guest.
    Enforced,
    /// In force with less than the full effect, as `meaning` says.
    Weaker,
    /// Not available here.
    Missing,
}
