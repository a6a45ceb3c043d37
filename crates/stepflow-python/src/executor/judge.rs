//! The policy's word about a request, before anything of it starts.

use std::sync::Arc;

use engine::{ExecutionError, ExecutionRequest, Finding, SecurityLevel};

use super::Judgement;
use crate::parser::{self, ParserConfig, PythonVersionNumber};
use crate::security::SecuritySettings;
use crate::validator;
use crate::validator::policy::Policy;

/// Findings that are told. Source: `validator::check`.
const MOST_FINDINGS: usize = 100;

/// What a request is judged by.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    pub(super) level: SecurityLevel,
    /// What the operator lets be imported, at every level; `None` where all may.
    pub(super) imports: Option<Arc<Policy>>,
    /// The Python whose syntax counts.
    pub(super) version: Option<PythonVersionNumber>,
}

impl Rules {
    /// Whether nothing is read.
    pub(super) fn is_open(&self) -> bool {
        self.level == SecurityLevel::Permissive && self.imports.is_none()
    }
}

/// The rules of an operator about imports; `None` when there are none.
pub(super) fn import_rules(config: &ParserConfig) -> Option<Arc<Policy>> {
    if config.allowed_imports.is_empty() && config.blocked_imports.is_empty() {
        return None;
    }
    let settings = SecuritySettings {
        allowed_modules: config.allowed_imports.clone(),
        blocked_modules: config.blocked_imports.clone(),
        // These are rules about names: that there is no network is nobody's rule.
        enable_network_access: true,
        ..SecuritySettings::default()
    };
    Some(Arc::new(Policy::of_settings(&settings)))
}

/// What the rules have against a source.
///
/// Errors: the parser's threads are busy.
pub(super) async fn judgement(source: &str, rules: &Rules) -> Result<Judgement, ExecutionError> {
    let busy = |validator::Busy| ExecutionError::Unchecked;
    let (level, version) = (rules.level, rules.version);
    let mut findings = validator::check(source, level, version)
        .await
        .map_err(busy)?;
    if let Some(imports) = &rules.imports {
        let more = validator::check_with(source, Arc::clone(imports), version);
        for finding in more.await.map_err(busy)? {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    Ok(Judgement { level, findings })
}

/// The texts of a request that a program of it can run, by the names of their files: the source with
/// what is called in it (named `None`), and every file that can be imported.
pub(super) fn texts(request: &ExecutionRequest) -> Vec<(Option<&str>, Result<String, Finding>)> {
    let source = match &request.entry {
        // As if the program had written it: what may not be used may not be called either.
        engine::Entry::Function(call) => format!("{}\n{}", request.source, call.function),
        _ => request.source.clone(),
    };
    let files = request.files.iter();
    let modules = files.filter(|file| file.name.ends_with(".py"));
    let modules = modules.map(|file| (Some(file.name.as_str()), parser::decode(&file.content)));
    std::iter::once((None, Ok(source))).chain(modules).collect()
}

/// What the rules have against all that a request can run. Nothing is read that they leave open.
///
/// Errors: the parser's threads are busy.
pub(super) async fn findings(
    request: &ExecutionRequest,
    rules: &Rules,
) -> Result<Vec<Finding>, ExecutionError> {
    let mut all = Vec::new();
    if rules.is_open() {
        return Ok(all);
    }
    for (file, text) in texts(request) {
        let found = match text {
            Ok(text) => judgement(&text, rules).await?.findings,
            Err(unreadable) => vec![unreadable],
        };
        all.extend(found.into_iter().map(|finding| named(file, finding)));
        if all.len() >= MOST_FINDINGS {
            break;
        }
    }
    all.truncate(MOST_FINDINGS);
    Ok(all)
}

/// The finding with the name of the file it is about; one about the source has none.
pub(super) fn named(file: Option<&str>, finding: Finding) -> Finding {
    let Some(file) = file else { return finding };
    Finding {
        message: format!("in `{file}`: {}", finding.message),
        ..finding
    }
}

#[cfg(test)]
mod tests {
    use engine::{Call, Entry, InputFile};

    use super::*;

    #[tokio::test]
    async fn all_that_can_be_imported_or_called_is_judged() {
        let file = |name: &str, content: &'static [u8]| InputFile {
            name: name.into(),
            content: content.into(),
        };
        let request = ExecutionRequest {
            source: "from os import path".into(),
            files: vec![
                file("data.txt", b"import subprocess"),
                file("pkg/a.py", b"x = 1\nimport subprocess"),
                file("b.py", b"\xff"),
            ],
            entry: Entry::Function(Call {
                function: "path.eval".into(),
                args: Vec::new(),
                kwargs: Default::default(),
            }),
            ..Default::default()
        };
        let told = |found: Vec<Finding>| -> Vec<String> {
            found.into_iter().map(|finding| finding.message).collect()
        };
        let at = |level| Rules {
            level,
            ..Default::default()
        };
        let strict = findings(&request, &at(SecurityLevel::Strict))
            .await
            .unwrap();
        assert!(
            strict.iter().any(|finding| finding.span.line == 2),
            "{strict:?}"
        );
        let strict = told(strict);
        assert!(
            strict.iter().any(|one| one.starts_with("in `pkg/a.py`: ")),
            "{strict:?}"
        );
        assert!(
            strict.iter().any(|one| one.starts_with("in `b.py`: ")),
            "{strict:?}"
        );
        assert!(
            !strict.iter().any(|one| one.contains("data.txt")),
            "{strict:?}"
        );
        let none = findings(&request, &at(SecurityLevel::Permissive))
            .await
            .unwrap();
        assert_eq!(told(none), Vec::<String>::new());
    }

    #[tokio::test]
    async fn an_operators_imports_count_at_every_level() {
        let rules = |allowed: &[&str], blocked: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let config = ParserConfig {
                allowed_imports: owned(allowed),
                blocked_imports: owned(blocked),
                ..Default::default()
            };
            Rules {
                imports: import_rules(&config),
                ..Default::default()
            }
        };
        assert!(rules(&[], &[]).is_open());
        let blocked = rules(&[], &["ctypes"]);
        for (source, count) in [
            ("import os, socket", 0),
            ("import ctypes.util", 1),
            ("x = (", 1),
        ] {
            let found = judgement(source, &blocked).await.unwrap().findings;
            assert_eq!(found.len(), count, "{source}: {found:?}");
        }
        let allowed = rules(&["json"], &[]);
        let found = judgement("import json, os", &allowed)
            .await
            .unwrap()
            .findings;
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
