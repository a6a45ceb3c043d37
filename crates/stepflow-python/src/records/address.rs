//! Where records are kept, as an operator writes it. Shown without credentials.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

use super::DatabaseError;

/// Where records are kept.
///
/// Shape: `sqlite:PATH` or a path; `postgres://USER:PASSWORD@HOST/NAME` as libpq reads it.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseAddress {
    /// Nowhere: they go with the last handle.
    Memory,
    /// A file of SQLite.
    File(PathBuf),
    /// A database of PostgreSQL. Only with the cargo feature `postgres`.
    #[cfg(feature = "postgres")]
    Server(Url),
}

impl FromStr for DatabaseAddress {
    type Err = DatabaseError;

    fn from_str(text: &str) -> Result<Self, DatabaseError> {
        let refused = |reason: String| Err(DatabaseError::Address { reason });
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => refused("`sqlite:` wants the path of a file".into()),
                ":memory:" => Ok(Self::Memory),
                path => Ok(Self::File(path.into())),
            };
        }
        match text.split_once("://") {
            Some(("postgres" | "postgresql", _)) => server(text),
            // Whatever it is, it may hold a password.
            Some((scheme, _)) => refused(format!(
                "records cannot be kept at `{scheme}://…`; use a path or `postgres://…`"
            )),
            None if text.is_empty() => refused("the address of the records is empty".into()),
            None => Ok(Self::File(text.into())),
        }
    }
}

/// What sqlx reads. Of another one it would log the value, which may be a secret.
/// Source: sqlx-postgres, `PgConnectOptions`.
#[cfg(feature = "postgres")]
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

#[cfg(feature = "postgres")]
fn server(text: &str) -> Result<DatabaseAddress, DatabaseError> {
    let url = Url::parse(text).map_err(|error| DatabaseError::Address {
        reason: format!("the address of the PostgreSQL database is not a URL: {error}"),
    })?;
    let mut names = url.query_pairs().map(|(name, _)| name);
    let unknown = names.find(|name| !PARAMETERS.contains(&name.as_ref()) && !is_option(name));
    if let Some(name) = unknown {
        return Err(DatabaseError::Address {
            reason: format!("the address of the PostgreSQL database has no parameter `{name}`"),
        });
    }
    Ok(DatabaseAddress::Server(url))
}

/// `options[NAME]`
#[cfg(feature = "postgres")]
fn is_option(name: &str) -> bool {
    name.starts_with("options[") && name.ends_with(']')
}

#[cfg(not(feature = "postgres"))]
fn server(_: &str) -> Result<DatabaseAddress, DatabaseError> {
    Err(DatabaseError::Address {
        reason: "this build keeps records in SQLite only; it lacks the feature `postgres`".into(),
    })
}

impl DatabaseAddress {
    /// What sqlx opens.
    pub(super) fn url(&self, mode: &str) -> Result<Url, DatabaseError> {
        let url = match self {
            Self::Memory => Url::parse("sqlite::memory:"),
            Self::File(path) => {
                let path =
                    std::path::absolute(path).map_err(DatabaseError::file("name the database"))?;
                // Only for its way of escaping: a path may hold `?`, `#` and `%`.
                let escaped = Url::from_file_path(&path).map_err(|()| DatabaseError::Address {
                    reason: format!("`{}` is no path of a file", path.display()),
                })?;
                Url::parse(&format!("sqlite://{}?mode={mode}", escaped.path()))
            }
            #[cfg(feature = "postgres")]
            Self::Server(url) => Ok(url.clone()),
        };
        url.map_err(|error| DatabaseError::Address {
            reason: format!("{self} cannot be opened: {error}"),
        })
    }
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("sqlite::memory:"),
            Self::File(path) => write!(f, "{}", path.display()),
            // Neither user nor parameters: both can hold secrets.
            #[cfg(feature = "postgres")]
            Self::Server(url) => write!(
                f,
                "postgres://{}{}",
                url.host_str().unwrap_or_default(),
                url.path()
            ),
        }
    }
}

impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_file_with_or_without_its_scheme() {
        for text in ["/a/b.sqlite", "sqlite:/a/b.sqlite", "sqlite:///a/b.sqlite"] {
            assert_eq!(
                text.parse::<DatabaseAddress>().unwrap(),
                DatabaseAddress::File("/a/b.sqlite".into())
            );
        }
        assert_eq!(
            "sqlite::memory:".parse::<DatabaseAddress>().unwrap(),
            DatabaseAddress::Memory
        );
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for text in ["", "sqlite:", "mysql://root:secret@localhost/x"] {
            let refused = text.parse::<DatabaseAddress>().unwrap_err().to_string();
            assert!(!refused.contains("secret"), "{refused}");
        }
    }

    #[test]
    fn a_strange_path_reaches_the_database_as_it_is() {
        let address = DatabaseAddress::File("/a b/100%41?#.sqlite".into());
        assert_eq!(
            address.url("rw").unwrap().as_str(),
            "sqlite:///a%20b/100%2541%3F%23.sqlite?mode=rw"
        );
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_server_is_shown_without_its_credentials() {
        let text = "postgres://me:secret@db.example/hognose?password=secret&user=me";
        let address: DatabaseAddress = text.parse().unwrap();
        assert_eq!(format!("{address:?}"), "postgres://db.example/hognose");
        assert_eq!(address.url("rw").unwrap().as_str(), text);
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_parameter_that_nothing_reads_is_refused_by_its_name_alone() {
        let text = "postgres://db.example/hognose?options[search_path]=a&passwrod=secret";
        let refused = text.parse::<DatabaseAddress>().unwrap_err().to_string();
        assert!(refused.contains("`passwrod`"), "{refused}");
        assert!(!refused.contains("secret"), "{refused}");
    }
}
