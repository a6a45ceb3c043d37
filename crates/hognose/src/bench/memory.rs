//! Memory of idle children: confined, ready, and not leased yet.
//!
//! What a child costs is what it shares with nobody: its private dirty pages and its page tables,
//! and those of its init. Kernel stacks and structures are in no file and are not counted.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde::Serialize;

use super::processes::{self, status_field};
use super::statistics::median;

/// What an idle child takes. Units: KiB; each figure is the median over the children.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Idle {
    pub(crate) preload: String,
    pub(crate) children: usize,
    /// `Private_Dirty` of `smaps_rollup`.
    pub(crate) private_dirty_kib: u64,
    /// `VmPTE` of `status`.
    pub(crate) page_tables_kib: u64,
    /// Both of an init.
    pub(crate) init_kib: u64,
    /// All three.
    pub(crate) total_kib: u64,
}

/// Who a child of a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    /// The spawner or a zygote: it lives in our pid namespace.
    Host,
    /// Pid 1 of a pid namespace.
    Init,
    /// Any other process of one, by the modules of its zygote.
    Child(String),
}

#[derive(Debug, Default)]
struct Sample {
    private_dirty: Vec<u64>,
    page_tables: Vec<u64>,
}

/// The idle children of a server at rest, by preload; empty when it keeps none.
///
/// Errors: what a process takes cannot be read, because this is neither root nor its owner.
pub(crate) fn idle_children(server: u32) -> Result<Vec<Idle>> {
    let mut inits = Sample::default();
    let mut children: BTreeMap<String, Sample> = BTreeMap::new();
    for process in processes::children(server)? {
        match role(process.pid)? {
            Role::Host => {}
            Role::Init => inits.add(process.pid)?,
            Role::Child(modules) => children.entry(modules).or_default().add(process.pid)?,
        }
    }
    let init_kib = inits
        .dirty_and_tables()
        .map_or(0, |(dirty, tables)| dirty + tables);
    let names = preload_names();
    let told = children.into_iter().filter_map(|(modules, sample)| {
        let (private_dirty_kib, page_tables_kib) = sample.dirty_and_tables()?;
        Some(Idle {
            preload: name_of(&names, &modules),
            children: sample.page_tables.len(),
            private_dirty_kib,
            page_tables_kib,
            init_kib,
            total_kib: private_dirty_kib + page_tables_kib + init_kib,
        })
    });
    Ok(told.collect())
}

fn role(pid: u32) -> Result<Role> {
    let status = read(pid, "status")?;
    let inside = status_field(&status, "NSpid").unwrap_or_default();
    // The first number is the one that we see, the last the one that it sees itself.
    Ok(match inside.split_ascii_whitespace().skip(1).last() {
        None => Role::Host,
        Some("1") => Role::Init,
        Some(_) => Role::Child(modules(&read(pid, "cmdline")?)),
    })
}

/// The argument after the zygote's script: a child has its zygote's command line.
fn modules(command_line: &str) -> String {
    let mut arguments = command_line.split('\0');
    let script = arguments.find(|argument| argument.ends_with("/zygote.py"));
    let modules = script.and_then(|_| arguments.next());
    modules.unwrap_or_default().to_owned()
}

impl Sample {
    fn add(&mut self, pid: u32) -> Result<()> {
        let rollup = read(pid, "smaps_rollup")?;
        let status = read(pid, "status")?;
        self.private_dirty.push(kib(&rollup, "Private_Dirty")?);
        self.page_tables.push(kib(&status, "VmPTE")?);
        Ok(())
    }

    fn dirty_and_tables(&self) -> Option<(u64, u64)> {
        let dirty = median(self.private_dirty.clone())?;
        Some((dirty, median(self.page_tables.clone())?))
    }
}

fn read(pid: u32, file: &str) -> Result<String> {
    fs::read_to_string(format!("/proc/{pid}/{file}"))
        .with_context(|| format!("cannot read `{file}` of a child; only root may"))
}

fn kib(text: &str, field: &str) -> Result<u64> {
    let value = status_field(text, field);
    let number = value.and_then(|value| value.strip_suffix(" kB")?.trim().parse().ok());
    number.with_context(|| format!("the kernel does not tell `{field}`"))
}

/// Names of preloads by their modules, as a zygote is given them.
fn preload_names() -> BTreeMap<String, String> {
    let policy = include_str!("../../../../policies/preloads.toml");
    let policy: toml::Table = policy.parse().unwrap_or_default();
    let preloads = policy.get("preload").and_then(toml::Value::as_array);
    let named = preloads.into_iter().flatten().filter_map(|preload| {
        let modules = preload.get("modules")?.as_array()?;
        let modules: Vec<&str> = modules.iter().filter_map(toml::Value::as_str).collect();
        Some((modules.join(","), preload.get("name")?.as_str()?.to_owned()))
    });
    named.collect()
}

fn name_of(names: &BTreeMap<String, String>, modules: &str) -> String {
    // Another binary may have another policy.
    let unknown = || format!("{} modules", modules.split(',').count());
    names.get(modules).cloned().unwrap_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_childs_preload_is_told_from_its_zygotes_command_line() {
        let names = preload_names();
        let check = |command_line: &str, expected: &str| {
            assert_eq!(name_of(&names, &modules(command_line)), expected);
        };
        check("python3\0-I\0-B\0/guest/zygote.py\0\0", "bare");
        check(
            "python3\0-I\0/guest/zygote.py\0numpy,numpy.linalg,numpy.random,numpy.fft\0plain\0",
            "numpy",
        );
        check("python3\0/guest/zygote.py\0json,csv\0", "2 modules");
        assert!(names.values().any(|name| name == "full"));
    }

    #[test]
    fn this_process_is_no_guest_and_takes_memory() {
        assert_eq!(role(std::process::id()).unwrap(), Role::Host);
        let mut sample = Sample::default();
        sample.add(std::process::id()).unwrap();
        assert!(sample.dirty_and_tables().unwrap().0 > 0);
        assert!(kib("Private_Dirty:  x kB\n", "Private_Dirty").is_err());
    }
}
