//! What `hognose run` hands over: a script, a folder of files with what is run of it, or a module.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use stepflow_python::executor::of_script;
use stepflow_python::parser::decode;
use stepflow_python::{Call, Entry, EntryPoint, InputFile, PythonError, ScriptRequest};

use crate::arguments::RunArguments;
use crate::input::Most;
use crate::script::{self, Script};

/// What was read.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) entry: Entry,
    /// Empty for a module.
    pub(crate) source: String,
    pub(crate) files: Vec<InputFile>,
}

/// Reads what `arguments` name.
///
/// Errors: one sentence about the first thing that cannot be had, or makes no sense.
pub(crate) async fn read(arguments: &RunArguments, most: Most) -> anyhow::Result<Program> {
    let pairs = arguments.files.clone();
    let Some(path) = arguments.path.clone() else {
        let name = arguments.module.clone().unwrap_or_default();
        return Ok(Program {
            entry: Entry::Module(name),
            source: String::new(),
            files: blocking(move || script::given(&pairs, most)).await?,
        });
    };
    let point = match (&arguments.entry, &arguments.module) {
        (Some(file), _) => EntryPoint::File(file.clone()),
        (None, Some(name)) => EntryPoint::Module(name.clone()),
        (None, None) => EntryPoint::Main,
    };
    if point != EntryPoint::Main || Path::new(&path).is_dir() {
        if arguments.function.is_some() {
            bail!("a function is one of a script: name its file instead of the folder `{path}`");
        }
        let program = folder(path, point).await?;
        let given = blocking(move || script::given(&pairs, most)).await?;
        return program.with(given);
    }
    let entry = entry(arguments)?;
    let Script { source, files } = blocking(move || script::read(&path, &pairs, most)).await?;
    Ok(Program {
        entry,
        source,
        files,
    })
}

impl Program {
    /// The same with `given`, each in the place of a file of its name; one of them may be what runs.
    fn with(mut self, mut given: Vec<InputFile>) -> anyhow::Result<Self> {
        if let Entry::Script(name) = &self.entry
            && let Some(at) = given.iter().position(|file| file.name == *name)
        {
            let decoded = decode(&given.swap_remove(at).content);
            self.source =
                decoded.map_err(|finding| anyhow!("`--file {name}`: {}", finding.message))?;
        }
        let is_replaced = |file: &InputFile| given.iter().any(|one| one.name == file.name);
        self.files.retain(|file| !is_replaced(file));
        self.files.extend(given);
        Ok(self)
    }
}

async fn folder(path: String, point: EntryPoint) -> anyhow::Result<Program> {
    if point == EntryPoint::Main && !Path::new(&path).join("__main__.py").exists() {
        bail!(
            "`{path}` has no `__main__.py`: name one of its files with --entry, or a module with -m"
        );
    }
    let request = ScriptRequest {
        script_path: path,
        entry_point: point,
        ..Default::default()
    };
    let request = of_script(request).await.map_err(|error| match error {
        PythonError::ExecutionError(reason) => anyhow!(reason),
        other => other.into(),
    })?;
    Ok(Program {
        entry: request.entry,
        source: request.source,
        files: request.files,
    })
}

/// Runs what may wait for somebody to type: not on a thread that has to see an interrupt.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.context("cannot read the program")?
}

/// The source alone, or a function of it. The executor says whether its name is one.
fn entry(arguments: &RunArguments) -> anyhow::Result<Entry> {
    let Some(function) = arguments.function.clone() else {
        return Ok(Entry::Source);
    };
    let (mut args, mut kwargs) = (Vec::new(), BTreeMap::new());
    if let Some(text) = arguments.args_json.as_deref().map(str::trim) {
        let read = if text.starts_with('{') {
            serde_json::from_str(text).map(|found| kwargs = found)
        } else {
            serde_json::from_str(text).map(|found| args = found)
        };
        read.context("`--args-json` must be a JSON list or a JSON object, such as '[1, 2]'")?;
    }
    Ok(Entry::Function(Call {
        function,
        args,
        kwargs,
    }))
}
