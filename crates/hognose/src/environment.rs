//! `hognose env`: the environments guests see.

use anyhow::{Context, bail};
use stepflow_python::environment::{Environments, Manifest};
use stepflow_python::{EnvironmentDescription, EnvironmentError};

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
        EnvironmentCommand::Show { digest, common } => show(&common, digest, sources).await?,
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
    match requested::list(&common, sources).await {
        Ok(requested) => rows.extend(requested.iter().map(requested::describe)),
        Err(error) => note(&format!(
            "environments that were created are not shown: {error:#}"
        )),
    }
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

/// Of the default ones first, then of those that were created.
async fn show(
    flags: &CommonArguments,
    wanted: Option<String>,
    sources: &Sources,
) -> anyhow::Result<String> {
    let common = sources.common(flags)?;
    let environments = Environments::new(&common.state_dir);
    let wanted = match wanted {
        Some(wanted) => wanted,
        None => only(&environments)?,
    };
    let manifest = match environments.show(&wanted) {
        Err(unknown @ EnvironmentError::Unknown { .. }) => {
            let all = requested::list(&common, sources).await?;
            let is_wanted = |one: &EnvironmentDescription| {
                one.id.to_string() == wanted || one.digest.starts_with(&wanted)
            };
            let found = all.into_iter().find(is_wanted).ok_or(unknown)?;
            Manifest {
                digest: found.digest,
                python: found.python,
                packages: found.packages,
            }
        }
        found => found?,
    };
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
