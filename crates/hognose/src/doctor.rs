//! `hognose doctor`: which layers hold here, what that means, and how to mend those that do not.
//!
//! Reads the host and starts nothing but one tiny execution, and that only on an environment that
//! is there already.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use server::RemoteExecutor;
use stepflow_python::environment::Environments;
use stepflow_python::{
    EngineExecutor, ExecutionReport, ExecutionRequest, Isolation, Layer, LayerState, LimitPolicy,
    Outcome, PoolStatus, PythonExecutor, Tier, inspect,
};

use crate::arguments::DoctorArguments;
use crate::output;
use crate::settings::{Common, Sources};
use crate::start::{self, Size};

/// Layers without which the engine starts nothing.
const ESSENTIAL: [&str; 5] = ["user_namespace", "proc", "seccomp", "cgroups", "uid"];

/// What was found out.
struct Diagnosis {
    isolation: Isolation,
    /// Why nothing may serve, if so.
    refusal: Option<String>,
    /// (name, where it is), and what its absence means.
    tools: Vec<(&'static str, Option<String>, &'static str)>,
    /// Where the environment is.
    environment: Option<String>,
    /// `None` without an environment; milliseconds of start and run, or what went wrong.
    self_test: Option<Result<(u128, u128), String>>,
    /// The facts of the server that runs on this state folder, empty without one; or why nobody
    /// would tell us.
    pools: Result<Vec<PoolStatus>, String>,
}

/// Prints the diagnosis; the exit code is 0 if something may serve, else 1.
pub(crate) async fn doctor(arguments: DoctorArguments, sources: &Sources) -> anyhow::Result<u8> {
    let common = sources.common(&arguments.common)?;
    let isolation = inspect();
    let found = Environments::new(&common.state_dir).find_default(common.python.as_deref());
    let refusal = refusal(&isolation, common.min_tier)
        .or_else(|| found.as_ref().err().map(ToString::to_string))
        .or_else(|| unusable(&common.state_dir));
    let (python, environment) = match found {
        Ok((python, environment)) => (Some(python), environment),
        Err(_) => (None, None),
    };
    let self_test = match (&environment, &refusal) {
        (Some(_), None) => Some(
            self_test(&common)
                .await
                .map_err(|error| format!("{error:#}")),
        ),
        (Some(_) | None, _) => None,
    };
    let diagnosis = Diagnosis {
        isolation,
        refusal,
        tools: tools(sources, python),
        environment: environment.map(|path| path.display().to_string()),
        self_test,
        pools: pools(&common).await,
    };
    let text = if arguments.json {
        as_json(&diagnosis).to_string()
    } else {
        as_text(&diagnosis)
    };
    output::line(&text).context("cannot write to standard output")?;
    Ok(u8::from(!diagnosis.may_serve()))
}

impl Diagnosis {
    fn may_serve(&self) -> bool {
        self.refusal.is_none() && !matches!(self.self_test, Some(Err(_)))
    }
}

fn refusal(isolation: &Isolation, min_tier: Tier) -> Option<String> {
    let missing: Vec<_> = isolation
        .layers
        .iter()
        .filter(|layer| layer.state == LayerState::Missing && ESSENTIAL.contains(&layer.name))
        .map(|layer| layer.name)
        .collect();
    if !missing.is_empty() {
        return Some(format!(
            "nothing can be confined here without {}",
            missing.join(" and ")
        ));
    }
    let tier = isolation.tier;
    let enough = tier.parse().is_ok_and(|tier: Tier| tier >= min_tier);
    (!enough).then(|| format!("the tier is `{tier}`, but `{min_tier}` is the least that may serve; name `--min-tier {tier}` to accept it"))
}

/// Why nothing can be kept in the state folder, if so. Nothing is made that is not removed at once.
fn unusable(state_dir: &Path) -> Option<String> {
    let there = state_dir.ancestors().find(|folder| folder.exists())?;
    let probe = there.join(format!(".hognose-{}", std::process::id()));
    let tried = fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe));
    let told = |error| {
        format!(
            "cannot use the state folder `{}`: {error}",
            state_dir.display()
        )
    };
    tried.err().map(told)
}

/// The pools of a running server.
async fn pools(common: &Common) -> Result<Vec<PoolStatus>, String> {
    match RemoteExecutor::connect(&common.socket()).await {
        Ok(Some(server)) => Ok(server.pools().await),
        Ok(None) => Ok(Vec::new()),
        Err(error) => Err(format!("{:#}", anyhow::Error::from(error))),
    }
}

