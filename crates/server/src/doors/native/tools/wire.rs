//! Tools as they travel. Requests refuse what they do not know.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepflow_python::tools::Arguments;

use crate::doors::native::wire::{Object, WishBody, or_default};

/// `POST /v1/tools`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolOrderBody {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<String>,
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) packages: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) limits: Object<WishBody>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) replace: bool,
}

/// `POST /v1/tools/{name}/functions/{function}`. The values stay the JSON they are.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolCallBody {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) arguments: Arguments,
}

/// One of `GET /v1/tools`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ToolSummaryBody {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) functions: Vec<String>,
}

/// A tool with everything that is known of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ToolBody {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) policy: String,
    pub(crate) environment: Option<String>,
    pub(crate) packages: Vec<String>,
    pub(crate) limits: WishBody,
    pub(crate) functions: Vec<ToolFunctionBody>,
    pub(crate) source: String,
}

/// What can be called; `parameters` is a JSON Schema, draft 2020-12.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ToolFunctionBody {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) parameters: Value,
    pub(crate) returns: Option<String>,
    pub(crate) decorators: Vec<String>,
    #[serde(rename = "async")]
    pub(crate) is_async: bool,
}
