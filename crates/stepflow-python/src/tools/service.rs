//! Tools that are kept in a database.

use async_trait::async_trait;
use engine::{
    Call, Entry, EnvironmentChoice, ExecutionRequest, LimitOverrides, LimitPolicy, SecurityLevel,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::call::{Arguments, bind, listed};
use super::{
    Tool, ToolError, ToolFunction, ToolName, ToolOrder, ToolService, ToolSettings, ToolSummary,
    ToolVersion, functions_of,
};
use crate::dependencies::Dependency;
use crate::parser::{
    ParserConfig, PythonModule, PythonParser, PythonParserImpl, PythonVersionNumber,
};
use crate::records::{Database, Standing, ToolRow};
use crate::validator;

/// Most tools. A source has up to 1 MiB.
const MOST_TOOLS: usize = 1000;
/// Longest description. Units: bytes.
const LONGEST_DESCRIPTION: usize = 16 * 1024;
/// Most requirements of one tool.
const MOST_PACKAGES: usize = 256;

/// The tools of one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tools {
    database: Database,
    /// The laxest level that serves.
    floor: SecurityLevel,
    /// The version whose syntax counts; `None` is the newest known.
    version: Option<PythonVersionNumber>,
    limits: LimitPolicy,
}

impl Tools {
    /// The tools of `database`, whose sources are judged at `floor` or stricter, as code for
    /// `version`, and whose limits are within `limits`.
    #[must_use]
    pub fn new(
        database: Database,
        floor: SecurityLevel,
        version: Option<PythonVersionNumber>,
        limits: LimitPolicy,
    ) -> Self {
        Self {
            database,
            floor,
            version,
            limits,
        }
    }

    /// What was asked for as it will be kept; nothing of it has run.
    async fn prepare(&self, order: &ToolOrder) -> Result<ToolRow, ToolError> {
        let settings = &order.settings;
        check_settings(settings, &self.limits)?;
        let level = settings.policy.max(self.floor);
        let findings = validator::check(&order.source, level, self.version).await;
        let findings = findings.map_err(|validator::Busy| ToolError::Busy)?;
        if !findings.is_empty() {
            return Err(ToolError::Rejected(findings));
        }
        let functions = functions_of(&order.source, self.version).await?;
        if functions.is_empty() {
            let reason = "the module has no public function: define one at its top level whose name does not begin with `_`";
            return Err(ToolError::Refused(reason.into()));
        }
        let module = self.module(&order.source).await?;
        let description = order.description.clone().or(module.docstring);
        let description = description.unwrap_or_default();
        if description.len() > LONGEST_DESCRIPTION {
            let reason = format!("the description has more than {LONGEST_DESCRIPTION} bytes");
            return Err(ToolError::Refused(reason));
        }
        Ok(ToolRow {
            id: Uuid::new_v4().to_string(),
            name: order.name.to_string(),
            version: order.version.unwrap_or(ToolVersion::FIRST).0,
            description,
            configuration: text(&ConfigurationText::from(settings)),
            source: order.source.clone(),
            functions: text(&functions),
            classes: text(&module.classes),
            imports: text(&module.imports),
            dependencies: text(&module.dependencies),
        })
    }

    async fn module(&self, source: &str) -> Result<PythonModule, ToolError> {
        let parser = PythonParserImpl::with_config(ParserConfig {
            enable_ast_parsing: false,
            python_version: self.version,
            ..ParserConfig::default()
        });
        let parsed = parser.parse_code(source).await;
        let mut module = parsed.map_err(|error| ToolError::Refused(error.to_string()))?;
        // Their texts stand in the source.
        for class in &mut module.classes {
            class.source_code.clear();
            class
                .methods
                .iter_mut()
                .for_each(|method| method.source_code.clear());
        }
        Ok(module)
    }
}

#[async_trait]
impl ToolService for Tools {
    async fn add(&self, order: ToolOrder) -> Result<Tool, ToolError> {
        let row = self.prepare(&order).await?;
        let wanted = row.clone();
        let decide = move |standing: Result<&ToolRow, usize>| match standing {
            Err(count) if count >= MOST_TOOLS => Err(ToolError::Refused(format!(
                "there are {count} tools already: remove one first"
            ))),
            Err(_) => Ok(Standing::Replaced(wanted.version)),
            Ok(standing) => replace(&order, &wanted, standing),
        };
        tool(self.database.save_tool(row, decide).await?)
    }

    async fn list(&self) -> Result<Vec<ToolSummary>, ToolError> {
        let rows = self.database.tools().await?;
        rows.into_iter().map(summary).collect()
    }

    async fn find(&self, name: &str) -> Result<Tool, ToolError> {
        let row = match name.parse::<ToolName>() {
            Ok(name) => self.database.tool(name.as_str()).await?,
            // No tool has it.
            Err(_) => None,
        };
        tool(row.ok_or_else(|| unknown(name))?)
    }

    async fn remove(&self, name: &str) -> Result<(), ToolError> {
        let is_name = name.parse::<ToolName>().is_ok();
        if is_name && self.database.remove_tool(name).await? {
            return Ok(());
        }
        Err(unknown(name))
    }
}

/// The same tool again changes nothing; else a newer version replaces, or a wish to do so.
fn replace(order: &ToolOrder, wanted: &ToolRow, standing: &ToolRow) -> Result<Standing, ToolError> {
    let version = order.version.map_or(standing.version, |version| version.0);
    let is_same = version == standing.version
        && wanted.source == standing.source
        && wanted.description == standing.description
        && wanted.configuration == standing.configuration;
    if is_same {
        return Ok(Standing::Kept);
    }
    if order.replace || version > standing.version {
        return Ok(Standing::Replaced(version));
    }
    Err(ToolError::Exists {
        name: standing.name.clone(),
        version: ToolVersion(standing.version).to_string(),
    })
}

