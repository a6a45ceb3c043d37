//! The API key: made once, kept 0600, compared in constant time.
//!
//! A running server holds the key's SHA-256 only; no log line and no `Debug` output has the key.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const FILE_NAME: &str = "api-key";

/// A key in the clear: what a caller sends.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

/// A key as a server keeps it.
#[derive(Clone)]
pub(crate) struct KeyDigest([u8; 32]);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key no header can carry.
    #[error("an API key must be 1 to 1024 visible ASCII characters without spaces")]
    Unusable,
    /// The stored key can be read by others.
    #[error("`{}` must be a plain file that only its owner can read: run `chmod 600` on it, or delete it and start again", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The key file failed us.
    #[error("cannot {operation} `{}`", path.display())]
    File {
        /// What we were doing.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl ApiKey {
    /// A key an operator chose.
    ///
    /// Errors: a text that no header can carry as it is.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        let fits = (1..=1024).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyError::Unusable)
        }
    }

    /// The key itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn digest(&self) -> KeyDigest {
        KeyDigest(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

impl KeyDigest {
    /// Whether `presented` is the key; takes the same time wherever they differ.
    pub(crate) fn matches(&self, presented: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(presented).into();
        self.0.ct_eq(&digest).into()
    }
}

/// The key of `state_dir`, and whether it was made just now.
///
/// The file appears whole or not at all: it is written under a private name and linked, so two
/// servers that start together end up with one key.
/// Errors: a key file that others can read, or that cannot be read or made.
pub(crate) fn load_or_create(state_dir: &Path) -> Result<(ApiKey, bool), KeyError> {
    let path = state_dir.join(FILE_NAME);
    if let Some(key) = load(&path)? {
        return Ok((key, false));
    }
    let key = generate(&path)?;
    if store(state_dir, &path, &key)? {
        return Ok((key, true));
    }
    let raced = load(&path)?.ok_or_else(|| KeyError::Exposed { path: path.clone() })?;
    Ok((raced, false))
}

fn load(path: &Path) -> Result<Option<ApiKey>, KeyError> {
    let failed = |source| KeyError::File {
        operation: "read the API key",
        path: path.to_owned(),
        source,
    };
    let meta = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    if !meta.file_type().is_file() || meta.mode() & 0o077 != 0 || meta.len() > 4096 {
        return Err(KeyError::Exposed {
            path: path.to_owned(),
        });
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    ApiKey::new(text.trim_end_matches('\n')).map(Some)
}

/// 256 random bits. Source: random(4).
fn generate(path: &Path) -> Result<ApiKey, KeyError> {
    let mut bytes = [0_u8; 32];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(|source| KeyError::File {
            operation: "draw random bits for",
            path: path.to_owned(),
            source,
        })?;
    ApiKey::new(&format!("hog_{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// `false` when another process stored its key first.
fn store(state_dir: &Path, path: &Path, key: &ApiKey) -> Result<bool, KeyError> {
    let failed = |source| KeyError::File {
        operation: "store the API key in",
        path: path.to_owned(),
        source,
    };
    let private = state_dir.join(format!(".{FILE_NAME}.{}", std::process::id()));
    // A leftover of a crashed process that had our id.
    let _ = fs::remove_file(&private);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&private)
        .map_err(failed)?;
    let written = writeln!(file, "{}", key.expose()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&private, path));
    let _ = fs::remove_file(&private);
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_back() {
        let state = tempfile::tempdir().unwrap();
        let (first, created) = load_or_create(state.path()).unwrap();
        assert!(created);
        assert!(first.expose().len() >= 43, "256 bits in base64");
        let path = state.path().join(FILE_NAME);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let (second, created) = load_or_create(state.path()).unwrap();
        assert!(!created);
        assert_eq!(first, second);
        assert_eq!(
            fs::read_dir(state.path()).unwrap().count(),
            1,
            "nothing private stays behind"
        );
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let state = tempfile::tempdir().unwrap();
        load_or_create(state.path()).unwrap();
        let path = state.path().join(FILE_NAME);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            load_or_create(state.path()),
            Err(KeyError::Exposed { .. })
        ));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert!(matches!(
            load_or_create(state.path()),
            Err(KeyError::Exposed { .. })
        ));
    }

    #[test]
    fn only_the_key_itself_matches_and_debug_hides_it() {
        let key = ApiKey::new("secret-key").unwrap();
        let digest = key.digest();
        assert!(digest.matches(b"secret-key"));
        for wrong in ["", "secret-ke", "secret-key ", "Secret-key"] {
            assert!(!digest.matches(wrong.as_bytes()), "{wrong:?}");
        }
        assert!(!format!("{key:?}").contains("secret"));
        assert!(
            ApiKey::new("").is_err()
                && ApiKey::new("with space").is_err()
                && ApiKey::new("ключ").is_err()
        );
    }
}
