//! From the body of a request to the domain; pure. The first thing wrong is named by its path.

use std::collections::{BTreeMap, HashSet};

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use stepflow_python::executor::MOST_FILES;
use stepflow_python::{
    Call, Entry, EnvironmentChoice, ExecutionRequest, InputFile, LimitOverrides, SecurityLevel,
};

use super::wire::{CallBody, Object, RequestBody, ValidateBody, Whole, WishBody};

/// Most requirements of one request.
pub(crate) const MOST_PACKAGES: usize = 256;
const MOST_ARGS: usize = 1024;
const MOST_ARG_BYTES: usize = 128 * 1024;

/// Base64 as clients write it: with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A body that is no execution request: which field, and what it must be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}`: {problem}")]
pub(crate) struct BadField {
    path: String,
    problem: String,
}

pub(super) fn bad(path: impl Into<String>, problem: impl Into<String>) -> BadField {
    BadField {
        path: path.into(),
        problem: problem.into(),
    }
}

/// Reads a request from the bytes of a body.
///
/// Errors: the first field that is unknown, missing or wrong, by its path.
pub(crate) fn request(body: &[u8]) -> Result<ExecutionRequest, BadField> {
    from_wire(read(body)?)
}

/// Reads what is to be validated, and at which level.
///
/// Errors: as those of [`request`].
pub(crate) fn validation(body: &[u8]) -> Result<(String, SecurityLevel), BadField> {
    let body: ValidateBody = read(body)?;
    Ok((body.source, level(body.policy.as_deref())?))
}

pub(super) fn level(policy: Option<&str>) -> Result<SecurityLevel, BadField> {
    let level = policy.map(str::parse).transpose();
    Ok(level
        .map_err(|told: String| bad("policy", told))?
        .unwrap_or_default())
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, BadField> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let Object(parsed): Object<T> =
        serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            // `?` is a key that had not come when the text ended.
            let path = path.trim_end_matches('?').trim_end_matches('.');
            let path = if path.is_empty() { "body" } else { path };
            bad(path, error.into_inner().to_string())
        })?;
    json.end().map_err(|error| bad("body", error.to_string()))?;
    Ok(parsed)
}

fn from_wire(body: RequestBody) -> Result<ExecutionRequest, BadField> {
    let stdin = match (body.stdin, body.stdin_base64) {
        (Some(_), Some(_)) => {
            return Err(bad(
                "stdin_base64",
                "give `stdin` or `stdin_base64`, not both",
            ));
        }
        (Some(text), None) => Some(Bytes::from(text)),
        (None, Some(encoded)) => Some(decode("stdin_base64", &encoded)?),
        (None, None) => None,
    };
    check_args(&body.args)?;
    if body.files.len() > MOST_FILES {
        return Err(bad(
            "files",
            format!("{} files, but the most is {MOST_FILES}", body.files.len()),
        ));
    }
    let mut seen = HashSet::new();
    let mut files = Vec::with_capacity(body.files.len());
    for (index, Object(file)) in body.files.into_iter().enumerate() {
        let path = format!("files[{index}].name");
        if !InputFile::is_valid_name(&file.name) {
            return Err(bad(
                path,
                "must be plain names of at most 255 bytes with `/` between them, without control characters, `.` or `..`",
            ));
        }
        if !seen.insert(file.name.clone()) {
            return Err(bad(path, "an earlier file has the same name"));
        }
        let content = decode(
            &format!("files[{index}].content_base64"),
            &file.content_base64,
        )?;
        files.push(InputFile {
            name: file.name,
            content,
        });
    }
    let one_of = (body.globals, body.function, body.script, body.module);
    let entry = entry(one_of, body.source.is_some())?;
    Ok(ExecutionRequest {
        source: body.source.unwrap_or_default(),
        entry,
        directory: body.directory,
        executor: body.executor,
        stdin,
        args: body.args,
        files,
        limits: wish(body.limits.0),
        policy: level(body.policy.as_deref())?,
        environment: choice(body.environment, body.packages)?,
        ..Default::default()
    })
}

type OneOf = (
    Option<BTreeMap<String, Box<RawValue>>>,
    Option<Object<CallBody>>,
    Option<String>,
    Option<String>,
);

