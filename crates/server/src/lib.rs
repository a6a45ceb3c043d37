//! Serves executions over HTTP: the native dialect, on TCP and on a unix socket.
//!
//! Doors hold an `Arc<dyn PythonExecutor>` and nothing below it. A request can tighten what the
//! server enforces and never loosen it; what answers a caller is decided by the executor's report.
//! [`serve`] is the whole server, [`RemoteExecutor`] the client that speaks to one on this host.

mod admission;
mod app;
mod auth;
mod config;
mod doors;
mod error;
mod key;
mod metrics;
mod remote;
mod serve;

pub use config::{ConfigError, KeyMode, ServerConfig, Timeouts};
pub use doors::native::history::{page_json, record_json};
pub use doors::native::metrics::metrics_json;
pub use doors::native::report::{execution_json, judgement_json};
pub use doors::native::tools::{tool_json, tools_json};
pub use key::{ApiKey, KeyError};
pub use remote::{ConnectError, RemoteExecutor};
pub use serve::{Bound, ServeError, serve};
