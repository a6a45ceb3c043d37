//! A PostgreSQL server for the tests: found or installed, started for this run, stopped at its end.
//!
//! It listens on a socket in a folder of its own and on no address. It refuses to run as root, so
//! root starts it as a user of the system.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::recipes::{program, quiet};
use crate::say;
use crate::serve::{is_root, random, signal};

/// Where tests look for the server.
pub(crate) const VARIABLE: &str = "HOGNOSE_TEST_POSTGRES";
const READY: Duration = Duration::from_secs(60);
/// Whoever comes first runs it, if we are root. Without an entry in passwd it would refuse to start.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// A running server. Dropping it stops it and removes its folder.
pub(crate) struct Postgres {
    child: Child,
    folder: PathBuf,
}

impl Postgres {
    /// Starts one; `None` where there is no PostgreSQL and none can be installed.
    pub(crate) fn start() -> Result<Option<Self>> {
        let Some(programs) = find().or_else(install) else {
            return Ok(None);
        };
        let name = format!("hognose-postgres-{}-{}", std::process::id(), random(10_000));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let started = begin(&programs, &folder);
        match started {
            Ok(child) => Ok(Some(Self { child, folder })),
            Err(error) => {
                let _ = fs::remove_dir_all(&folder);
                Err(error)
            }
        }
    }

    /// The database `postgres` of its superuser.
    pub(crate) fn url(&self) -> String {
        let folder = self.folder.display();
        format!("postgres:///postgres?host={folder}&user=postgres")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A fast shutdown. Source: postgres(1).
        signal(self.child.id(), "INT");
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The folder with `initdb` and `postgres`: on `PATH`, else where Debian and others put them.
fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find(|folder| has_programs(folder));
    on_path.or_else(|| {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
        let mut folders: Vec<_> = versions.map(|one| one.path().join("bin")).collect();
        folders.retain(|folder| has_programs(folder));
        folders.sort();
        folders.pop()
    })
}

fn has_programs(folder: &Path) -> bool {
    ["initdb", "postgres", "pg_isready"]
        .iter()
        .all(|name| folder.join(name).is_file())
}

fn install() -> Option<PathBuf> {
    if !is_root() || !quiet(program("apt-get").arg("--version")) {
        return None;
    }
    say("== PostgreSQL is missing: apt-get install postgresql");
    let apt = |arguments: &[&str]| {
        let mut command = program("apt-get");
        quiet(
            command
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    };
    // An index that cannot be renewed may still do.
    apt(&["update", "-qq"]);
    apt(&[
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
        "postgresql",
    ]);
    find()
}

/// Makes a cluster in `folder` and waits until its server answers.
fn begin(programs: &Path, folder: &Path) -> Result<Child> {
    let user = if is_root() { Some(user()?) } else { None };
    if let Some((_, uid)) = user {
        chown(folder, Some(uid), None).context("cannot give PostgreSQL its folder")?;
    }
    let user = user.map(|(name, _)| name);
    let data = folder.join("data");
    let made = as_user(user, &programs.join("initdb"))
        .arg("-D")
        .arg(&data)
        .args([
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .context("cannot start initdb")?;
    if !made.status.success() {
        bail!("initdb failed: {}", String::from_utf8_lossy(&made.stderr));
    }
    let log = fs::File::create(folder.join("log")).context("cannot write PostgreSQL's log")?;
    let mut child = as_user(user, &programs.join("postgres"))
        .arg("-D")
        .arg(&data)
        .arg("-k")
        .arg(folder)
        .args(["-c", "listen_addresses=", "-c", "fsync=off"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("cannot start postgres")?;
    let deadline = Instant::now() + READY;
    while !quiet(program(programs.join("pg_isready")).arg("-h").arg(folder)) {
        if child.try_wait()?.is_some() || Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            let said = fs::read_to_string(folder.join("log")).unwrap_or_default();
            bail!("PostgreSQL did not start: {said}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(child)
}

/// A user of the system that is not root, and its number.
fn user() -> Result<(&'static str, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").context("cannot read the list of users")?;
    let uid = |name: &str| {
        let line = passwd
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split(':').nth(1)?.parse().ok()
    };
    let found = USERS.iter().find_map(|name| Some((*name, uid(name)?)));
    found.with_context(|| format!("none of the users {USERS:?} is there to run PostgreSQL"))
}

/// The program as `user`; what it becomes keeps its pid and ends with us.
fn as_user(user: Option<&str>, path: &Path) -> Command {
    let mut command = program("setpriv");
    if let Some(user) = user {
        command.args(["--reuid", user, "--regid", "nogroup", "--clear-groups"]);
    }
    command.args(["--pdeathsig", "INT", "--"]).arg(path);
    command
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_server_runs_without_root_and_leaves_nothing() {
        let Some(server) = Postgres::start().unwrap() else {
            say("SKIPPED: needs PostgreSQL");
            return;
        };
        let process = PathBuf::from(format!("/proc/{}", server.child.id()));
        assert_ne!(fs::metadata(&process).unwrap().uid(), 0);
        let folder = server.folder.clone();
        assert!(server.url().contains(&folder.display().to_string()));
        assert!(folder.join(".s.PGSQL.5432").exists());
        drop(server);
        assert!(!folder.exists() && !process.exists());
    }
}