/// What is run; the executor says whether its names are any.
fn entry(one_of: OneOf, has_source: bool) -> Result<Entry, BadField> {
    let entry = match one_of {
        (None, None, None, None) => Entry::Source,
        (Some(globals), None, None, None) => Entry::Globals(globals),
        (None, Some(Object(call)), None, None) => Entry::Function(Call {
            function: call.name,
            args: call.args,
            kwargs: call.kwargs,
        }),
        (None, None, Some(path), None) => Entry::Script(path),
        (None, None, None, Some(name)) => Entry::Module(name),
        _ => {
            let problem = "give one of `globals`, `function`, `script` and `module`";
            return Err(bad("body", problem));
        }
    };
    if !has_source && !matches!(entry, Entry::Module(_)) {
        return Err(bad("source", "missing field `source`"));
    }
    Ok(entry)
}

fn choice(name: Option<String>, packages: Vec<String>) -> Result<EnvironmentChoice, BadField> {
    if packages.len() > MOST_PACKAGES {
        let problem = format!(
            "{} packages, but the most is {MOST_PACKAGES}",
            packages.len()
        );
        return Err(bad("packages", problem));
    }
    Ok(match (name, packages) {
        (None, packages) if packages.is_empty() => EnvironmentChoice::Default,
        (name, packages) => EnvironmentChoice::Asked { name, packages },
    })
}

fn check_args(args: &[String]) -> Result<(), BadField> {
    if args.len() > MOST_ARGS {
        return Err(bad(
            "args",
            format!("{} arguments, but the most is {MOST_ARGS}", args.len()),
        ));
    }
    if let Some(index) = args.iter().position(|arg| arg.contains('\0')) {
        return Err(bad(
            format!("args[{index}]"),
            "must not contain a NUL character",
        ));
    }
    let bytes: usize = args.iter().map(String::len).sum();
    if bytes > MOST_ARG_BYTES {
        return Err(bad(
            "args",
            format!("{bytes} bytes in all, but the most is {MOST_ARG_BYTES}"),
        ));
    }
    Ok(())
}

fn decode(path: &str, encoded: &str) -> Result<Bytes, BadField> {
    LENIENT
        .decode(encoded)
        .map(Bytes::from)
        .map_err(|error| bad(path, format!("not base64: {error}")))
}

