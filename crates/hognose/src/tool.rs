//! `hognose tool`: Python modules that are kept as tools and called by name.
//!
//! A running server of the same state folder is asked; else the records of the folder are opened,
//! and a call has an engine of its own.

use std::sync::Arc;

use anyhow::{Context, bail};
use server::RemoteExecutor;
use stepflow_python::tools::Arguments;
use stepflow_python::{
    Database, ExecutionRequest, LimitOverrides, PythonExecutor, SecurityLevel, Tool, ToolOrder,
    ToolService, ToolSettings, Tools,
};

use crate::arguments::{ToolCommand, ToolWish};
use crate::input::{self, Most};
use crate::output::{line, note};
use crate::run::{self, Show};
use crate::serve::FAREWELL;
use crate::settings::{Common, Sources};
use crate::signals::Stop;
use crate::start;
use crate::{exit, limits, records, script};

/// Runs one of the subcommands; returns the exit code.
pub(crate) async fn tool(command: ToolCommand, sources: &Sources) -> anyhow::Result<u8> {
    let common = sources.common(command.common())?;
    let wants_python = command.common().python.is_some();
    let kept = Kept::find(&common, sources).await?;
    let told = match command {
        ToolCommand::Add(wish) => {
            let added = kept.tools.add(order(*wish, sources)?).await?;
            format!("{} {}  {}", added.name, added.version, names(&added))
        }
        ToolCommand::List { json, .. } => {
            let all = kept.tools.list().await?;
            if json {
                server::tools_json(all)?.to_string()
            } else {
                if all.is_empty() {
                    note("there is no tool yet; `hognose tool add` registers one");
                }
                let row = |one: &stepflow_python::ToolSummary| {
                    format!("{} {}  {}", one.name, one.version, one.functions.join(", "))
                };
                all.iter().map(row).collect::<Vec<_>>().join("\n")
            }
        }
        ToolCommand::Show { name, json, .. } => {
            let found = kept.tools.find(&name).await?;
            if json {
                server::tool_json(found)?.to_string()
            } else {
                describe(&found)
            }
        }
        ToolCommand::Call {
            name,
            function,
            arguments,
            output,
            json,
            ..
        } => {
            sources.check_executor()?;
            let arguments = read_arguments(&arguments, most(sources)?)?;
            let show = Show {
                json,
                output: &output,
            };
            // What only an engine of our own can promise, as for `run`.
            let server = kept
                .server
                .filter(|server| !wants_python && run::serves(server, common.min_tier));
            if let Some(server) = server {
                let start = server.call_tool(&name, &function, arguments);
                return run::supervise(&show, &server, start, Stop::watch()?).await;
            }
            let request = kept.tools.find(&name).await?.call(&function, arguments)?;
            return call(request, &show, &common, sources).await;
        }
        ToolCommand::Remove { names, .. } => {
            for name in &names {
                kept.tools.remove(name).await?;
            }
            String::new()
        }
    };
    if !told.is_empty() {
        line(&told).context("cannot write to standard output")?;
    }
    Ok(0)
}

/// Where the tools are.
struct Kept {
    tools: Arc<dyn ToolService>,
    server: Option<RemoteExecutor>,
}

impl Kept {
    async fn find(common: &Common, sources: &Sources) -> anyhow::Result<Self> {
        let found = RemoteExecutor::connect(&common.socket()).await;
        if let Some(server) = found.context("cannot ask the server of this state folder")? {
            let tools = server.tools().context("the server has no tools")?;
            let server = Some(server);
            return Ok(Self { tools, server });
        }
        let Some(address) = records::address(None, common, sources)? else {
            bail!("tools are kept with the records, and the setting for those is `off`");
        };
        common.create_state_dir()?;
        let database = Database::open(&address).await?;
        let limits = sources.limit_policy(&[])?;
        let tools = Tools::new(database, SecurityLevel::default(), None, limits)
            .with_parser(&sources.parser()?);
        Ok(Self {
            tools: Arc::new(tools),
            server: None,
        })
    }
}

/// Calls on an engine of our own.
async fn call(
    request: ExecutionRequest,
    show: &Show<'_>,
    common: &Common,
    sources: &Sources,
) -> anyhow::Result<u8> {
    let mut stop = Stop::watch()?;
    let (engine, executor) = tokio::select! {
        started = start::executor_for(&request.environment, common, sources) => started?,
        () = stop.wanted() => return Ok(exit::CANCELLED),
    };
    let ended = run::supervise(show, &executor, executor.start(request), stop).await;
    drop(executor);
    engine.shutdown(FAREWELL).await;
    ended
}

fn order(wish: ToolWish, sources: &Sources) -> anyhow::Result<ToolOrder> {
    let mut overrides = LimitOverrides::default();
    for pair in &wish.limits {
        limits::set_pair(&mut overrides, pair)?;
    }
    let told = |told: String| anyhow::anyhow!(told);
    Ok(ToolOrder {
        name: wish.name.parse().map_err(told)?,
        version: wish
            .version
            .map(|text| text.parse().map_err(told))
            .transpose()?,
        description: wish.description,
        source: script::read(&wish.file, &[], most(sources)?)?.source,
        settings: ToolSettings {
            policy: sources.policy(wish.policy.as_deref())?,
            environment: wish.environment,
            packages: wish.packages,
            limits: overrides,
        },
        replace: wish.replace,
    })
}

/// The most that is read of a source, or of arguments.
fn most(sources: &Sources) -> anyhow::Result<Most> {
    let policy = sources.limit_policy(&[])?;
    Ok(Most::of(&policy, &policy.defaults))
}

/// A JSON object, or what stands on standard input for `-`.
fn read_arguments(text: &str, most: Most) -> anyhow::Result<Arguments> {
    let read = if text == "-" {
        serde_json::from_slice(&input::standard(most.source, "what the call is given")?)
    } else {
        serde_json::from_str(text)
    };
    read.context("the arguments must be one JSON object")
}

fn names(tool: &Tool) -> String {
    let names: Vec<&str> = tool.functions.iter().map(|one| one.name.as_str()).collect();
    names.join(", ")
}

/// A tool for people: what it is, how it is run, and each function with its schema.
fn describe(tool: &Tool) -> String {
    let settings = &tool.settings;
    let mut lines = vec![format!("{} {}", tool.name, tool.version)];
    lines.extend(tool.description.lines().map(str::to_owned));
    lines.push(format!("policy {}", settings.policy.name()));
    if let Some(environment) = &settings.environment {
        lines.push(format!("environment {environment}"));
    }
    if !settings.packages.is_empty() {
        lines.push(format!("packages {}", settings.packages.join(", ")));
    }
    for function in &tool.functions {
        let asynchronous = if function.is_async { "async " } else { "" };
        lines.push(String::new());
        lines.push(format!("{asynchronous}{}", function.name));
        lines.extend(function.description.lines().map(|text| format!("  {text}")));
        let schema = function.schema();
        let shown = serde_json::to_string_pretty(&schema["properties"]).unwrap_or_default();
        lines.extend(shown.lines().map(|text| format!("  {text}")));
        lines.push(format!("  required {}", schema["required"]));
    }
    lines.join("\n")
}
