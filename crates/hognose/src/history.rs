//! `hognose history`: what was recorded, from a running server, else from the records themselves.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use server::RemoteExecutor;
use stepflow_python::{
    Database, DatabaseAddress, ExecutionId, ExecutionRecord, ExecutionSummary, HistoryFilter,
    HistoryPage, HistoryService, PythonExecutor, RecordState,
};

use crate::arguments::HistoryArguments;
use crate::output::{line, note, one_line, printable};
use crate::records;
use crate::settings::{Common, Sources};

/// Shows a page of executions, or one; returns the exit code.
pub(crate) async fn history(arguments: HistoryArguments, sources: &Sources) -> anyhow::Result<u8> {
    let common = sources.common(&arguments.common)?;
    let id = arguments.id.as_deref().map(identity).transpose()?;
    let filter = filter(&arguments)?;
    let Some(service) = service(&arguments, &common, sources).await? else {
        note("nothing was recorded yet; `hognose serve` does");
        return Ok(0);
    };
    let told = match id {
        Some(id) => {
            let found = service.show(id).await?;
            let record = found.with_context(|| format!("there is no record of `{id}`"))?;
            if arguments.json {
                server::record_json(record)?.to_string()
            } else {
                whole(&record)
            }
        }
        None => {
            let page = service.list(filter).await?;
            if arguments.json {
                server::page_json(page)?.to_string()
            } else {
                table(&page)
            }
        }
    };
    let told = told.trim_end();
    let told = if io::stdout().is_terminal() {
        printable(told)
    } else {
        told.to_owned()
    };
    line(&told).context("cannot write to standard output")?;
    Ok(0)
}

/// The running server of the state folder, else the records; `None` when there are none yet.
async fn service(
    arguments: &HistoryArguments,
    common: &Common,
    sources: &Sources,
) -> anyhow::Result<Option<Arc<dyn HistoryService>>> {
    if arguments.records.is_none() {
        let found = RemoteExecutor::connect(&common.socket()).await;
        if let Some(server) = found.context("cannot ask the server of this state folder")? {
            return Ok(server.history());
        }
    }
    let address = records::address(arguments.records.as_deref(), common, sources)?;
    let Some(address) = address else {
        bail!("nothing is recorded: the setting is `off`");
    };
    if let DatabaseAddress::File(path) = &address
        && !is_there(path)?
    {
        if arguments.records.is_some() {
            bail!("there are no records at `{}`", path.display());
        }
        return Ok(None);
    }
    Ok(Some(Arc::new(Database::open_to_read(&address).await?)))
}

fn is_there(path: &Path) -> anyhow::Result<bool> {
    path.try_exists()
        .with_context(|| format!("cannot look for the records `{}`", path.display()))
}

fn identity(text: &str) -> anyhow::Result<ExecutionId> {
    ExecutionId::parse(text).with_context(|| format!("`{text}` is no id of an execution"))
}

fn filter(arguments: &HistoryArguments) -> anyhow::Result<HistoryFilter> {
    let state = arguments.state.as_deref().map(str::parse::<RecordState>);
    let before = arguments.before.as_deref().map(str::parse);
    let moment = |flag: &str, text: &Option<String>| {
        let moment = text.as_deref().map(|text| moment(flag, text));
        moment.transpose()
    };
    let filter = HistoryFilter {
        outcome: arguments.outcome.clone(),
        state: state
            .transpose()
            .map_err(|told| anyhow::anyhow!("--state: {told}"))?,
        environment: arguments.environment.clone(),
        tool: arguments.tool.clone(),
        since_ms: moment("--since", &arguments.since)?,
        until_ms: moment("--until", &arguments.until)?,
        before: before
            .transpose()
            .map_err(|told: String| anyhow::anyhow!("--before: {told}"))?,
        limit: arguments.limit,
    };
    let checked = filter.check();
    checked.map_err(|(name, told)| anyhow::anyhow!("--{name}: {told}"))?;
    Ok(filter)
}

/// A time of day, or how long ago. Unit: milliseconds since 1970.
fn moment(flag: &str, text: &str) -> anyhow::Result<i64> {
    let moment = match humantime::parse_rfc3339_weak(text) {
        Ok(moment) => Some(moment),
        Err(_) => humantime::parse_duration(text)
            .ok()
            .and_then(|ago| SystemTime::now().checked_sub(ago)),
    };
    let since = moment.and_then(|moment| moment.duration_since(UNIX_EPOCH).ok());
    let ms = since.and_then(|since| i64::try_from(since.as_millis()).ok());
    ms.with_context(|| {
        format!("{flag} is `{text}`; use a time in UTC such as 2026-01-31T12:00:00, or how long ago, such as 2h")
    })
}