pub(crate) fn wish(body: WishBody) -> LimitOverrides {
    let number = |whole: Option<Whole>| whole.map(|Whole(number)| number);
    LimitOverrides {
        wall_ms: number(body.wall_ms),
        cpu_ms: number(body.cpu_ms),
        memory_bytes: number(body.memory_bytes),
        processes: number(body.processes),
        workdir_bytes: number(body.workdir_bytes),
        workdir_inodes: number(body.workdir_inodes),
        output_bytes: number(body.output_bytes),
        output_hard_bytes: number(body.output_hard_bytes),
        artifacts: number(body.artifacts),
        artifact_bytes: number(body.artifact_bytes),
        source_bytes: number(body.source_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str, needle: &str) {
        let error = request(body.as_bytes())
            .map(|_| body.to_owned())
            .unwrap_err()
            .to_string();
        assert!(error.contains(needle), "{body}: {error}");
    }

    #[test]
    fn a_whole_request_arrives() {
        let body = r#"{"source":"print(1)","stdin":"é","args":["a"],
            "files":[{"name":"x.csv","content_base64":"AQI="}],"limits":{"wall_ms":5,"memory_bytes":null},"policy":"strict"}"#;
        let request = request(body.as_bytes()).unwrap();
        assert_eq!(request.source, "print(1)");
        assert_eq!(request.policy, SecurityLevel::Strict);
        assert_eq!(request.stdin.unwrap(), "é".as_bytes());
        assert_eq!(request.files[0].content, [1, 2][..]);
        assert_eq!(
            request.limits,
            LimitOverrides {
                wall_ms: Some(5),
                ..Default::default()
            }
        );
    }

    #[test]
    fn values_keep_every_digit_and_one_entry_is_taken() {
        let entry = |body: &str| request(body.as_bytes()).map(|request| request.entry);
        let function = r#"{"source":"","function":{"name":"f","args":[1.10, 123456789012345678901234567890],"kwargs":{"a":{"b":[ ]}}}}"#;
        let Ok(Entry::Function(call)) = entry(function) else {
            panic!("it is a call")
        };
        assert_eq!(call.function, "f");
        assert_eq!(call.args[0].get(), "1.10");
        assert_eq!(call.args[1].get(), "123456789012345678901234567890");
        assert_eq!(call.kwargs["a"].get(), r#"{"b":[ ]}"#);
        let module = entry(r#"{"module":"pkg"}"#).unwrap();
        assert!(matches!(module, Entry::Module(name) if name == "pkg"));
        let deep = "[".repeat(100_000);
        for (body, needle) in [
            (r#"{"source":"","module":"a","script":"b"}"#, "give one of"),
            (r#"{"script":"b.py"}"#, "missing field `source`"),
            (
                r#"{"source":"","function":{"args":[]}}"#,
                "missing field `name`",
            ),
            (r#"{"source":"","function":["f"]}"#, "`function`: "),
            (
                r#"{"source":"","function":{"name":"f","args":{}}}"#,
                "`function.args`: ",
            ),
            (
                r#"{"source":"","function":{"name":"f","args":[NaN]}}"#,
                "`function.args[0]`: ",
            ),
            (
                r#"{"source":"","function":{"name":"f","kwargs":[]}}"#,
                "`function.kwargs`: ",
            ),
            (
                r#"{"source":"","function":{"name":"f","x":1}}"#,
                "unknown field `x`",
            ),
            (
                &format!(r#"{{"source":"","globals":{{"x":{deep}"#),
                "`globals.x`: ",
            ),
        ] {
            refused(body, needle);
        }
    }

    #[test]
    fn a_request_takes_as_many_files_as_a_folder_may_have() {
        let body = |count: usize| {
            let file = |number| format!(r#"{{"name":"d/{number}","content_base64":""}}"#);
            let files: Vec<_> = (0..count).map(file).collect();
            format!(r#"{{"source":"","files":[{}]}}"#, files.join(","))
        };
        let most = request(body(MOST_FILES).as_bytes()).unwrap();
        assert_eq!(most.files.len(), MOST_FILES);
        refused(&body(MOST_FILES + 1), "`files`: 4097 files, but the most");
    }

    #[test]
    fn what_is_optional_may_be_null() {
        let body = r#"{"source":"x","stdin":null,"args":null,"files":null,"limits":null,"policy":null,
            "environment":null,"packages":null,"function":{"name":"f","args":null,"kwargs":null},
            "globals":null,"script":null,"module":null,"directory":null,"executor":null}"#;
        let read = request(body.as_bytes()).unwrap();
        assert_eq!((read.source.as_str(), read.args.len()), ("x", 0));
        assert_eq!(read.environment, EnvironmentChoice::Default);
        refused(r#"{"source":"","args":"a"}"#, "`args`: ");
    }

    #[test]
    fn a_bad_field_is_named() {
        for number in [
            "-1",
            "1e308",
            "1e999",
            "NaN",
            "1.5",
            "\"5\"",
            "9007199254740992",
            "18446744073709551616",
            "true",
            "[]",
        ] {
            refused(
                &format!(r#"{{"source":"","limits":{{"wall_ms":{number}}}}}"#),
                "`limits.wall_ms`: ",
            );
        }
        refused(
            r#"{"source":"","limits":{"wall_ms":-1}}"#,
            "expected a whole number from 0 to 9007199254740991",
        );
        refused(
            r#"{"source":"","limits":{"gpus":1}}"#,
            "unknown field `gpus`",
        );
        refused(r#"{"source":"","user":"root"}"#, "unknown field `user`");
        refused(r#"{"source":"","source":""}"#, "duplicate field `source`");
        refused(
            r#"{"source":"","policy":"lax"}"#,
            "`policy`: `lax` is no policy level; use `permissive`, `standard` or `strict`",
        );
        refused(r#"{"source":"","policy":1}"#, "`policy`: ");
        refused(r#"{"args":[]}"#, "missing field `source`");
        refused(r#"{"source":1}"#, "`source`: ");
        refused(r#"{"source":"\ud800"}"#, "`source`: ");
        refused(r#"{"source":"","args":[1]}"#, "`args[0]`: ");
        refused(r#"{"source":"","args":["\u0000"]}"#, "`args[0]`: ");
        refused(
            r#"{"source":"","stdin":"","stdin_base64":""}"#,
            "`stdin_base64`: ",
        );
        refused(
            r#"{"source":"","files":[{"name":"a","content_base64":"!"}]}"#,
            "`files[0].content_base64`: ",
        );
        refused(r#"{"source":""} x"#, "`body`: ");
        refused(
            r#"["print(1)"]"#,
            "`body`: invalid type: sequence, expected an object",
        );
        refused(r#"{"source":"","limits":[5]}"#, "`limits`: ");
        refused(r#"{"source":"","files":[["a",""]]}"#, "`files[0]`: ");
        refused("", "`body`: ");
        for name in ["../x", "/x", "a//b", "", ".", "..", r"a\u0000b"] {
            refused(
                &format!(r#"{{"source":"","files":[{{"name":"{name}","content_base64":""}}]}}"#),
                "`files[0].name`: ",
            );
        }
        let twice = r#"{"source":"","files":[{"name":"a","content_base64":""},{"name":"a","content_base64":""}]}"#;
        refused(twice, "`files[1].name`: ");
    }
}
