//! What a server is told before it starts. Only the binary reads variables and files.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::key::ApiKey;

/// Where a server listens, whom it serves and how much it takes on.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// TCP address; port 0 takes a free one. `None` serves the unix socket only.
    pub listen: Option<SocketAddr>,
    /// Path of the unix socket; `None` for none.
    pub socket: Option<PathBuf>,
    /// How callers on TCP prove who they are.
    pub key: KeyMode,
    /// Folder of the generated key. It must exist.
    pub state_dir: PathBuf,
    /// Names accepted in `Host` beside loopback names and the listen address.
    ///
    /// On a non-loopback address an empty list accepts every name, because no browser can be made
    /// to send the key.
    pub allowed_hosts: Vec<String>,
    /// The uid whose processes may use the unix socket, beside root; `None` is our own uid now.
    pub owner_uid: Option<u32>,
    /// Most bytes in the body of one execution request.
    pub execution_body_bytes: usize,
    /// Most bytes of bodies that wait for their execution to start, all requests together.
    pub waiting_body_bytes: usize,
    /// Executions that wait for a slot; one more is refused.
    pub queue: usize,
    /// How long an execution waits for a slot.
    pub queue_wait: Duration,
    /// TCP connections open at once; one more closes the one that has been silent longest.
    pub max_connections: usize,
    /// How long running executions may go on after the server was told to stop.
    pub drain: Duration,
    /// How long a peer may be slow.
    pub timeouts: Timeouts,
}

/// How long a peer may be slow before its connection is closed.
///
/// Source: security/REPORT.md, section 10.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// For a whole body.
    pub body: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// Without taking one byte of an answer.
    pub write: Duration,
    /// Between two comments that keep an event stream alive.
    pub keep_alive: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            write: Duration::from_secs(60),
            keep_alive: Duration::from_secs(15),
        }
    }
}

/// How callers on TCP prove who they are.
#[derive(Debug, Clone)]
pub enum KeyMode {
    /// With the key in the state folder, generated at the first start.
    Stored,
    /// With this key.
    Given(ApiKey),
    /// Not at all: for loopback addresses only.
    Keyless,
}

/// A configuration that would not be safe, or could not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Beyond this machine only an operator's own key will do.
    #[error("{address} can be reached from other machines: give --api-key, or listen on 127.0.0.1")]
    NeedsKey {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Without a key, only loopback.
    #[error(
        "--keyless is for loopback addresses only, and {address} is not one: give --api-key instead"
    )]
    KeylessBeyondLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Neither an address nor a socket.
    #[error("there is nothing to listen on: give --listen HOST:PORT or a socket path")]
    NowhereToListen,
}

impl ServerConfig {
    /// A server on 127.0.0.1 and a free port, with its key in `state_dir`.
    #[must_use]
    pub fn new(state_dir: PathBuf) -> Self {
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            socket: None,
            key: KeyMode::Stored,
            state_dir,
            allowed_hosts: Vec::new(),
            owner_uid: None,
            execution_body_bytes: 64 * 1024 * 1024,
            waiting_body_bytes: 512 * 1024 * 1024,
            queue: 256,
            queue_wait: Duration::from_secs(30),
            max_connections: 512,
            drain: Duration::from_secs(30),
            timeouts: Timeouts::default(),
        }
    }

    /// Refuses what must not start.
    ///
    /// Errors: a non-loopback address without an operator's own key; nothing to listen on.
    pub fn check(&self) -> Result<(), ConfigError> {
        let Some(address) = self.listen else {
            return if self.socket.is_some() {
                Ok(())
            } else {
                Err(ConfigError::NowhereToListen)
            };
        };
        match &self.key {
            KeyMode::Given(_) => Ok(()),
            KeyMode::Stored | KeyMode::Keyless if address.ip().is_loopback() => Ok(()),
            KeyMode::Stored => Err(ConfigError::NeedsKey { address }),
            KeyMode::Keyless => Err(ConfigError::KeylessBeyondLoopback { address }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(listen: &str, key: KeyMode) -> ServerConfig {
        ServerConfig {
            listen: Some(listen.parse().unwrap()),
            key,
            ..ServerConfig::new(PathBuf::new())
        }
    }

    #[test]
    fn beyond_loopback_only_an_own_key_will_do() {
        let given = || KeyMode::Given(ApiKey::new("operator-key").unwrap());
        for (listen, key, good) in [
            ("127.0.0.1:0", KeyMode::Stored, true),
            ("127.8.0.1:0", KeyMode::Keyless, true),
            ("[::1]:0", KeyMode::Keyless, true),
            ("0.0.0.0:0", given(), true),
            ("0.0.0.0:0", KeyMode::Stored, false),
            ("[::]:0", KeyMode::Stored, false),
            ("10.0.0.1:0", KeyMode::Keyless, false),
        ] {
            assert_eq!(config(listen, key).check().is_ok(), good, "{listen}");
        }
    }

    #[test]
    fn a_server_without_any_address_is_refused() {
        let mut config = ServerConfig::new(PathBuf::new());
        config.listen = None;
        assert_eq!(config.check(), Err(ConfigError::NowhereToListen));
        config.socket = Some("socket".into());
        assert_eq!(config.check(), Ok(()));
    }
}
