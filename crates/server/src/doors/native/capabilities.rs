//! `GET /capabilities`: the gateway contract's keys first and in its order, then ours.

use serde::{Deserialize, Serialize};
use stepflow_python::executor::MOST_FILES;
use stepflow_python::{
    Capabilities, ExecutorDescription, Isolation, LayerState, Limits, ParserDescription,
};

use super::report::limits;
use super::wire::LimitsBody;

/// What the server offers. Field order is the document's order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CapabilitiesBody {
    pub(crate) python_version: Option<String>,
    pub(crate) installed_packages: Vec<PackageBody>,
    pub(crate) limits: OverviewBody,
    pub(crate) network_policy: NetworkPolicyBody,
    pub(crate) isolation: IsolationBody,
    pub(crate) execution_limits: LimitPolicyBody,
    #[serde(default)]
    pub(crate) executors: Vec<ExecutorBody>,
    #[serde(default)]
    pub(crate) parsers: Vec<ParserBody>,
    /// Most bytes in the body of an execution request; absent in older servers.
    #[serde(default)]
    pub(crate) request_bytes: Option<usize>,
}

/// Who can be named to run a request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExecutorBody {
    pub(crate) name: String,
    pub(crate) versions: Vec<String>,
}

/// Who can be chosen to read sources.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ParserBody {
    pub(crate) name: String,
    pub(crate) features: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PackageBody {
    pub(crate) name: String,
    pub(crate) version: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OverviewBody {
    pub(crate) max_concurrency: usize,
    execution_timeout_seconds: u64,
    container: ContainerBody,
    input: InputBody,
    output: OutputBody,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerBody {
    memory: String,
    cpus: usize,
    pids_limit: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct InputBody {
    max_files: usize,
    max_file_bytes: u64,
    total_max_bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutputBody {
    max_files: u32,
    max_file_bytes: u64,
    total_max_bytes: u64,
    /// `*`: a file of any name is collected.
    allowed_extensions: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NetworkPolicyBody {
    executor_network_mode: String,
    internet_access: bool,
    supports_http_input_files: bool,
    supports_pip_install: bool,
    introspection: IntrospectionBody,
}

#[derive(Debug, Serialize, Deserialize)]
struct IntrospectionBody {
    ok: bool,
    error: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IsolationBody {
    pub(crate) tier: String,
    pub(crate) layers: Vec<LayerBody>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LayerBody {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) detail: String,
    pub(crate) meaning: String,
    pub(crate) mend: Option<String>,
}

/// Limits in force when a request says nothing, and the most it can ask for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LimitPolicyBody {
    pub(crate) defaults: LimitsBody,
    pub(crate) maxima: LimitsBody,
}

/// The document for an executor behind a door that takes bodies of `body_bytes`.
pub(crate) fn document(capabilities: Capabilities, body_bytes: usize) -> CapabilitiesBody {
    let policy = &capabilities.limits;
    let mut installed: Vec<_> = capabilities
        .packages
        .into_iter()
        .map(|package| PackageBody {
            name: package.name,
            version: package.version,
        })
        .collect();
    installed.sort_by_key(|package| package.name.to_lowercase());
    let known = !capabilities.python_version.is_empty();
    CapabilitiesBody {
        python_version: known.then_some(capabilities.python_version),
        installed_packages: installed,
        limits: overview(&policy.defaults, capabilities.max_concurrency, body_bytes),
        network_policy: NetworkPolicyBody {
            executor_network_mode: "none".to_owned(),
            internet_access: false,
            supports_http_input_files: false,
            supports_pip_install: false,
            introspection: IntrospectionBody {
                ok: known,
                error: (!known).then(|| "the interpreter's version is not known".to_owned()),
            },
        },
        isolation: isolation(capabilities.isolation),
        execution_limits: LimitPolicyBody {
            defaults: limits(&policy.defaults),
            maxima: limits(&policy.maxima),
        },
        executors: capabilities.executors.into_iter().map(executor).collect(),
        parsers: capabilities.parsers.into_iter().map(parser).collect(),
        request_bytes: Some(body_bytes),
    }
}

fn executor(one: ExecutorDescription) -> ExecutorBody {
    ExecutorBody {
        name: one.name,
        versions: one.versions,
    }
}

fn parser(one: ParserDescription) -> ParserBody {
    ParserBody {
        name: one.name,
        features: one.features,
    }
}

fn overview(defaults: &Limits, max_concurrency: usize, body_bytes: usize) -> OverviewBody {
    // Files travel as base64: three bytes in four characters.
    let carried = u64::try_from(body_bytes / 4 * 3).unwrap_or(u64::MAX);
    let input_bytes = carried.min(defaults.workdir_bytes);
    OverviewBody {
        max_concurrency,
        execution_timeout_seconds: defaults.wall.as_secs(),
        container: ContainerBody {
            memory: docker_size(defaults.memory_bytes),
            // No cap on cores is set: CPU time is what is limited.
            cpus: std::thread::available_parallelism().map_or(1, Into::into),
            pids_limit: defaults.processes,
        },
        input: InputBody {
            max_files: MOST_FILES,
            max_file_bytes: input_bytes,
            total_max_bytes: input_bytes,
        },
        output: OutputBody {
            max_files: defaults.artifacts,
            max_file_bytes: defaults.artifact_bytes,
            total_max_bytes: defaults
                .artifact_bytes
                .saturating_mul(defaults.artifacts.into())
                .min(defaults.workdir_bytes),
            allowed_extensions: vec!["*".to_owned()],
        },
    }
}

/// `512m` or `1g`, as `docker run --memory` takes it.
fn docker_size(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    match bytes {
        whole if whole % (1024 * MIB) == 0 => format!("{}g", whole / (1024 * MIB)),
        whole if whole % MIB == 0 => format!("{}m", whole / MIB),
        other => format!("{other}b"),
    }
}

fn isolation(isolation: Isolation) -> IsolationBody {
    let layers = isolation.layers.into_iter().map(|layer| LayerBody {
        name: layer.name.to_owned(),
        state: match layer.state {
            LayerState::Enforced => "enforced",
            LayerState::Weaker => "weaker",
            LayerState::Missing => "missing",
        }
        .to_owned(),
        detail: layer.detail,
        meaning: layer.meaning,
        mend: layer.mend,
    });
    IsolationBody {
        tier: isolation.tier.to_owned(),
        layers: layers.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::docker_size;

    #[test]
    fn sizes_are_written_as_docker_takes_them() {
        for (bytes, text) in [(512 << 20, "512m"), (1 << 30, "1g"), (1000, "1000b")] {
            assert_eq!(docker_size(bytes), text);
        }
    }
}
