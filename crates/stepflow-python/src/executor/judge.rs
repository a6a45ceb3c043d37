//! The policy's word about a request, before anything of it starts.

use std::sync::Arc;

use engine::{Entry, ExecutionError, ExecutionRequest, Finding, SecurityLevel, Span};
use ruff_python_stdlib::sys::is_known_standard_library;

use super::Judgement;
use crate::parser::{self, ParserConfig, PythonVersionNumber};
use crate::security::SecuritySettings;
use crate::validator;
use crate::validator::policy::Policy;

/// Findings that are told. Source: `validator::check`.
const MOST_FINDINGS: usize = 100;
/// Something that would run without having been read.
const UNREAD: &str = "unread-code";
/// Ends of names of what is imported and is no text. Source: `importlib.machinery.all_suffixes`.
const COMPILED: [&str; 2] = [".pyc", ".so"];
/// Minor version whose standard library counts as such: more modules, more that is refused.
const NEWEST_MINOR: u8 = 14;

/// What a request is judged by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    pub(crate) level: SecurityLevel,
    /// What the operator lets be imported, at every level; `None` where all may.
    pub(crate) imports: Option<Arc<Policy>>,
    /// The Python whose syntax counts.
    pub(crate) version: Option<PythonVersionNumber>,
}

impl Rules {
    /// Whether nothing is read.
    pub(super) fn is_open(&self) -> bool {
        self.level == SecurityLevel::Permissive && self.imports.is_none()
    }
}

/// The rules of an operator about imports; `None` when there are none.
pub(crate) fn import_rules(config: &ParserConfig) -> Option<Arc<Policy>> {
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
pub(crate) async fn judgement(source: &str, rules: &Rules) -> Result<Judgement, ExecutionError> {
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
        // Each list is in the order of the source.
        findings.sort_by_key(|one| {
            let span = one.span;
            (span.line, span.column, span.end_line, span.end_column)
        });
        findings.truncate(MOST_FINDINGS);
    }
    Ok(Judgement { level, findings })
}

/// Where a text of a request stands.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    /// It is the source, with a line behind it that names what is called.
    Source { called: Option<(usize, &'a str)> },
    /// It is no text of the caller's: the import of this module.
    Module(&'a str),
    /// It is this file.
    File(&'a str),
}

/// A text that a program of a request can run.
pub(super) struct Text<'a> {
    place: Place<'a>,
    /// What it says, or why nobody can read it.
    pub(super) content: Result<String, Finding>,
}

impl Text<'_> {
    /// The finding in words of the caller's; one about the source stays as it is.
    pub(super) fn told(&self, finding: Finding) -> Finding {
        let (place, span) = match self.place {
            Place::Source {
                called: Some((line, function)),
            } if usize::try_from(finding.span.line).is_ok_and(|at| at >= line) => {
                (format!("in the call of `{function}`"), Span::default())
            }
            Place::Source { .. } => return finding,
            Place::Module(name) => (format!("in the module `{name}`"), Span::default()),
            Place::File(name) => (format!("in `{name}`"), finding.span),
        };
        Finding {
            message: format!("{place}: {}", finding.message),
            span,
            ..finding
        }
    }
}

/// The texts of a request that a program of it can run: the source with what is called in it, or the
/// import of a module that is run, and every file that can be imported.
pub(super) fn texts(request: &ExecutionRequest) -> Vec<Text<'_>> {
    let source = match &request.entry {
        // As if the program had written it: what may not be used may not be called either.
        Entry::Function(call) => Text {
            place: Place::Source {
                called: Some((lines(&request.source) + 1, &call.function)),
            },
            content: Ok(format!("{}\n{}", request.source, call.function)),
        },
        // Only a name with `-` in it is none that could be imported, and no such module is known.
        Entry::Module(name) => Text {
            place: Place::Module(name),
            content: Ok(format!("import {}", name.replace('-', "_"))),
        },
        Entry::Source | Entry::Globals(_) | Entry::Script(_) => Text {
            place: Place::Source { called: None },
            content: Ok(request.source.clone()),
        },
    };
    let files = request.files.iter();
    let modules = files.filter(|file| file.name.ends_with(".py"));
    let modules = modules.map(|file| Text {
        place: Place::File(&file.name),
        content: parser::decode(&file.content),
    });
    std::iter::once(source).chain(modules).collect()
}

/// Lines as Python counts them.
fn lines(source: &str) -> usize {
    let pairs = source.matches("\r\n").count();
    source.matches(['\r', '\n']).count() - pairs + 1
}

/// What a request can run although nobody can read it: compiled modules, and a module that is not
/// among the files. One of the standard library is not, even where a file has its name: Python may
/// take its own.
fn unread(request: &ExecutionRequest) -> Vec<Finding> {
    let finding = |message: String| Finding {
        code: UNREAD.to_owned(),
        message,
        span: Span::default(),
        excerpt: String::new(),
        suggestion: None,
    };
    let is_compiled = |name: &str| COMPILED.iter().any(|end| name.ends_with(end));
    let compiled = request.files.iter().filter(|file| is_compiled(&file.name));
    let compiled = compiled.map(|file| {
        let message = format!("`{}` is compiled code, which cannot be judged", file.name);
        finding(message)
    });
    let module = match &request.entry {
        Entry::Module(name) if !is_own(name, request) => {
            let message = format!("only a module among the files can be run, not `{name}`");
            Some(finding(message))
        }
        _ => None,
    };
    module.into_iter().chain(compiled).collect()
}

