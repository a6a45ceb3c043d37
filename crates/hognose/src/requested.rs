//! `hognose env create|install|freeze|remove|prune`: the environments that callers ask for.
//!
//! A running server of the same state folder is asked; else the folder is ours for the time of the
//! command, as the user with the rights that a server would have. Only where packages may be built
//! from source is there an engine, which confines the build.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use server::RemoteExecutor;
use stepflow_python::environment::Progress;
use stepflow_python::{
    Dependency, EnvironmentDescription, EnvironmentError, EnvironmentId, EnvironmentOrder,
    EnvironmentService, ManagedEnvironments, ProgressSink, PythonExecutor, Requested, ServingUser,
    dependencies,
};

use crate::arguments::RequestedCommand;
use crate::progress::Reporter;
use crate::serve::FAREWELL;
use crate::settings::{Common, Sources};
use crate::start;

/// A subcommand whose ids, requirements and files have been read.
enum Order {
    Create(EnvironmentOrder),
    Install(EnvironmentId, Vec<Dependency>),
    Freeze { id: EnvironmentId, hashes: bool },
    Remove(Vec<EnvironmentId>),
    Prune,
}

/// Runs one of the subcommands; returns what to print. What it is told is read before anybody is asked.
pub(crate) async fn requested(
    command: RequestedCommand,
    common: &Common,
    sources: &Sources,
) -> anyhow::Result<String> {
    let order = read(command)?;
    let found = RemoteExecutor::connect(&common.socket()).await;
    if let Some(server) = found.context("cannot ask the server of this state folder")? {
        let service = server.environments();
        return run(order, service.context("the server has no environments")?).await;
    }
    let wish = sources.requested()?;
    if wish.policy.source_builds {
        return with_engine(order, common, sources).await;
    }
    common.create_state_dir()?;
    let opened = start::open_requested(common, wish.folder).await?;
    let user = ServingUser::lease(&common.state_dir).context("cannot lease a user")?;
    start::give_requested(&opened, user.uid())?;
    let python = common.python.as_deref();
    let service = ManagedEnvironments::without_engine(opened, wish.config, wish.policy, python)?;
    user.drop_privileges().context("cannot give up root")?;
    run(order, Arc::new(service)).await
}

async fn with_engine(order: Order, common: &Common, sources: &Sources) -> anyhow::Result<String> {
    let (engine, executor) = start::executor_with_requested(common, sources).await?;
    let service = executor
        .environments()
        .context("there are no environments")?;
    let told = run(order, service).await;
    drop(executor);
    engine.shutdown(FAREWELL).await;
    told
}

/// Those there are, from the server if one runs.
pub(crate) async fn list(
    common: &Common,
    sources: &Sources,
) -> anyhow::Result<Vec<EnvironmentDescription>> {
    let found = RemoteExecutor::connect(&common.socket()).await;
    match found.context("cannot ask the server of this state folder")? {
        Some(server) => {
            let service = server.environments();
            Ok(service
                .context("the server has no environments")?
                .list()
                .await?)
        }
        None => Ok(Requested::list(
            &common.state_dir,
            sources.environments_dir().as_deref(),
        )?),
    }
}

fn read(command: RequestedCommand) -> anyhow::Result<Order> {
    Ok(match command {
        RequestedCommand::Create {
            python_version,
            packages,
            requirements,
            ..
        } => Order::Create(EnvironmentOrder {
            python: python_version.unwrap_or_default(),
            packages: wanted(&packages, &requirements)?,
        }),
        RequestedCommand::Install {
            id,
            packages,
            requirements,
            ..
        } => Order::Install(identity(&id)?, wanted(&packages, &requirements)?),
        RequestedCommand::Freeze { id, hashes, .. } => Order::Freeze {
            id: identity(&id)?,
            hashes,
        },
        RequestedCommand::Remove { ids, .. } => {
            let ids: anyhow::Result<_> = ids.iter().map(|id| identity(id)).collect();
            Order::Remove(ids?)
        }
        RequestedCommand::Prune { .. } => Order::Prune,
    })
}

async fn run(order: Order, service: Arc<dyn EnvironmentService>) -> anyhow::Result<String> {
    Ok(match order {
        Order::Create(order) => describe(&service.create(order, progress()).await?),
        Order::Install(id, packages) => describe(&service.install(id, packages, progress()).await?),
        Order::Freeze { id, hashes: true } => service.lock(id).await?.trim_end().to_owned(),
        Order::Freeze { id, hashes: false } => {
            let all = service.list().await?;
            let found = all.into_iter().find(|one| one.id == id);
            let wanted = id.to_string();
            let found = found.ok_or(EnvironmentError::Unknown { wanted })?;
            let lines = found
                .packages
                .iter()
                .map(|(name, version)| format!("{name}=={version}"));
            lines.collect::<Vec<_>>().join("\n")
        }
        Order::Remove(ids) => {
            // All or none, as far as can be told before.
            for id in &ids {
                service.lock(*id).await?;
            }
            for id in ids {
                service.remove(id).await?;
            }
            String::new()
        }
        Order::Prune => {
            let freed = service.prune().await?;
            format!("freed {} MiB", freed.div_ceil(1024 * 1024))
        }
    })
}

fn identity(text: &str) -> anyhow::Result<EnvironmentId> {
    text.parse().map_err(|_| {
        anyhow::anyhow!("`{text}` is no id of an environment; `hognose env create` prints it")
    })
}

fn wanted(packages: &[String], files: &[PathBuf]) -> anyhow::Result<Vec<Dependency>> {
    let mut all = Vec::new();
    for path in files {
        let shown = path.display();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read `{shown}`"))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let found = if name == "pyproject.toml" {
            dependencies::pyproject(&text, &[])
        } else if name.ends_with(".py") {
            dependencies::script(&text).map(|found| found.unwrap_or_default().dependencies)
        } else {
            dependencies::requirements_file(&text)
        };
        all.extend(found.with_context(|| format!("cannot use `{shown}`"))?);
    }
    for text in packages {
        all.push(Dependency::parse(text)?);
    }
    if all.is_empty() {
        bail!("name at least one package, or a file of them with -r");
    }
    Ok(all)
}

/// Remarks of a build, drawn on a thread of their own: what draws is not shared.
fn progress() -> ProgressSink {
    let (sender, remarks) = std::sync::mpsc::channel::<Progress>();
    std::thread::spawn(move || {
        let reporter = Reporter::new();
        remarks.into_iter().for_each(|told| reporter.show(&told));
    });
    Arc::new(move |told| drop(sender.send(told)))
}

pub(crate) fn describe(made: &EnvironmentDescription) -> String {
    format!(
        "{}  python {}  {} packages  {} MiB  {}",
        made.id,
        made.python,
        made.packages.len(),
        made.bytes.div_ceil(1024 * 1024),
        made.digest.get(..12).unwrap_or(&made.digest)
    )
}
