//! What is refused, by name. The names are data: policies/language.toml.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use engine::SecurityLevel;
use ruff_python_stdlib::builtins::is_python_builtin;
use ruff_python_stdlib::sys::is_known_standard_library;
use serde::Deserialize;

use super::modules::is_within;
use crate::security::SecuritySettings;

/// Where the builtins live.
pub(crate) const BUILTINS: &str = "builtins";

/// Minor version whose standard library counts as such: more modules, more that is looked into.
const NEWEST_MINOR: u8 = 14;

/// Functions that lead from a name in a string to what has this name.
pub(crate) const GATES: &[&str] = &[
    "builtins.__import__",
    "builtins.getattr",
    "builtins.globals",
    "builtins.locals",
    "builtins.vars",
    "importlib.__import__",
    "importlib.import_module",
    "sys.modules",
];

static DATA: LazyLock<Data> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../../policies/language.toml"))
        .expect("the embedded policy is read by a test")
});

static LEVELS: LazyLock<[Arc<Policy>; 3]> = LazyLock::new(|| {
    SecurityLevel::ALL.map(|level| {
        let mut policy = Policy::default();
        policy.refuse(level.name());
        Arc::new(policy)
    })
});

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    module: Vec<Row>,
    function: Vec<Row>,
    same: Vec<Same>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    at: Vec<String>,
    reason: String,
    suggestion: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Same {
    name: String,
    is: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "for those who read the file"))]
    reason: String,
}

/// Whether a refused name is a module or in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Module,
    Function,
}

/// Something that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The name as people write it.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) reason: String,
    pub(crate) suggestion: Option<String>,
}

/// What is refused, and what alone is allowed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    /// By full name, such as `os` or `builtins.open`.
    exact: HashMap<String, Refusal>,
    /// Beginnings of names, by the module they are in.
    begins: HashMap<String, Vec<(String, Refusal)>>,
    /// Empty for all.
    allowed_modules: Vec<String>,
    /// Empty for all; full names, maybe with a star at the end.
    allowed_functions: Vec<String>,
}

impl Policy {
    /// The policy of a level.
    pub(crate) fn of_level(level: SecurityLevel) -> Arc<Self> {
        let index = SecurityLevel::ALL.iter().position(|one| *one == level);
        Arc::clone(&LEVELS[index.unwrap_or_default()])
    }

    /// What the lists and the switches of an embedder say. What is allowed by name is taken out of
    /// the switches; what is blocked by name is blocked all the same.
    pub(crate) fn of_settings(settings: &SecuritySettings) -> Self {
        let mut policy = Self::default();
        for (is_on, switch) in [
            (settings.enable_system_calls, "system_calls"),
            (settings.enable_file_access, "file_access"),
            (settings.enable_network_access, "network_access"),
        ] {
            if !is_on {
                policy.refuse(switch);
            }
        }
        policy.allowed_modules.clone_from(&settings.allowed_modules);
        policy.allowed_functions = settings
            .allowed_functions
            .iter()
            .map(|name| full(name))
            .collect();
        let (modules, functions) = (&policy.allowed_modules, &policy.allowed_functions);
        policy.exact.retain(|name, refusal| match refusal.kind {
            Kind::Module => !modules.iter().any(|allowed| is_within(name, allowed)),
            Kind::Function => !functions.contains(name),
        });
        let named = |name: &String, kind| Row {
            name: name.clone(),
            at: Vec::new(),
            reason: match kind {
                Kind::Module => "it is among the blocked modules".to_owned(),
                Kind::Function => "it is among the blocked functions".to_owned(),
            },
            suggestion: None,
        };
        for name in &settings.blocked_modules {
            policy.add(named(name, Kind::Module), Kind::Module);
        }
        for name in &settings.blocked_functions {
            policy.add(named(name, Kind::Function), Kind::Function);
        }
        policy
    }

