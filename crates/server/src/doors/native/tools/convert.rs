//! Between tools as they travel and as they are; pure.

use stepflow_python::tools::Arguments;
use stepflow_python::{LimitOverrides, Tool, ToolFunction, ToolOrder, ToolSettings, ToolSummary};

use super::wire::{ToolBody, ToolCallBody, ToolFunctionBody, ToolOrderBody, ToolSummaryBody};
use crate::doors::native::convert::{BadField, bad, level, read, wish};
use crate::doors::native::wire::{Object, Whole, WishBody};

/// Reads what is to be registered.
///
/// Errors: the first field that is unknown, missing or wrong, by its path.
pub(super) fn order(bytes: &[u8]) -> Result<ToolOrder, BadField> {
    let body: ToolOrderBody = read(bytes)?;
    let version = body.version.as_deref().map(str::parse).transpose();
    Ok(ToolOrder {
        name: body
            .name
            .parse()
            .map_err(|told: String| bad("name", told))?,
        version: version.map_err(|told: String| bad("version", told))?,
        description: body.description,
        source: body.source,
        settings: ToolSettings {
            policy: level(body.policy.as_deref())?,
            environment: body.environment,
            packages: body.packages,
            limits: wish(body.limits.0),
        },
        replace: body.replace,
    })
}

/// The same as it travels.
pub(crate) fn order_body(order: &ToolOrder) -> ToolOrderBody {
    ToolOrderBody {
        name: order.name.to_string(),
        version: order.version.map(|version| version.to_string()),
        description: order.description.clone(),
        source: order.source.clone(),
        policy: Some(order.settings.policy.name().to_owned()),
        environment: order.settings.environment.clone(),
        packages: order.settings.packages.clone(),
        limits: Object(limits_body(&order.settings.limits)),
        replace: order.replace,
    }
}

/// Reads the arguments of a call. An empty body has none.
pub(super) fn arguments(bytes: &[u8]) -> Result<Arguments, BadField> {
    if bytes.is_empty() {
        return Ok(Arguments::new());
    }
    Ok(read::<ToolCallBody>(bytes)?.arguments)
}

/// The answer of `GET /v1/tools/{name}` for a tool that came from anywhere.
///
/// Errors: none that a tool can bring about.
pub fn tool_json(found: Tool) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(tool(found))
}

/// The answer of `GET /v1/tools`.
///
/// Errors: none that tools can bring about.
pub fn tools_json(all: Vec<ToolSummary>) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(all.into_iter().map(summary).collect::<Vec<_>>())
}

pub(super) fn summary(summary: ToolSummary) -> ToolSummaryBody {
    ToolSummaryBody {
        name: summary.name.to_string(),
        version: summary.version.to_string(),
        description: summary.description,
        functions: summary.functions,
    }
}

pub(super) fn tool(tool: Tool) -> ToolBody {
    ToolBody {
        id: tool.id,
        name: tool.name.to_string(),
        version: tool.version.to_string(),
        description: tool.description,
        policy: tool.settings.policy.name().to_owned(),
        environment: tool.settings.environment,
        packages: tool.settings.packages,
        limits: limits_body(&tool.settings.limits),
        functions: tool.functions.into_iter().map(function).collect(),
        source: tool.source,
    }
}

fn function(function: ToolFunction) -> ToolFunctionBody {
    ToolFunctionBody {
        parameters: function.schema(),
        name: function.name,
        description: function.description,
        returns: function.returns,
        decorators: function.decorators,
        is_async: function.is_async,
    }
}

/// The limits that somebody wants tightened, as they travel.
pub(crate) fn limits_body(wish: &LimitOverrides) -> WishBody {
    let number = |number: Option<u64>| number.map(Whole::cut);
    WishBody {
        wall_ms: number(wish.wall_ms),
        cpu_ms: number(wish.cpu_ms),
        memory_bytes: number(wish.memory_bytes),
        processes: number(wish.processes),
        workdir_bytes: number(wish.workdir_bytes),
        workdir_inodes: number(wish.workdir_inodes),
        output_bytes: number(wish.output_bytes),
        output_hard_bytes: number(wish.output_hard_bytes),
        artifacts: number(wish.artifacts),
        artifact_bytes: number(wish.artifact_bytes),
        source_bytes: number(wish.source_bytes),
    }
}
