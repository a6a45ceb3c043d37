//! An executor that is really a server on this host, reached over its unix socket.
//!
//! It speaks the native dialect and nothing else, so whatever holds for a caller of the server
//! holds here: dropping an execution closes its connection, and that kills the guest.

mod client;
mod convert;
mod environments;
mod events;
mod history;
mod request;
mod tools;
mod validate;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use stepflow_python::executor::validate as valid;
use stepflow_python::tools::Arguments;
use stepflow_python::{
    ArtifactContent, Capabilities, EnvironmentService, Execution, ExecutionError, ExecutionId,
    ExecutionRequest, HistoryService, Judgement, MetricFamily, PoolStatus, PythonConfig,
    PythonError, PythonExecutor, SecurityLevel, ToolService, ValidationResult,
};

use self::client::Client;
use self::environments::RemoteEnvironments;
use self::history::RemoteHistory;
use self::tools::RemoteTools;
use crate::doors::native::capabilities::CapabilitiesBody;
use crate::doors::native::metrics::{self, MetricFamilyBody};
use crate::doors::native::report::artifact_url;
use crate::doors::native::tools::wire::ToolCallBody;
use crate::doors::native::wire::{HealthBody, PoolBody};

/// Runs executions on the server of a unix socket.
#[derive(Debug, Clone)]
pub struct RemoteExecutor {
    client: Client,
    capabilities: Capabilities,
}

/// Why the server of a socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The socket is there and does not let us in.
    #[error("cannot use the server socket `{}`", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Another user listens: our programs are none of their business.
    #[error("the server socket `{}` belongs to uid {uid}: give another --state-dir", path.display())]
    Foreign {
        /// The socket.
        path: PathBuf,
        /// Who listens.
        uid: u32,
    },
    /// It answered something we do not understand.
    #[error("the server on `{}` speaks another dialect ({reason}): restart it with this version", path.display())]
    Dialect {
        /// The socket.
        path: PathBuf,
        /// What was odd.
        reason: String,
    },
}

impl RemoteExecutor {
    /// The server of `socket`; `None` when none listens there.
    ///
    /// Errors: a server of another user, or one that does not answer as ours does.
    pub async fn connect(socket: &Path) -> Result<Option<Self>, ConnectError> {
        let Some(client) = Client::find(socket).await? else {
            return Ok(None);
        };
        let odd = |reason: String| ConnectError::Dialect {
            path: socket.to_owned(),
            reason,
        };
        let answer = client
            .call(Method::GET, "/capabilities")
            .await
            .map_err(|error| odd(error.to_string()))?;
        if answer.status != StatusCode::OK {
            return Err(odd(format!("status {}", answer.status)));
        }
        let document: CapabilitiesBody =
            serde_json::from_slice(&answer.body).map_err(|error| odd(error.to_string()))?;
        Ok(Some(Self {
            client: client.with_most(document.request_bytes),
            capabilities: convert::capabilities(document),
        }))
    }

    /// Calls a function of a tool of the server, which checks the arguments and records whose call it
    /// is. A request that `Tool::call` has made would be an execution of its source and no more.
    pub async fn call_tool(
        &self,
        tool: &str,
        function: &str,
        arguments: Arguments,
    ) -> Result<Execution, ExecutionError> {
        let path = tools::function_place(tool, function);
        events::start(&self.client, &path, &ToolCallBody { arguments }).await
    }
}

#[async_trait]
impl PythonExecutor for RemoteExecutor {
    async fn validate_environment(
        &self,
        config: &PythonConfig,
    ) -> Result<ValidationResult, PythonError> {
        valid::environment(self, config).await
    }

    async fn start(&self, request: ExecutionRequest) -> Result<Execution, ExecutionError> {
        events::start(&self.client, "/v1/executions", &request::body(request)).await
    }

    /// The server's own word: it knows its floor.
    async fn validate(
        &self,
        source: &str,
        level: SecurityLevel,
    ) -> Result<Judgement, ExecutionError> {
        validate::call(&self.client, source, level).await
    }

    async fn artifact(&self, id: ExecutionId, name: &str) -> Option<ArtifactContent> {
        let answer = self
            .client
            .call(Method::GET, &artifact_url(id, name))
            .await
            .ok()?;
        (answer.status == StatusCode::OK).then(|| convert::artifact_content(name, answer))
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn environments(&self) -> Option<Arc<dyn EnvironmentService>> {
        Some(Arc::new(RemoteEnvironments::new(self.client.clone())))
    }

    fn history(&self) -> Option<Arc<dyn HistoryService>> {
        Some(Arc::new(RemoteHistory::new(self.client.clone())))
    }

    fn tools(&self) -> Option<Arc<dyn ToolService>> {
        Some(Arc::new(RemoteTools::new(self.client.clone())))
    }

    async fn pools(&self) -> Vec<PoolStatus> {
        let answer = self.client.call(Method::GET, "/v1/pools").await;
        let bodies: Option<Vec<PoolBody>> = answer
            .ok()
            .and_then(|answer| serde_json::from_slice(&answer.body).ok());
        let pools = bodies.unwrap_or_default().into_iter();
        pools.map(convert::pool).collect()
    }

    async fn metrics(&self) -> Vec<MetricFamily> {
        let answer = self.client.call(Method::GET, "/metrics").await;
        let bodies: Option<Vec<MetricFamilyBody>> = answer
            .ok()
            .and_then(|answer| serde_json::from_slice(&answer.body).ok());
        let families = bodies.unwrap_or_default().into_iter();
        families.filter_map(metrics::family).collect()
    }

    async fn health(&self) -> Result<(), String> {
        let answer = self
            .client
            .call(Method::GET, "/health")
            .await
            .map_err(|error| error.to_string())?;
        if answer.status == StatusCode::OK {
            return Ok(());
        }
        let told = serde_json::from_slice::<HealthBody>(&answer.body)
            .ok()
            .and_then(|body| body.reason);
        Err(told.unwrap_or_else(|| format!("the server answers {}", answer.status)))
    }
}