    /// Whether nothing is refused, so that no source has to be read.
    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty()
            && self.begins.is_empty()
            && self.allowed_modules.is_empty()
            && self.allowed_functions.is_empty()
    }

    fn refuse(&mut self, at: &str) {
        let rows = DATA.module.iter().map(|row| (row, Kind::Module));
        let rows = rows.chain(DATA.function.iter().map(|row| (row, Kind::Function)));
        for (row, kind) in rows.filter(|(row, _)| row.at.iter().any(|one| one == at)) {
            self.add(row.clone(), kind);
        }
    }

    fn add(&mut self, row: Row, kind: Kind) {
        let full_name = match kind {
            Kind::Module => row.name.clone(),
            Kind::Function => full(&row.name),
        };
        let refusal = Refusal {
            name: row.name,
            kind,
            reason: row.reason,
            suggestion: row.suggestion,
        };
        match full_name
            .strip_suffix('*')
            .and_then(|begin| begin.rsplit_once('.'))
        {
            Some((module, begin)) => {
                let list = self.begins.entry(module.to_owned()).or_default();
                list.push((begin.to_owned(), refusal));
            }
            None => {
                self.exact.insert(full_name, refusal);
            }
        }
    }

    /// What refuses a full name, if anything does; the outermost first.
    pub(crate) fn refusal_of(&self, name: &str) -> Option<&Refusal> {
        let dots = name
            .match_indices('.')
            .map(|(at, _)| at)
            .chain([name.len()]);
        dots.map(|end| &name[..end]).find_map(|part| {
            self.exact.get(part).or_else(|| {
                let (module, last) = part.rsplit_once('.')?;
                let begins = self.begins.get(module)?.iter();
                begins
                    .into_iter()
                    .find(|(begin, _)| last.starts_with(begin))
                    .map(|(_, refusal)| refusal)
            })
        })
    }

    /// Something refused in a module that is not refused itself.
    pub(crate) fn first_within(&self, module: &str) -> Option<&Refusal> {
        let begins = self.begins.get(module).and_then(|list| list.first());
        let mut names: Vec<_> = self
            .exact
            .iter()
            .filter(|(name, _)| is_within(name, module))
            .collect();
        names.sort_by_key(|(name, _)| *name);
        names
            .first()
            .map(|(_, refusal)| *refusal)
            .or(begins.map(|(_, refusal)| refusal))
    }

    /// The name that entries use for what an import names: `shutil.os` is `os`.
    pub(crate) fn imported(&self, name: &str) -> String {
        match name.split_once('.') {
            Some((module, rest)) => match rest.split_once('.') {
                Some((first, below)) => {
                    canonical(&format!("{}.{below}", self.attribute(module, first)))
                }
                None => self.attribute(module, rest),
            },
            None => canonical(name),
        }
    }

    /// Whether a module may not be imported because only others may.
    pub(crate) fn is_unlisted_module(&self, name: &str) -> bool {
        !self.allowed_modules.is_empty()
            && !self
                .allowed_modules
                .iter()
                .any(|allowed| is_within(name, allowed))
    }

    /// Whether a function may not be called because only others may.
    pub(crate) fn is_unlisted_function(&self, name: &str) -> bool {
        let is_listed = |allowed: &String| match allowed.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => name == allowed,
        };
        !self.allowed_functions.is_empty() && !self.allowed_functions.iter().any(is_listed)
    }

    /// Whether it matters which module is imported.
    pub(crate) fn minds_modules(&self) -> bool {
        !self.allowed_modules.is_empty() || !self.exact.is_empty() || !self.begins.is_empty()
    }

    /// Whether something refused, or a way to it, may lie at or below a full name.
    pub(crate) fn minds(&self, name: &str) -> bool {
        let is_above = |other: &str| is_within(other, name);
        self.refusal_of(name).is_some()
            || !self.allowed_functions.is_empty()
            || self.exact.keys().any(|other| is_above(other))
            || self.begins.keys().any(|other| is_above(other))
            || GATES.iter().any(|gate| is_above(gate))
            || DATA.same.iter().any(|same| is_above(&same.name))
            || is_standard_module(name)
    }

    /// The full name of a builtin, or of what was one in Python 2 and is refused.
    pub(crate) fn builtin(&self, name: &str) -> Option<String> {
        if name == "__builtins__" {
            return Some(BUILTINS.to_owned());
        }
        let full = format!("{BUILTINS}.{name}");
        (is_builtin(name) || self.exact.contains_key(&full)).then_some(full)
    }

    /// Whether a module, or something in it, is refused.
    fn reaches_into(&self, module: &str) -> bool {
        self.begins.contains_key(module) || self.exact.keys().any(|name| is_within(name, module))
    }

    /// The attribute `attribute` of what is called `name`, by the name that entries use.
    ///
    /// A module of the standard library has others as attributes: `shutil.os` is `os`.
    pub(crate) fn attribute(&self, name: &str, attribute: &str) -> String {
        if is_standard_module(name) && name != BUILTINS {
            let module = attribute.trim_start_matches('_');
            if self.reaches_into(module) {
                return module.to_owned();
            }
        }
        canonical(&format!("{name}.{attribute}"))
    }
}

