//! Which modules may be imported.

use crate::parser::Import;

/// Modules that are allowed and blocked, each with everything below it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ModuleRules<'a> {
    allowed: &'a [String],
    blocked: &'a [String],
}

impl<'a> ModuleRules<'a> {
    /// An empty list of allowed modules allows all; what is blocked is blocked all the same.
    pub(crate) fn new(allowed: &'a [String], blocked: &'a [String]) -> Self {
        Self { allowed, blocked }
    }

    /// Why an import is refused; `None` when it is not. What is relative is the program's own.
    pub(crate) fn refusal_of(&self, import: &Import) -> Option<String> {
        if import.level > 0 {
            return None;
        }
        // `from a import b` may import the module `a.b`.
        let full = match import.name.as_deref() {
            Some(name) if name != "*" => format!("{}.{name}", import.module),
            Some(_) | None => import.module.clone(),
        };
        if let Some(blocked) = self
            .blocked
            .iter()
            .find(|blocked| is_within(&full, blocked))
        {
            return Some(format!("the module `{blocked}` is blocked"));
        }
        let allowed =
            self.allowed.is_empty() || self.allowed.iter().any(|allowed| is_within(&full, allowed));
        (!allowed).then(|| {
            format!(
                "the module `{}` is not among those that are allowed",
                import.module
            )
        })
    }
}

/// Whether `name` is `module` or something in it.
pub(crate) fn is_within(name: &str, module: &str) -> bool {
    name.strip_prefix(module)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_compared_by_whole_names() {
        let (allowed, blocked) = (
            ["json".to_owned(), "xml".to_owned()],
            ["xml.etree".to_owned()],
        );
        let rules = ModuleRules::new(&allowed, &blocked);
        for (module, name, level, refused) in [
            ("json", None, 0, false),
            ("json.decoder", None, 0, false),
            ("jsonx", None, 0, true),
            ("xml.etree", None, 0, true),
            ("xml", Some("etree"), 0, true),
            ("xml", Some("*"), 0, false),
            ("xml.sax", Some("etree"), 0, false),
            ("os", None, 1, false),
        ] {
            let import = Import {
                module: module.into(),
                name: name.map(str::to_owned),
                level,
                ..Default::default()
            };
            assert_eq!(
                rules.refusal_of(&import).is_some(),
                refused,
                "{module} {name:?}"
            );
        }
        let import = Import {
            module: "os".into(),
            ..Default::default()
        };
        assert_eq!(ModuleRules::new(&[], &[]).refusal_of(&import), None);
    }
}
