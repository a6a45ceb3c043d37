//! The seed's requests as execution requests. The source stays the caller's; values travel as data.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use engine::{
    Call, Entry, EnvironmentChoice, ExecutionError, ExecutionRequest, LimitOverrides, Limits,
};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::{FunctionRequest, PythonRequest};
use crate::environment::EnvironmentId;

/// The execution of `execute_code`: parameters are globals, or the keywords of the named function.
#[must_use]
pub fn of_code(request: PythonRequest) -> ExecutionRequest {
    let parameters = raw_map(request.parameters);
    let entry = match request.function_name {
        Some(function) => Entry::Function(Call {
            function,
            args: Vec::new(),
            kwargs: parameters,
        }),
        None if parameters.is_empty() => Entry::Source,
        None => Entry::Globals(parameters),
    };
    ExecutionRequest {
        source: request.code,
        entry,
        limits: limits(request.timeout, request.memory_limit),
        environment: environment(request.environment_id),
        policy: request.security_level,
        ..Default::default()
    }
}

/// The execution of `execute_function`: the code, then the call.
#[must_use]
pub fn of_function(request: FunctionRequest) -> ExecutionRequest {
    let call = Call {
        function: request.function_name,
        args: request.args.iter().map(raw).collect(),
        kwargs: raw_map(request.kwargs),
    };
    ExecutionRequest {
        source: request.code,
        entry: Entry::Function(call),
        limits: limits(request.timeout, request.memory_limit),
        environment: environment(request.environment_id),
        policy: request.security_level,
        ..Default::default()
    }
}

/// A seed request that says the same as an execution request.
pub(super) enum Requested {
    Code(PythonRequest),
    Function(FunctionRequest),
}

/// The way back, for executors that have only the seed's methods.
///
/// Errors: what the seed's requests have no place for. It is refused, not dropped.
pub(super) fn requested(request: ExecutionRequest) -> Result<Requested, ExecutionError> {
    let refuse = |what: &str| {
        let reason = format!("the executor that was chosen takes {what}");
        Err(ExecutionError::Entry { reason })
    };
    if request.stdin.is_some() || !request.args.is_empty() {
        return refuse("no standard input and no arguments");
    }
    if !request.files.is_empty() || request.directory.is_some() {
        return refuse("no files");
    }
    let environment_id = match request.environment {
        EnvironmentChoice::Default => None,
        EnvironmentChoice::Asked {
            name: Some(name),
            packages,
        } if packages.is_empty() => match name.parse() {
            Ok(id) => Some(id),
            Err(_) => return refuse("an environment only by its id"),
        },
        EnvironmentChoice::Asked { .. } | EnvironmentChoice::Built(_) => {
            return refuse("an environment only by its id");
        }
    };
    let (code, security_level) = (request.source, request.policy);
    let timeout = request.limits.wall_ms.map(Duration::from_millis);
    let memory_limit = request
        .limits
        .memory_bytes
        .and_then(|bytes| usize::try_from(bytes).ok());
    let whole = |(function_name, parameters): (Option<String>, _)| PythonRequest {
        code: code.clone(),
        function_name,
        parameters,
        environment_id,
        timeout,
        memory_limit,
        security_level,
    };
    Ok(match request.entry {
        Entry::Source => Requested::Code(whole((None, HashMap::new()))),
        Entry::Globals(globals) => Requested::Code(whole((None, value_map(globals)?))),
        Entry::Function(call) if call.args.is_empty() => {
            Requested::Code(whole((Some(call.function), value_map(call.kwargs)?)))
        }
        Entry::Function(call) => Requested::Function(FunctionRequest {
            code,
            function_name: call.function,
            args: call.args.iter().map(value).collect::<Result<_, _>>()?,
            kwargs: value_map(call.kwargs)?,
            environment_id,
            timeout,
            memory_limit,
            security_level,
        }),
        Entry::Script(_) | Entry::Module(_) => return refuse("no scripts and no modules"),
    })
}

/// Errors: a number that `Value` cannot hold.
#[expect(clippy::borrowed_box, reason = "what a list of them is mapped over")]
fn value(raw: &Box<RawValue>) -> Result<Value, ExecutionError> {
    serde_json::from_str(raw.get()).map_err(|error| ExecutionError::Entry {
        reason: format!("a value cannot be read: {error}"),
    })
}

fn value_map(
    values: BTreeMap<String, Box<RawValue>>,
) -> Result<HashMap<String, Value>, ExecutionError> {
    let values = values.into_iter();
    values.map(|(name, raw)| Ok((name, value(&raw)?))).collect()
}

/// A timeout of the seed's that is longer than the default CPU time is one of that, too: a program
/// that computes all the time has all of it. A shorter one leaves several threads their time.
pub(super) fn limits(timeout: Option<Duration>, memory_limit: Option<usize>) -> LimitOverrides {
    let wall_ms = timeout.map(engine::limits::millis);
    LimitOverrides {
        wall_ms,
        cpu_ms: cpu_ms(wall_ms),
        memory_bytes: memory_limit.and_then(|bytes| u64::try_from(bytes).ok()),
        ..Default::default()
    }
}

/// The CPU time that a wall-clock limit asks for, where nobody asked for one.
#[must_use]
pub fn cpu_ms(wall_ms: Option<u64>) -> Option<u64> {
    let default = engine::limits::millis(Limits::default().cpu);
    wall_ms.filter(|wall| *wall > default)
}

pub(super) fn environment(id: Option<EnvironmentId>) -> EnvironmentChoice {
    id.map_or_else(Default::default, |id| EnvironmentChoice::Asked {
        name: Some(id.to_string()),
        packages: Vec::new(),
    })
}

fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).expect("a JSON value is JSON")
}

fn raw_map(values: HashMap<String, Value>) -> BTreeMap<String, Box<RawValue>> {
    let values = values.into_iter();
    values.map(|(name, value)| (name, raw(&value))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_long_timeout_is_one_of_cpu_time_too() {
        let asked = limits(Some(Duration::from_secs(120)), None);
        assert_eq!(
            (asked.wall_ms, asked.cpu_ms),
            (Some(120_000), Some(120_000))
        );
        for timeout in [None, Some(Duration::from_secs(5))] {
            assert_eq!(limits(timeout, Some(1)).cpu_ms, None);
        }
    }

    #[test]
    fn parameters_are_globals_or_keywords_and_never_code() {
        let request = |function: Option<&str>, parameters: &[(&str, Value)]| {
            let parameters = parameters.iter();
            of_code(PythonRequest {
                code: "x".into(),
                function_name: function.map(Into::into),
                parameters: parameters
                    .map(|(name, value)| ((*name).to_owned(), value.clone()))
                    .collect(),
                ..Default::default()
            })
        };
        let tricky = [("a", json!("'\"\n"))];
        let Entry::Function(call) = request(Some("f"), &tricky).entry else {
            panic!("it names a function")
        };
        assert_eq!((call.function.as_str(), call.args.len()), ("f", 0));
        assert_eq!(call.kwargs["a"].get(), r#""'\"\n""#);
        assert!(matches!(request(None, &tricky).entry, Entry::Globals(_)));
        assert!(matches!(request(None, &[]).entry, Entry::Source));
        assert_eq!(request(Some("f"), &tricky).source, "x");
    }
}
