//! What an engine is made of.

use std::path::PathBuf;

use crate::environment::{Environment, RequestedEnvironments};
use crate::isolation::Tier;
use crate::limits::LimitPolicy;

/// Most executions at once: a block of uids has room for them and for children that wait.
pub const MOST_SLOTS: usize = 200;

/// Memory for children that wait: about 150 of the full preload.
const DEFAULT_POOL_BYTES: u64 = 192 << 20;

/// What an engine is made of.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Folder for the kit, locks and artifacts.
    pub state: PathBuf,
    /// The interpreter and packages guests see.
    pub environment: Environment,
    /// Where environments are that callers asked for; `None` for none.
    pub requested: Option<RequestedEnvironments>,
    /// Defaults and maxima.
    pub limits: LimitPolicy,
    /// Executions at once; at most [`MOST_SLOTS`].
    pub slots: usize,
    /// Memory that children which wait for a program may hold in all; 0 for none that wait.
    pub pool_bytes: u64,
    /// The preload of every execution; `None` lets its imports choose.
    pub preload: Option<String>,
    /// Whether zygotes fork as their imports left them, without a snapshot.
    pub plain: bool,
    /// The weakest tier that may serve.
    pub min_tier: Tier,
}

impl EngineConfig {
    /// An engine below `state`, with the defaults of `hognose serve`.
    #[must_use]
    pub fn new(state: PathBuf, environment: Environment) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            state,
            environment,
            requested: None,
            limits: LimitPolicy::default(),
            slots: (2 * processors).clamp(4, MOST_SLOTS),
            pool_bytes: DEFAULT_POOL_BYTES,
            preload: None,
            plain: false,
            min_tier: Tier::Rootless,
        }
    }
}