fn is_own(module: &str, request: &ExecutionRequest) -> bool {
    let first = module.split('.').next().unwrap_or_default();
    let path = module.replace('.', "/");
    let places = [format!("{path}.py"), format!("{path}/__main__.py")];
    !is_known_standard_library(NEWEST_MINOR, first)
        && request.files.iter().any(|file| places.contains(&file.name))
}

/// What the rules have against all that a request can run. Nothing is read that they leave open.
///
/// Errors: the parser's threads are busy.
pub(super) async fn findings(
    request: &ExecutionRequest,
    rules: &Rules,
) -> Result<Vec<Finding>, ExecutionError> {
    if rules.is_open() {
        return Ok(Vec::new());
    }
    let mut all = unread(request);
    for text in texts(request) {
        let found = match &text.content {
            Ok(content) => judgement(content, rules).await?.findings,
            Err(unreadable) => vec![unreadable.clone()],
        };
        all.extend(found.into_iter().map(|finding| text.told(finding)));
        if all.len() >= MOST_FINDINGS {
            break;
        }
    }
    all.truncate(MOST_FINDINGS);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use engine::{Call, InputFile};

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

    fn rules(allowed: &[&str], blocked: &[&str]) -> Rules {
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
    }

    #[tokio::test]
    async fn nothing_runs_unread_where_there_are_rules() {
        let request = |module: &str, files: &[&str]| ExecutionRequest {
            entry: match module {
                "" => Entry::Source,
                name => Entry::Module(name.to_owned()),
            },
            files: files
                .iter()
                .map(|name| InputFile {
                    name: (*name).to_owned(),
                    content: "".into(),
                })
                .collect(),
            ..Default::default()
        };
        let standard = Rules {
            level: SecurityLevel::Standard,
            ..Default::default()
        };
        let blocked = rules(&[], &["subprocess"]);
        for rules in [&standard, &blocked] {
            for (module, files, count) in [
                ("timeit", &[][..], 1),
                // Where Python has it already, a file of its name is not what runs.
                ("timeit", &["timeit.py"], 1),
                ("own", &["own.py"], 0),
                ("own.part", &["own/part/__main__.py"], 0),
                ("my-tool", &["my-tool.py"], 0),
                ("own", &["own.pyc"], 2),
                ("", &["x.cpython-311-x86_64-linux-gnu.so", "data.txt"], 1),
            ] {
                let found = findings(&request(module, files), rules).await.unwrap();
                assert_eq!(found.len(), count, "{module} {files:?}: {found:?}");
                assert!(found.iter().all(|one| one.code == UNREAD), "{found:?}");
            }
        }
        let shadow = request("subprocess", &["subprocess.py"]);
        let found = findings(&shadow, &blocked).await.unwrap();
        assert!(
            found
                .iter()
                .any(|one| one.message.starts_with("in the module `subprocess`: ")),
            "{found:?}"
        );
        let installed = request("timeit", &["x.so"]);
        let open = findings(&installed, &Rules::default()).await.unwrap();
        assert_eq!(open, []);
    }

    #[tokio::test]
    async fn what_is_called_is_named_and_has_no_line_of_its_own() {
        let request = ExecutionRequest {
            source: "import os\r\nx = 1\rimport subprocess\n".into(),
            entry: Entry::Function(Call {
                function: "os.system".into(),
                args: Vec::new(),
                kwargs: Default::default(),
            }),
            ..Default::default()
        };
        let standard = Rules {
            level: SecurityLevel::Standard,
            ..Default::default()
        };
        let found = findings(&request, &standard).await.unwrap();
        let called = |one: &&Finding| one.message.starts_with("in the call of `os.system`: ");
        assert_eq!(found.iter().find(called).unwrap().span, Span::default());
        assert!(found.iter().any(|one| one.span.line == 3), "{found:?}");
    }

    #[tokio::test]
    async fn an_operators_imports_count_at_every_level() {
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
        let both = Rules {
            level: SecurityLevel::Standard,
            ..rules(&[], &["json"])
        };
        let found = judgement("import json, subprocess", &both).await.unwrap();
        let order: Vec<_> = found.findings.iter().map(|one| &*one.excerpt).collect();
        assert_eq!(order, ["json", "subprocess"]);
        let many = "import json, subprocess\n".repeat(MOST_FINDINGS);
        let found = judgement(&many, &both).await.unwrap().findings;
        assert_eq!(found.len(), MOST_FINDINGS);
        assert_eq!(found.last().map(|one| one.span.line), Some(50));
        let allowed = rules(&["json"], &[]);
        let found = judgement("import json, os", &allowed)
            .await
            .unwrap()
            .findings;
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
