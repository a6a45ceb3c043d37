//! Tools that are kept in a database.

use async_trait::async_trait;
use engine::{
    Call, Entry, EnvironmentChoice, ExecutionRequest, Fault, LimitOverrides, LimitPolicy,
    SecurityLevel,
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
use crate::environment::ManagedEnvironments;
use crate::executor::judge::{Rules, import_rules, judgement};
use crate::parser::{
    ParserConfig, PythonModule, PythonParser, PythonParserImpl, PythonVersionNumber,
};
use crate::records::{Database, Others, Standing, ToolRow};

/// Most tools.
const MOST_TOOLS: usize = 1000;
/// Most text of all of them together. Units: bytes.
const MOST_BYTES: usize = 64 << 20;
/// Longest description of a tool's functions, which repeats what an alias stands for. Units: bytes.
const MOST_FUNCTIONS_BYTES: usize = 4 << 20;
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
    /// How sources are read, and which imports pass.
    parser: ParserConfig,
    /// Where the environments are that tools name, if anybody knows.
    environments: Option<ManagedEnvironments>,
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
            parser: ParserConfig::default(),
            environments: None,
        }
    }

    /// The same, refusing what wants an environment that is not among `environments`.
    pub(crate) fn with_environments(self, environments: Option<ManagedEnvironments>) -> Self {
        Self {
            environments,
            ..self
        }
    }

    /// The same, reading sources as `parser` says and refusing what imports what it does not let pass.
    #[must_use]
    pub fn with_parser(self, parser: &ParserConfig) -> Self {
        Self {
            parser: parser.clone(),
            ..self
        }
    }

    /// What was asked for as it will be kept; nothing of it has run.
    async fn prepare(&self, order: &ToolOrder) -> Result<ToolRow, ToolError> {
        let settings = &order.settings;
        check_settings(settings, &self.limits)?;
        self.check_environment(settings).await?;
        let rules = Rules {
            level: settings.policy.max(self.floor),
            imports: import_rules(&self.parser),
            version: self.version,
        };
        let judged = judgement(&order.source, &rules).await;
        // The parser's threads are busy: nothing else goes wrong there.
        let findings = judged.map_err(|_| ToolError::Busy)?.findings;
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
        // PostgreSQL has no NUL in its texts.
        let description = description.unwrap_or_default().replace('\0', "\u{fffd}");
        if description.len() > LONGEST_DESCRIPTION {
            let reason = format!("the description has more than {LONGEST_DESCRIPTION} bytes");
            return Err(ToolError::Refused(reason));
        }
        let text_of_functions = text(&functions);
        if text_of_functions.len() > MOST_FUNCTIONS_BYTES {
            let reason = format!(
                "what the functions take needs {} bytes to say, but at most {MOST_FUNCTIONS_BYTES} are kept",
                text_of_functions.len()
            );
            return Err(ToolError::Refused(reason));
        }
        let names = functions.into_iter().map(|one| one.name).collect();
        Ok(ToolRow {
            id: Uuid::new_v4().to_string(),
            name: order.name.to_string(),
            version: order.version.unwrap_or(ToolVersion::FIRST).0,
            description,
            configuration: text(&ConfigurationText::of(settings, names)),
            source: order.source.clone(),
            functions: text_of_functions,
            classes: text(&module.classes),
            imports: text(&module.imports),
            dependencies: text(&module.dependencies),
        })
    }

    /// Errors: the environment that is named is not there. Whatever else is in its way is told at a call.
    async fn check_environment(&self, settings: &ToolSettings) -> Result<(), ToolError> {
        let (Some(environments), Some(name)) = (&self.environments, &settings.environment) else {
            return Ok(());
        };
        match environments.find(Some(name), &[]).await {
            Err(error) if error.fault() == Fault::Caller => {
                Err(ToolError::Refused(error.to_string()))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn module(&self, source: &str) -> Result<PythonModule, ToolError> {
        let parser = PythonParserImpl::with_config(ParserConfig {
            // No row has a place for it.
            enable_ast_parsing: false,
            python_version: self.version,
            ..self.parser.clone()
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
        let decide = move |standing: Option<&ToolRow>, others: Others| {
            let decided = match standing {
                Some(standing) => replace(&order, &wanted, standing)?,
                None => Standing::Replaced(wanted.version),
            };
            match decided {
                Standing::Kept => {}
                Standing::Replaced(_) => room(&wanted, others)?,
            }
            Ok::<_, ToolError>(decided)
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

/// Errors: there are too many tools, or too large ones.
fn room(wanted: &ToolRow, others: Others) -> Result<(), ToolError> {
    let reason = if others.count >= MOST_TOOLS {
        format!("there are {} tools already: remove one first", others.count)
    } else if others.bytes.saturating_add(wanted.bytes()) > MOST_BYTES {
        format!(
            "all tools together may have {MOST_BYTES} bytes, and the others have {}: remove one first",
            others.bytes
        )
    } else {
        return Ok(());
    };
    Err(ToolError::Refused(reason))
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
        tool: Some(tool.id.clone()),
        ..ExecutionRequest::default()
    })
}

/// `ToolSettings` as they are kept.
#[derive(Debug, Serialize, Deserialize)]
struct ConfigurationText {
    /// The names of the functions: a list of tools needs no schemas.
    functions: Vec<String>,
    policy: String,
    environment: Option<String>,
    packages: Vec<String>,
    /// In the order of `LimitOverrides`; an object, so that a person can read it.
    limits: Map<String, Value>,
}

impl ConfigurationText {
    fn of(settings: &ToolSettings, functions: Vec<String>) -> Self {
        Self {
            functions,
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
        id: row.id,
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
    let configuration: ConfigurationText = kept(&row.name, &row.configuration)?;
    Ok(ToolSummary {
        name: row.name.parse().map_err(ToolError::Refused)?,
        version: ToolVersion(row.version),
        description: row.description,
        functions: configuration.functions,
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