/// The name that entries use for a full name.
pub(crate) fn canonical(name: &str) -> String {
    let same = DATA.same.iter().find(|same| is_within(name, &same.name));
    same.map_or_else(
        || name.to_owned(),
        |same| format!("{}{}", same.is, &name[same.name.len()..]),
    )
}

/// Whether Python 3 has a builtin of this name.
pub(crate) fn is_builtin(name: &str) -> bool {
    is_python_builtin(name, NEWEST_MINOR, false)
}

fn is_standard_module(name: &str) -> bool {
    !name.contains('.') && is_known_standard_library(NEWEST_MINOR, name)
}

/// A function without a module is a builtin.
fn full(name: &str) -> String {
    if name.contains('.') {
        canonical(name)
    } else {
        format!("{BUILTINS}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_entry_has_a_reason_and_a_place_and_stands_once() {
        const PLACES: &[&str] = &[
            "standard",
            "strict",
            "system_calls",
            "file_access",
            "network_access",
        ];
        let mut names = BTreeSet::new();
        for row in DATA.module.iter().chain(&DATA.function) {
            assert!(!row.reason.is_empty() && !row.at.is_empty(), "{row:?}");
            assert!(
                row.at.iter().all(|at| PLACES.contains(&at.as_str())),
                "{row:?}"
            );
            assert!(names.insert(&row.name), "{row:?}");
        }
        for same in &DATA.same {
            assert!(!same.reason.is_empty() && same.name != same.is, "{same:?}");
            assert_eq!(
                canonical(&same.is),
                same.is,
                "a second name leads to the first at once"
            );
        }
    }

    #[test]
    fn strict_is_the_list_of_the_seed_and_no_level_is_laxer_than_one_below() {
        let strict = Policy::of_level(SecurityLevel::Strict);
        let names: BTreeSet<&str> = strict
            .exact
            .values()
            .map(|refusal| refusal.name.as_str())
            .collect();
        let seed = "open file os subprocess sys importlib __import__ exec eval input raw_input";
        assert_eq!(names, seed.split(' ').collect());
        assert!(Policy::of_level(SecurityLevel::Permissive).is_empty());
        let standard = Policy::of_level(SecurityLevel::Standard);
        let begins = standard.begins.iter().flat_map(|(module, list)| {
            list.iter()
                .map(move |(begin, _)| format!("{module}.{begin}"))
        });
        for name in standard.exact.keys().cloned().chain(begins) {
            assert!(strict.refusal_of(&name).is_some(), "{name}");
        }
    }

    #[test]
    fn names_are_refused_as_a_whole() {
        let policy = Policy::of_level(SecurityLevel::Standard);
        for (name, expected) in [
            ("subprocess", Some("subprocess")),
            ("subprocess.run", Some("subprocess")),
            ("subprocesses", None),
            ("os", None),
            ("os.system", Some("os.system")),
            ("os.systemd", None),
            ("os.execvp", Some("os.exec*")),
            ("os.execvp.__name__", Some("os.exec*")),
            ("os.path.exec", None),
            ("builtins.eval", Some("eval")),
            ("eval", None),
        ] {
            assert_eq!(
                policy.refusal_of(name).map(|refusal| refusal.name.as_str()),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_allowed_by_name_is_taken_out_of_the_switches() {
        let settings = SecuritySettings {
            enable_file_access: false,
            enable_system_calls: false,
            allowed_functions: vec!["open".into(), "math.*".into()],
            blocked_functions: vec!["os.getcwd".into()],
            blocked_modules: vec!["json".into()],
            ..SecuritySettings::default()
        };
        let policy = Policy::of_settings(&settings);
        for (name, refused) in [
            ("builtins.open", false),
            ("pathlib.Path", true),
            ("os.getcwd", true),
            ("json.loads", true),
            ("ctypes", true),
        ] {
            assert_eq!(policy.refusal_of(name).is_some(), refused, "{name}");
        }
        assert!(
            policy.is_unlisted_function("builtins.print")
                && !policy.is_unlisted_function("math.sqrt")
        );
    }
}