/// One execution on the environment that is there.
async fn self_test(common: &Common) -> anyhow::Result<(u128, u128)> {
    let environment = start::environment(common).await?;
    let engine = start::engine(common, environment, Size::ONE, LimitPolicy::default()).await?;
    let executor = EngineExecutor::new(engine.clone());
    let request = ExecutionRequest {
        source: "print(6 * 7)".into(),
        ..Default::default()
    };
    let ended = async { executor.start(request).await?.finish().await }.await;
    drop(executor);
    engine.shutdown(std::time::Duration::from_secs(2)).await;
    judge(&ended?)
}

fn judge(report: &ExecutionReport) -> anyhow::Result<(u128, u128)> {
    match &report.outcome {
        Outcome::Completed(_) if report.stdout.text().0 == "42\n" => {
            Ok((report.start.as_millis(), report.usage.wall.as_millis()))
        }
        Outcome::Completed(_) => bail!("a program's output did not come back"),
        Outcome::Raised(_)
        | Outcome::Rejected(_)
        | Outcome::LimitExceeded(_)
        | Outcome::Crashed(_)
        | Outcome::Cancelled => {
            let said = output::one_line(&report.stderr.text().0);
            bail!(
                "a program that only prints ended as {:?}: {said}",
                report.outcome
            )
        }
    }
}

/// `python` is the interpreter that guests would run.
fn tools(
    sources: &Sources,
    python: Option<PathBuf>,
) -> Vec<(&'static str, Option<String>, &'static str)> {
    let shown = |path: PathBuf| path.display().to_string();
    let venv = python.as_deref().and_then(venv_of);
    vec![
        (
            "python3",
            python.map(shown),
            "install CPython 3.9 or later (apt install python3), or name one with --python",
        ),
        (
            "uv",
            sources.program("uv").map(shown),
            "not on PATH; the first build fetches it, with venv",
        ),
        (
            "venv",
            venv,
            "not found where python3 lies; a first build without uv needs it (apt install python3-venv)",
        ),
    ]
}

/// The `venv` of an interpreter. Debian ships `ensurepip`, without which it is of no use, apart.
fn venv_of(python: &Path) -> Option<String> {
    let real = python.canonicalize().ok()?;
    let name = real.file_name()?.to_str()?;
    if !name.contains('.') {
        // A shim: a program that finds the interpreter. The build asks it; we start nothing.
        return Some(format!("cannot be told: {} is a shim", real.display()));
    }
    let library = real.parent()?.parent()?.join("lib").join(name);
    let whole = library.join("ensurepip/__init__.py").is_file();
    whole.then(|| library.join("venv").display().to_string())
}

fn as_text(diagnosis: &Diagnosis) -> String {
    let mut lines = vec![format!("tier {}", diagnosis.isolation.tier)];
    for layer in &diagnosis.isolation.layers {
        lines.push(format!(
            "  {:<9} {:<15} {}",
            state(layer.state),
            layer.name,
            layer.detail
        ));
        lines.push(format!("  {:<25} {}", "", layer.meaning));
        lines.extend(
            layer
                .mend
                .iter()
                .map(|mend| format!("  {:<25} to mend: {mend}", "")),
        );
    }
    lines.push("tools".to_owned());
    for (name, found, absent) in &diagnosis.tools {
        lines.push(format!(
            "  {:<9} {}",
            name,
            found.as_deref().unwrap_or(absent)
        ));
    }
    let absent = "none yet; `hognose env build` or the first run makes one";
    lines.push(format!(
        "environment {}",
        diagnosis.environment.as_deref().unwrap_or(absent)
    ));
    lines.push(match &diagnosis.self_test {
        None => "self-test not run".to_owned(),
        Some(Ok((start, run))) => format!("self-test completed: start {start} ms, run {run} ms"),
        Some(Err(reason)) => format!("self-test failed: {reason}"),
    });
    match diagnosis.pools.as_deref() {
        Err(reason) => lines.push(format!("pools unknown: {reason}")),
        Ok([]) => lines.push("pools none: no server runs on this state folder".to_owned()),
        Ok(pools) => {
            lines.push("pools of the running server".to_owned());
            lines.extend(pools.iter().map(pool_text));
        }
    }
    lines.push(diagnosis.refusal.clone().unwrap_or_else(|| {
        let word = if diagnosis.may_serve() {
            "may serve"
        } else {
            "must not serve until the self-test completes"
        };
        format!("this host {word}")
    }));
    lines.join("\n")
}