fn unknown(name: &str) -> ToolError {
    ToolError::Unknown {
        name: name.chars().take(80).collect(),
    }
}

/// What can be known to be wrong before a call.
fn check_settings(settings: &ToolSettings, limits: &LimitPolicy) -> Result<(), ToolError> {
    if settings.packages.len() > MOST_PACKAGES {
        let reason = format!("a tool has at most {MOST_PACKAGES} packages");
        return Err(ToolError::Refused(reason));
    }
    for package in &settings.packages {
        Dependency::parse(package).map_err(|error| ToolError::Refused(error.to_string()))?;
    }
    let resolved = limits.resolve(&settings.limits);
    resolved.map_err(|error| ToolError::Refused(error.to_string()))?;
    Ok(())
}

/// The execution that calls `function`.
pub(super) fn request(
    tool: &Tool,
    function: &str,
    arguments: Arguments,
) -> Result<ExecutionRequest, ToolError> {
    let found = tool.functions.iter().find(|one| one.name == function);
    let found = found.ok_or_else(|| ToolError::NoFunction {
        tool: tool.name.to_string(),
        function: function.chars().take(80).collect(),
        has: listed(tool.functions.iter().map(|one| one.name.as_str())),
    })?;
    let bound = bind(found, arguments).map_err(ToolError::Arguments)?;
    let settings = &tool.settings;
    let environment = match (&settings.environment, settings.packages.as_slice()) {
        (None, []) => EnvironmentChoice::Default,
        (name, packages) => EnvironmentChoice::Asked {
            name: name.clone(),
            packages: packages.to_vec(),
        },
    };
    Ok(ExecutionRequest {
        source: tool.source.clone(),
        entry: Entry::Function(Call {
            function: found.name.clone(),
            args: bound.args,
            kwargs: bound.kwargs,
        }),
        policy: settings.policy,
        limits: settings.limits,
        environment,
        ..ExecutionRequest::default()
    })
}

/// `ToolSettings` as they are kept.
#[derive(Debug, Serialize, Deserialize)]
struct ConfigurationText {
    policy: String,
    environment: Option<String>,
    packages: Vec<String>,
    /// In the order of `LimitOverrides`; an object, so that a person can read it.
    limits: Map<String, Value>,
}

impl From<&ToolSettings> for ConfigurationText {
    fn from(settings: &ToolSettings) -> Self {
        Self {
            policy: settings.policy.name().to_owned(),
            environment: settings.environment.clone(),
            packages: settings.packages.clone(),
            limits: limits_text(&settings.limits),
        }
    }
}

/// The wishes by name.
fn limits_text(limits: &LimitOverrides) -> Map<String, Value> {
    let all = named(*limits).into_iter();
    all.filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
        .collect()
}

fn named(limits: LimitOverrides) -> [(&'static str, Option<u64>); 11] {
    [
        ("wall_ms", limits.wall_ms),
        ("cpu_ms", limits.cpu_ms),
        ("memory_bytes", limits.memory_bytes),
        ("processes", limits.processes),
        ("workdir_bytes", limits.workdir_bytes),
        ("workdir_inodes", limits.workdir_inodes),
        ("output_bytes", limits.output_bytes),
        ("output_hard_bytes", limits.output_hard_bytes),
        ("artifacts", limits.artifacts),
        ("artifact_bytes", limits.artifact_bytes),
        ("source_bytes", limits.source_bytes),
    ]
}

fn limits_of(text: &Map<String, Value>) -> LimitOverrides {
    let get = |name: &str| text.get(name).and_then(Value::as_u64);
    LimitOverrides {
        wall_ms: get("wall_ms"),
        cpu_ms: get("cpu_ms"),
        memory_bytes: get("memory_bytes"),
        processes: get("processes"),
        workdir_bytes: get("workdir_bytes"),
        workdir_inodes: get("workdir_inodes"),
        output_bytes: get("output_bytes"),
        output_hard_bytes: get("output_hard_bytes"),
        artifacts: get("artifacts"),
        artifact_bytes: get("artifact_bytes"),
        source_bytes: get("source_bytes"),
    }
}

fn text(value: &impl Serialize) -> String {
    // Our own data has string keys and finite numbers only: it always serialises.
    serde_json::to_string(value).unwrap_or_default()
}

fn tool(row: ToolRow) -> Result<Tool, ToolError> {
    let configuration: ConfigurationText = kept(&row.name, &row.configuration)?;
    let functions: Vec<ToolFunction> = kept(&row.name, &row.functions)?;
    let odd = |what: String| {
        ToolError::Refused(format!(
            "the tool `{}` was not written by us: {what}",
            row.name
        ))
    };
    Ok(Tool {
        name: row.name.parse().map_err(odd)?,
        version: ToolVersion(row.version),
        description: row.description,
        source: row.source,
        settings: ToolSettings {
            policy: configuration.policy.parse().map_err(odd)?,
            environment: configuration.environment,
            packages: configuration.packages,
            limits: limits_of(&configuration.limits),
        },
        functions,
    })
}

fn summary(row: ToolRow) -> Result<ToolSummary, ToolError> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let functions: Vec<Named> = kept(&row.name, &row.functions)?;
    Ok(ToolSummary {
        name: row.name.parse().map_err(ToolError::Refused)?,
        version: ToolVersion(row.version),
        description: row.description,
        functions: functions.into_iter().map(|one| one.name).collect(),
    })
}

/// Errors: a row that another version or another program has written.
fn kept<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, ToolError> {
    serde_json::from_str(text).map_err(|error| {
        ToolError::Refused(format!(
            "the tool `{name}` cannot be read, register it anew: {error}"
        ))
    })
}
