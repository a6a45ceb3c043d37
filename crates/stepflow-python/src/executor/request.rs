//! What is asked of an executor, in the seed's words.

use std::collections::HashMap;
use std::time::Duration;

use engine::SecurityLevel;
use serde_json::Value;

use crate::environment::EnvironmentId;

/// Code to run. Source: seed 003, "PythonRequest".
#[derive(Debug, Clone, Default)]
pub struct PythonRequest {
    /// The program.
    pub code: String,
    /// A function of it that is called after it ran; what it returns is the result.
    pub function_name: Option<String>,
    /// The function's keywords; without a function, globals of the program.
    pub parameters: HashMap<String, Value>,
    /// Whose packages it sees; `None` is the default environment.
    pub environment_id: Option<EnvironmentId>,
    /// Wall-clock limit.
    pub timeout: Option<Duration>,
    /// Memory limit. Units: bytes.
    pub memory_limit: Option<usize>,
    /// How much the policy refuses.
    pub security_level: SecurityLevel,
}

/// A function to call. Defined nowhere in the seed.
#[derive(Debug, Clone, Default)]
pub struct FunctionRequest {
    /// The program, which is run first.
    pub code: String,
    /// A name in it, or a path of attributes such as `Class.method`.
    pub function_name: String,
    /// By position.
    pub args: Vec<Value>,
    /// By keyword.
    pub kwargs: HashMap<String, Value>,
    /// Whose packages it sees; `None` is the default environment.
    pub environment_id: Option<EnvironmentId>,
    /// Wall-clock limit.
    pub timeout: Option<Duration>,
    /// Memory limit. Units: bytes.
    pub memory_limit: Option<usize>,
    /// How much the policy refuses.
    pub security_level: SecurityLevel,
}

/// A script of this host to run. Defined nowhere in the seed.
///
/// The file, or the whole folder, travels as input: the guest sees a copy below `/code`, and no path
/// of the host.
#[derive(Debug, Clone, Default)]
pub struct ScriptRequest {
    /// A file, or a folder.
    pub script_path: String,
    /// What of a folder is run. A file is itself what is run.
    pub entry_point: EntryPoint,
    /// `sys.argv[1:]`.
    pub args: Vec<String>,
    /// Where it starts: a folder below the script's, made if it is not there. `None` is the folder itself.
    pub working_dir: Option<String>,
    /// Whose packages it sees; `None` is the default environment.
    pub environment_id: Option<EnvironmentId>,
    /// Wall-clock limit.
    pub timeout: Option<Duration>,
    /// Memory limit. Units: bytes.
    pub memory_limit: Option<usize>,
    /// How much the policy refuses.
    pub security_level: SecurityLevel,
}

/// What of a folder is run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum EntryPoint {
    /// Its `__main__.py`, as `python FOLDER` does.
    #[default]
    Main,
    /// The file at this path in it, as `python FOLDER/FILE` does.
    File(String),
    /// This module or package, in it or in the environment, as `python -m NAME` does.
    Module(String),
}

/// What an environment is asked to be. Source: contracts/stepflow.md.
#[derive(Debug, Clone, Default)]
pub struct PythonConfig {
    /// Has no effect on an environment.
    pub script_path: Option<String>,
    /// Has no effect on an environment.
    pub script_content: Option<String>,
    /// A version, such as `3.11`, or specifiers, such as `>=3.10,<3.13`. Source: PEP 440.
    pub python_version: Option<String>,
    /// What it must have. Source: PEP 508.
    pub dependencies: Vec<String>,
    /// Which environment, by its id or the beginning of its digest; `None` is the default one.
    pub virtual_env: Option<String>,
    /// Has no effect: a guest starts in its own `/code`.
    pub working_dir: Option<String>,
}
