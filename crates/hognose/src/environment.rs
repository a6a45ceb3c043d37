//! `hognose env`: the environments guests see.

use anyhow::{Context, bail};
use stepflow_python::environment::Environments;

use crate::arguments::{CommonArguments, EnvironmentCommand};
use crate::output::{line, note};
use crate::settings::Sources;
use crate::signals::Stop;
use crate::{exit, requested, start};

/// Digits of a digest that tell environments apart for people.
const SHORT: usize = 12;

/// Runs one of the subcommands; returns the exit code.
pub(crate) async fn environment(
    command: EnvironmentCommand,
    sources: &Sources,
) -> anyhow::Result<u8> {
    let mut stop = Stop::watch()?;
    let told = tokio::select! {
        told = perform(command, sources) => told?,
        () = stop.wanted() => return Ok(exit::CANCELLED),
    };
    if !told.is_empty() {
        line(&told).context("cannot write to standard output")?;
    }
    Ok(0)
}

async fn perform(command: EnvironmentCommand, sources: &Sources) -> anyhow::Result<String> {
    Ok(match command {
        EnvironmentCommand::List { common } => list(&common, sources).await?,
        EnvironmentCommand::Build { common } => build(&common, sources).await?,
        EnvironmentCommand::Requested(command) => {
            let common = sources.common(command.common())?;
            requested::requested(command, &common, sources).await?
        }
        EnvironmentCommand::Show { digest, common } => show(&common, digest, sources)?,
    })
}

async fn list(flags: &CommonArguments, sources: &Sources) -> anyhow::Result<String> {
    let common = sources.common(flags)?;
    let found = Environments::new(&common.state_dir).list();
    let found = found.context("cannot list the environments")?;
    let row = |one: &stepflow_python::environment::Summary| {
        format!(
            "{}  python {}  {} packages  {} MiB  {}",
            short(&one.digest),
            one.python,
            one.packages,
            one.bytes.div_ceil(1024 * 1024),
            one.path.display()
        )
    };
    let mut rows: Vec<String> = found.iter().map(row).collect();
    let requested = requested::list(&common, sources).await?;
    rows.extend(requested.iter().map(requested::describe));
    if rows.is_empty() {
        note("there is no environment yet; `hognose env build` makes one");
    }
    Ok(rows.join("\n"))
}

async fn build(flags: &CommonArguments, sources: &Sources) -> anyhow::Result<String> {
    let environment = start::environment(&sources.common(flags)?).await?;
    let python = environment.interpreter.version_text();
    let packages = environment.packages.len();
    Ok(format!(
        "{}  python {python}  {packages} packages",
        short(&environment.digest)
    ))
}

fn show(
    flags: &CommonArguments,
    digest: Option<String>,
    sources: &Sources,
) -> anyhow::Result<String> {
    let environments = Environments::new(&sources.common(flags)?.state_dir);
    let digest = match digest {
        Some(digest) => digest,
        None => only(&environments)?,
    };
    let manifest = environments.show(&digest)?;
    let packages = manifest
        .packages
        .iter()
        .map(|(name, version)| format!("{name}=={version}"));
    let head = [
        format!("digest {}", manifest.digest),
        format!("python {}", manifest.python),
    ];
    Ok(head
        .into_iter()
        .chain(packages)
        .collect::<Vec<_>>()
        .join("\n"))
}

fn only(environments: &Environments) -> anyhow::Result<String> {
    let mut found = environments
        .list()
        .context("cannot list the environments")?
        .into_iter();
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.digest),
        (None, _) => bail!("there is no environment yet; `hognose env build` makes one"),
        (Some(_), Some(_)) => {
            bail!("there are several environments; name one that `hognose env list` shows")
        }
    }
}

fn short(digest: &str) -> &str {
    digest.get(..SHORT).unwrap_or(digest)
}