/// A pool in one line.
pub(crate) fn pool_text(pool: &PoolStatus) -> String {
    format!(
        "  {} {:<9} fork {}, {} of {} ready, {} KiB each; leases {} ready, {} fresh; {} refills, {} zygotes, {} recycled, {} lost",
        pool.environment.get(..12).unwrap_or(&pool.environment),
        pool.preload,
        pool.fork.name(),
        pool.ready,
        pool.wanted,
        pool.child_bytes / 1024,
        pool.leases_ready,
        pool.leases_fresh,
        pool.refills,
        pool.zygotes,
        pool.recycles,
        pool.lost
    )
}

fn pool_json(pool: &PoolStatus) -> Value {
    json!({
        "environment": pool.environment,
        "preload": pool.preload,
        "fork": pool.fork.name(),
        "ready": pool.ready,
        "wanted": pool.wanted,
        "child_bytes": pool.child_bytes,
        "leases_ready": pool.leases_ready,
        "leases_fresh": pool.leases_fresh,
        "refills": pool.refills,
        "zygotes": pool.zygotes,
        "recycles": pool.recycles,
        "lost": pool.lost,
    })
}

fn as_json(diagnosis: &Diagnosis) -> Value {
    let tools = diagnosis
        .tools
        .iter()
        .map(|(name, found, _)| ((*name).to_owned(), json!(found)));
    json!({
        "tier": diagnosis.isolation.tier,
        "layers": diagnosis.isolation.layers.iter().map(layer_json).collect::<Vec<_>>(),
        "tools": tools.collect::<serde_json::Map<_, _>>(),
        "environment": diagnosis.environment,
        "self_test": diagnosis.self_test.as_ref().map(|tested| match tested {
            Ok((start, run)) => json!({"completed": true, "start_ms": start, "run_ms": run}),
            Err(reason) => json!({"completed": false, "reason": reason}),
        }),
        "pools": diagnosis.pools.iter().flatten().map(pool_json).collect::<Vec<_>>(),
        "pools_unknown": diagnosis.pools.as_ref().err(),
        "may_serve": diagnosis.may_serve(),
        "refusal": diagnosis.refusal,
    })
}

fn layer_json(layer: &Layer) -> Value {
    json!({
        "name": layer.name,
        "state": state(layer.state),
        "detail": layer.detail,
        "meaning": layer.meaning,
        "mend": layer.mend,
    })
}

fn state(state: LayerState) -> &'static str {
    match state {
        LayerState::Enforced => "enforced",
        LayerState::Weaker => "weaker",
        LayerState::Missing => "missing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn isolation(tier: &'static str, name: &'static str, state: LayerState) -> Isolation {
        let layer = Layer {
            name,
            state,
            detail: String::new(),
            meaning: String::new(),
            mend: None,
        };
        Isolation {
            tier,
            layers: vec![layer],
        }
    }

    #[test]
    fn a_missing_essential_or_a_tier_too_low_is_a_refusal() {
        for (tier, name, state, refused) in [
            ("full", "seccomp", LayerState::Enforced, false),
            ("rootless", "landlock", LayerState::Missing, false),
            ("rootless", "cgroups", LayerState::Weaker, false),
            ("nested", "cgroups", LayerState::Missing, true),
            ("full", "seccomp", LayerState::Missing, true),
            ("full", "user_namespace", LayerState::Missing, true),
            ("nested", "seccomp", LayerState::Enforced, true),
        ] {
            let found = refusal(&isolation(tier, name, state), Tier::Rootless);
            assert_eq!(
                found.is_some(),
                refused,
                "{tier} {name} {state:?}: {found:?}"
            );
        }
    }

    #[test]
    fn a_state_folder_that_cannot_be_made_is_told_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let told = unusable(&file.join("state")).unwrap();
        assert!(told.contains("cannot use the state folder"), "{told}");
        assert_eq!(unusable(&folder.path().join("a/b")), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_self_test_means_that_nothing_may_serve() {
        let mut diagnosis = Diagnosis {
            isolation: isolation("full", "seccomp", LayerState::Enforced),
            refusal: None,
            tools: vec![("uv", None, "absent")],
            environment: None,
            self_test: None,
            pools: Ok(Vec::new()),
        };
        assert_eq!(as_json(&diagnosis)["may_serve"], true);
        assert!(as_text(&diagnosis).contains("absent"));
        diagnosis.self_test = Some(Err("no".into()));
        assert_eq!(as_json(&diagnosis)["may_serve"], false);
        assert!(as_text(&diagnosis).contains("self-test failed: no"));
        assert!(as_text(&diagnosis).contains("no server runs"));
        diagnosis.pools = Err("it belongs to uid 7".into());
        assert!(as_text(&diagnosis).contains("pools unknown: it belongs to uid 7"));
        assert_eq!(as_json(&diagnosis)["pools_unknown"], "it belongs to uid 7");
    }
}
