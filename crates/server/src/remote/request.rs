//! From the domain onto the wire; pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use stepflow_python::{Entry, EnvironmentChoice, ExecutionRequest, SecurityLevel};

use crate::doors::native::tools::limits_body;
use crate::doors::native::wire::{CallBody, FileBody, Object, RequestBody};

pub(crate) fn body(request: ExecutionRequest) -> RequestBody {
    let (stdin, stdin_base64) = match request.stdin.map(|bytes| String::from_utf8(bytes.to_vec())) {
        None => (None, None),
        Some(Ok(text)) => (Some(text), None),
        Some(Err(binary)) => (None, Some(STANDARD.encode(binary.as_bytes()))),
    };
    let (environment, packages) = match request.environment {
        EnvironmentChoice::Default => (None, Vec::new()),
        EnvironmentChoice::Asked { name, packages } => (name, packages),
        EnvironmentChoice::Built(built) => (Some(built.digest.clone()), Vec::new()),
    };
    let mut body = entry(request.entry, request.source);
    body.directory = request.directory;
    body.executor = request.executor;
    RequestBody {
        stdin,
        stdin_base64,
        args: request.args,
        files: request
            .files
            .into_iter()
            .map(|file| {
                Object(FileBody {
                    name: file.name,
                    content_base64: STANDARD.encode(&file.content),
                })
            })
            .collect(),
        limits: Object(limits_body(&request.limits)),
        policy: policy(request.policy),
        environment,
        packages,
        ..body
    }
}

/// What is run, as a body that says nothing else.
fn entry(entry: Entry, source: String) -> RequestBody {
    let mut body = RequestBody::default();
    match entry {
        Entry::Source => {}
        Entry::Globals(globals) => body.globals = Some(globals),
        Entry::Function(call) => {
            body.function = Some(Object(CallBody {
                name: call.function,
                args: call.args,
                kwargs: call.kwargs,
            }));
        }
        Entry::Script(path) => body.script = Some(path),
        Entry::Module(name) => {
            body.module = Some(name);
            return body;
        }
    }
    body.source = Some(source);
    body
}

/// What is the default anyway is not said, so that a request stays as short as it was.
pub(crate) fn policy(level: SecurityLevel) -> Option<String> {
    (level != SecurityLevel::default()).then(|| level.name().to_owned())
}