fn table(page: &HistoryPage) -> String {
    let mut told = format!(
        "{:36}  {:20}  {:32}  {:>6}  {:>9}  {:>9}  environment\n",
        "id", "started", "end", "code", "time", "memory"
    );
    for one in &page.executions {
        let _ = writeln!(told, "{}", row(one));
    }
    if let Some(next) = page.next {
        let _ = writeln!(told, "more with --before {next}");
    }
    told
}

fn row(one: &ExecutionSummary) -> String {
    let optional = |number: Option<i64>, unit: &str| {
        number.map_or_else(|| "-".to_owned(), |number| format!("{number}{unit}"))
    };
    format!(
        "{}  {:20}  {:32}  {:>6}  {:>9}  {:>9}  {}",
        one.id,
        time(one.started_ms),
        end(one),
        optional(one.return_code, ""),
        optional(one.execution_time_ms, " ms"),
        // Up, as `run` tells it.
        optional(one.memory_usage_kb.map(|kib| (kib + 1023) / 1024), " MiB"),
        one.environment.as_deref().map_or("-", short),
    )
}

/// The outcome, or why there is none; and what is behind it.
fn end(one: &ExecutionSummary) -> String {
    let word = one.outcome.as_deref().unwrap_or(one.state.name());
    match &one.detail {
        Some(detail) => format!("{word}: {}", one_line(detail)),
        None => word.to_owned(),
    }
}

fn time(ms: i64) -> String {
    let since = Duration::from_millis(u64::try_from(ms).unwrap_or_default());
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// One execution for people: facts first, then its texts.
fn whole(record: &ExecutionRecord) -> String {
    let one = &record.summary;
    let mut told = String::new();
    let ended = one.ended_ms.map(time);
    let code = one.return_code.map(|code| code.to_string());
    let facts = [
        ("id", Some(one.id.to_string())),
        ("end", Some(end(one))),
        ("return code", code),
        ("started", Some(time(one.started_ms))),
        ("ended", ended),
        ("environment", one.environment.clone()),
        ("policy", Some(one.policy.clone())),
        ("tier", record.tier.clone()),
        ("usage", record.usage.as_ref().map(ToString::to_string)),
        ("tool", one.tool.clone()),
        ("function", record.function_name.as_deref().map(one_line)),
        (
            "parameters",
            record.parameters.as_ref().map(ToString::to_string),
        ),
        ("result", record.result.as_ref().map(ToString::to_string)),
        (
            "artifacts",
            record.artifacts.as_ref().map(ToString::to_string),
        ),
        ("source sha256", Some(record.source_sha256.clone())),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            let _ = writeln!(told, "{name:14} {value}");
        }
    }
    let texts = [
        ("source", &record.source),
        ("stdout", &record.stdout),
        ("stderr", &record.stderr),
    ];
    for (name, text) in texts {
        if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
            let _ = writeln!(told, "\n-- {name}\n{}", text.trim_end());
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        assert_eq!(
            moment("--since", "1970-01-02T00:00:00").unwrap(),
            24 * 3600 * 1000
        );
        let hour = moment("--since", "1h").unwrap();
        let now = moment("--since", "0s").unwrap();
        assert!((3_599_000..=3_601_000).contains(&(now - hour)));
        let wrong = moment("--until", "yesterday").unwrap_err().to_string();
        assert!(wrong.starts_with("--until is `yesterday`"), "{wrong}");
    }

    #[test]
    fn the_name_of_an_exception_makes_no_lines() {
        let summary = ExecutionSummary {
            id: ExecutionId::random(),
            state: RecordState::Finished,
            outcome: Some("raised".into()),
            detail: Some("E\n\u{1b}[2J".into()),
            return_code: Some(1),
            environment: None,
            environment_id: None,
            tool: None,
            tool_id: None,
            policy: "strict".into(),
            started_ms: 0,
            ended_ms: None,
            execution_time_ms: None,
            memory_usage_kb: Some(1025),
        };
        let row = row(&summary);
        assert!(row.contains(" 2 MiB"), "{row}");
        assert!(row.contains("raised: E\\n\\u{1b}[2J"), "{row}");
        assert!(!row.contains(char::is_control), "{row}");
    }
}
