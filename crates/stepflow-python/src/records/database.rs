//! The database: opened once, with every connection that it will ever have where that matters.

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::pool::PoolConnectionMetadata;
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions, Connection, Executor, Transaction};

use super::schema;
use super::{DatabaseAddress, DatabaseError};

/// Connections to a file: one that writes executions, and some for all the rest.
const FILE_CONNECTIONS: u32 = 4;
/// Connections to a server at most.
#[cfg(feature = "postgres")]
const SERVER_CONNECTIONS: u32 = 8;
/// How long a connection may take to be had.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to SQLite as every one of ours begins. A commit is in the kernel's hands, so it
/// survives the death of this process; the last ones may go with the power. A recorder takes the log
/// into the file beside the writer; at 64 MiB the writer does so itself. Source: sqlite.org/wal.html.
const SQLITE_WRITER: &str = "
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = 16384;
    PRAGMA temp_store = MEMORY;
    PRAGMA foreign_keys = ON;
    SELECT count(*) FROM sqlite_schema;
";
const SQLITE_READER: &str = "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;";
/// `last_used` and the seed's defaults have no zone.
#[cfg(feature = "postgres")]
const POSTGRES: &str = "SET TIME ZONE 'UTC'";

/// Where tools, environments and executions are remembered. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    pool: AnyPool,
    address: DatabaseAddress,
}

impl Database {
    /// Opens it, made if it is a file that is not there, with its tables in this version.
    ///
    /// Every connection to a file is opened now, so that it works on when root is given up.
    ///
    /// Errors: it does not answer, refuses us, or belongs to a newer version.
    pub async fn open(address: &DatabaseAddress) -> Result<Self, DatabaseError> {
        if let DatabaseAddress::File(path) = address {
            make_private(path).map_err(DatabaseError::file("make the file of records"))?;
        }
        let database = Self::connect(address, "rw", setup(address)).await?;
        let migrated = schema::migrate(&database.pool, database.is_sqlite()).await;
        migrated.map_err(|source| DatabaseError::Migrate {
            database: address.to_string(),
            source: Arc::new(source),
        })?;
        Ok(database)
    }

    /// Opens what another process may be writing, to read it. Its tables are as they are.
    ///
    /// Errors: as `open`; nothing is made.
    pub async fn open_to_read(address: &DatabaseAddress) -> Result<Self, DatabaseError> {
        let setup = match address {
            DatabaseAddress::Memory | DatabaseAddress::File(_) => SQLITE_READER,
            #[cfg(feature = "postgres")]
            DatabaseAddress::Server(_) => POSTGRES,
        };
        Self::connect(address, "ro", setup).await
    }

    /// One that is gone with its last handle.
    pub async fn in_memory() -> Result<Self, DatabaseError> {
        Self::open(&DatabaseAddress::Memory).await
    }

    async fn connect(
        address: &DatabaseAddress,
        mode: &str,
        setup: &'static str,
    ) -> Result<Self, DatabaseError> {
        sqlx::any::install_default_drivers();
        let failed = |source| DatabaseError::Open {
            database: address.to_string(),
            source: Arc::new(source),
        };
        let options = sqlx::any::AnyConnectOptions::from_url(&address.url(mode)?);
        let options = options.map_err(failed)?.disable_statement_logging();
        // A pool would try again for long and then tell only that it did.
        let mut first = options.connect().await.map_err(failed)?;
        first.execute(setup).await.map_err(failed)?;
        first.close().await.map_err(failed)?;
        let pool = pool_options(address).after_connect(
            move |connection: &mut AnyConnection, _: PoolConnectionMetadata| {
                Box::pin(async move { connection.execute(setup).await.map(drop) })
            },
        );
        let pool = pool.connect_with(options).await.map_err(failed)?;
        Ok(Self {
            pool,
            address: address.clone(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &DatabaseAddress {
        &self.address
    }

    /// Gives its files to the user who serves. Only a file has an owner.
    pub fn give_to(&self, uid: u32) -> Result<(), DatabaseError> {
        let DatabaseAddress::File(path) = &self.address else {
            return Ok(());
        };
        let given = ["", "-wal", "-shm"].iter().try_for_each(|suffix| {
            match lchown(with_suffix(path, suffix), Some(uid), Some(uid)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                given => given,
            }
        });
        given.map_err(DatabaseError::file("give the file of records away"))
    }

    /// Waits until every connection is closed.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// For statements of one line, and for reading.
    pub(crate) fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// A transaction that writes. It has SQLite's one right to write from its begin, so that it
    /// waits there and never fails half-way.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        if self.is_sqlite() {
            self.pool.begin_with("BEGIN IMMEDIATE").await
        } else {
            self.pool.begin().await
        }
    }

    /// Whether one may be kept without keeping everybody else out.
    pub(super) fn has_several_connections(&self) -> bool {
        self.address != DatabaseAddress::Memory
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        match self.address {
            DatabaseAddress::Memory | DatabaseAddress::File(_) => true,
            #[cfg(feature = "postgres")]
            DatabaseAddress::Server(_) => false,
        }
    }
}

fn setup(address: &DatabaseAddress) -> &'static str {
    match address {
        DatabaseAddress::Memory | DatabaseAddress::File(_) => SQLITE_WRITER,
        #[cfg(feature = "postgres")]
        DatabaseAddress::Server(_) => POSTGRES,
    }
}

/// Connections to a file are kept for ever: after root is gone no new one could be opened.
fn pool_options(address: &DatabaseAddress) -> AnyPoolOptions {
    let kept = |count| {
        AnyPoolOptions::new()
            .min_connections(count)
            .max_connections(count)
            .max_lifetime(None)
            .idle_timeout(None)
            .test_before_acquire(false)
    };
    let options = match address {
        // Each connection would be a database of its own.
        DatabaseAddress::Memory => kept(1),
        DatabaseAddress::File(_) => kept(FILE_CONNECTIONS),
        #[cfg(feature = "postgres")]
        DatabaseAddress::Server(_) => AnyPoolOptions::new().max_connections(SERVER_CONNECTIONS),
    };
    options.acquire_timeout(PATIENCE)
}

/// SQLite gives the files beside it the same mode and owner. A link is not followed: whoever made it
/// would have us change what is not ours.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    let file = match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path)?,
        made => made?,
    };
    let (named, opened) = (path.symlink_metadata()?, file.metadata()?);
    if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) {
        return Err(io::Error::other("it is a link; name the file itself"));
    }
    file.set_permissions(Permissions::from_mode(0o600))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn a_file_that_was_there_becomes_private_and_a_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("records"), folder.path().join("link"));
        std::fs::write(&path, "").unwrap();
        symlink(&path, &link).unwrap();
        let mode = || path.metadata().unwrap().mode() & 0o777;
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let refused = Database::open(&DatabaseAddress::File(link)).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("it is a link")));
        assert_eq!(mode(), 0o644, "nothing was done through the link");
        Database::open(&DatabaseAddress::File(path.clone()))
            .await
            .unwrap();
        assert_eq!(mode(), 0o600);
    }
}
