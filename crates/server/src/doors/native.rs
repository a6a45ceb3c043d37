//! The native dialect: `/v1/executions`, `/v1/environments`, `/v1/tools`, `/capabilities`, `/health`, `/metrics`.

mod artifact;
pub(crate) mod capabilities;
pub(crate) mod convert;
pub(crate) mod environments;
pub(crate) mod history;
pub(crate) mod metrics;
pub(crate) mod report;
mod routes;
mod running;
mod stream;
pub(crate) mod tools;
pub(crate) mod wire;

pub(crate) use routes::{routes, takes_executions};
pub(crate) use running::Registry;
