//! The server's life: listen, serve every connection in its own task, drain.
//!
//! After `shutdown` nothing new is accepted; running executions may end within the drain time, are
//! then cancelled and still answered, and only then cut off.

mod connection;
mod guarded;
mod head;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stepflow_python::PythonExecutor;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::connection::{Connections, drive};
use crate::app::{self, App};
use crate::auth::{Access, Peer};
use crate::config::{ConfigError, KeyMode, ServerConfig};
use crate::key::{self, KeyDigest, KeyError};

/// How long cancelled executions get to answer before their connections are closed.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// Connections on the unix socket: our own user's, so only a guard against a runaway.
const MOST_LOCAL: usize = 512;

/// What a server that is ready tells.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The TCP address with its real port.
    pub address: Option<SocketAddr>,
    /// The key, if it was made at this start: show it once.
    pub key_created: Option<String>,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// What it was told would not be safe, or could not work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no usable key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The address cannot be had.
    #[error("cannot listen on {address}: choose another one, or port 0 for any free port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Another server has the socket.
    #[error("another server already serves `{}`: stop it, or give another --state-dir", path.display())]
    SocketTaken {
        /// The socket.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("cannot listen on the socket `{}`", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// Serves `executor` until `shutdown` is ready and everything is drained.
///
/// `ready` is called once, when both listeners are open.
/// Errors: everything that keeps the server from starting; once it is ready it only ends by
/// `shutdown`.
pub async fn serve(
    executor: Arc<dyn PythonExecutor>,
    config: ServerConfig,
    ready: impl FnOnce(Bound),
    shutdown: impl Future,
) -> Result<(), ServeError> {
    config.check()?;
    let (digest, key_created) = key(&config)?;
    let tcp = match config.listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let unix = match &config.socket {
        Some(path) => Some(LocalListener::bind(path, config.owner_uid).await?),
        None => None,
    };
    let address = tcp.as_ref().and_then(|listener| listener.local_addr().ok());
    let access = Access::new(digest, address, &config.allowed_hosts);
    let (cancel_all, stop) = watch::channel(false);
    let app = Arc::new(App::new(executor, &config, access, stop));
    let router = app::router(&app);
    ready(Bound {
        address,
        key_created,
    });

    let (begin_drain, draining) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let mut network = Connections::new(config.max_connections);
    let mut local = Connections::new(MOST_LOCAL);
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            _ = &mut shutdown => break,
            stream = accept_tcp(tcp.as_ref()) => {
                if let Some(standing) = network.admit() {
                    tasks.spawn(drive(stream, Peer::Network, standing, router.clone(), config.timeouts, draining.clone()));
                }
            }
            (stream, peer) = accept_unix(unix.as_ref()) => {
                if let Some(standing) = local.admit() {
                    tasks.spawn(drive(stream, peer, standing, router.clone(), config.timeouts, draining.clone()));
                }
            }
            Some(_) = tasks.join_next() => {}
        }
    }
    drop((tcp, unix));
    begin_drain.send_replace(true);
    if tokio::time::timeout(config.drain, empty(&mut tasks))
        .await
        .is_err()
    {
        cancel_all.send_replace(true);
        let _ = tokio::time::timeout(LAST_WORDS, empty(&mut tasks)).await;
    }
    tasks.shutdown().await;
    Ok(())
}

async fn empty(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

fn key(config: &ServerConfig) -> Result<(Option<KeyDigest>, Option<String>), ServeError> {
    match &config.key {
        KeyMode::Keyless => Ok((None, None)),
        KeyMode::Given(key) => Ok((Some(key.digest()), None)),
        // Nobody can send a key when there is no address.
        KeyMode::Stored if config.listen.is_none() => Ok((None, None)),
        KeyMode::Stored => {
            let (key, created) = key::load_or_create(&config.state_dir)?;
            Ok((Some(key.digest()), created.then(|| key.expose().to_owned())))
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen { address, source })
}

async fn accept_tcp(listener: Option<&TcpListener>) -> tokio::net::TcpStream {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Without it small events wait for the peer's acknowledgement.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(error) => back_off(&error).await,
        }
    }
}

async fn accept_unix(listener: Option<&LocalListener>) -> (UnixStream, Peer) {
    let Some(local) = listener else {
        return std::future::pending().await;
    };
    loop {
        match local.listener.accept().await {
            Ok((stream, _)) => {
                let uid = stream.peer_cred().map(|peer| peer.uid());
                let known = uid.is_ok_and(|uid| uid == 0 || uid == local.owner_uid);
                return (stream, if known { Peer::Owner } else { Peer::Stranger });
            }
            Err(error) => back_off(&error).await,
        }
    }
}

/// Out of descriptors, most likely: connections that end give some back.
async fn back_off(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// The unix socket; its file goes with it.
struct LocalListener {
    listener: UnixListener,
    owner_uid: u32,
    path: PathBuf,
}

impl LocalListener {
    async fn bind(path: &Path, owner_uid: Option<u32>) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Socket {
            path: path.to_owned(),
            source,
        };
        match UnixStream::connect(path).await {
            Ok(_) => {
                return Err(ServeError::SocketTaken {
                    path: path.to_owned(),
                });
            }
            // A server that was killed left it: nobody listens.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(failed)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let owner_uid = match owner_uid {
            Some(uid) => uid,
            None => own_uid().map_err(failed)?,
        };
        let listener = UnixListener::bind(path).map_err(failed)?;
        // The mode is a second fence: each peer's uid is checked as well.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self {
            listener,
            owner_uid,
            path: path.to_owned(),
        })
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Our effective uid, as the kernel would name it to a peer.
pub(crate) fn own_uid() -> io::Result<u32> {
    let (one, _other) = UnixStream::pair()?;
    one.peer_cred().map(|own| own.uid())
}
