//! The kit: what runs beside untrusted code, embedded in this program and written once.
//!
//! Nothing is looked up by the path of the executable, so `cargo run`, tests, embedders and
//! installed programs all find the same bytes, named by their digest.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

struct KitFile {
    name: &'static str,
    mode: u32,
    content: &'static [u8],
}

const FILES: &[KitFile] = include!(concat!(env!("OUT_DIR"), "/kit.rs"));

/// Digest of the kit's files and names.
pub const DIGEST: &str = env!("HOGNOSE_KIT_DIGEST");

/// The kit on disk.
#[derive(Debug, Clone)]
pub struct Kit {
    folder: PathBuf,
}

impl Kit {
    /// Writes the kit below `state` unless it is there, atomically and safely beside other starts.
    pub fn install(state: &Path) -> io::Result<Self> {
        let parent = state.join("kit");
        let folder = parent.join(DIGEST);
        if !folder.exists() {
            fs::create_dir_all(&parent)?;
            let temporary = parent.join(format!(".{DIGEST}-{}", std::process::id()));
            write_files(&temporary)?;
            match fs::rename(&temporary, &folder) {
                Ok(()) => {}
                // Another start was quicker; its bytes are the same.
                Err(_) if folder.exists() => fs::remove_dir_all(&temporary)?,
                Err(error) => return Err(error),
            }
        }
        Ok(Self { folder })
    }

    /// The spawner's program.
    #[must_use]
    pub fn spawner(&self) -> PathBuf {
        self.folder.join("hognose-spawner")
    }

    /// The empty folder on which a zygote's root is built, in its own mount namespace.
    #[must_use]
    pub fn staging(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// Files that appear under `/guest`: name inside, path on the host.
    pub fn guest_files(&self) -> impl Iterator<Item = (&'static str, PathBuf)> {
        FILES
            .iter()
            .filter(|file| file.name.starts_with("guest/"))
            .map(|file| (file.name, self.folder.join(file.name)))
    }
}

fn write_files(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder.join("guest"))?;
    fs::create_dir_all(folder.join("root"))?;
    for file in FILES {
        let path = folder.join(file.name);
        fs::write(&path, file.content)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A setting of a profile that undoes `strip` makes them seven times as large, and nothing fails.
    #[test]
    fn programs_of_the_kit_are_small() {
        let programs = FILES.iter().filter(|file| file.mode == 0o755);
        for program in programs.clone() {
            let length = program.content.len();
            assert!(length < 1 << 20, "{}: {length} bytes", program.name);
        }
        assert_eq!(programs.count(), 2);
    }
}
