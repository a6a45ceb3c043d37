//! Builds the kit (spawner and zygote library) with a nested cargo and embeds it with `guest/`.
//!
//! One kit serves every build of the engine: its target folder stands beside the outer one's, so
//! that clippy, tests and releases share it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use sha2::{Digest, Sha256};

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let workspace = manifest
        .join("../..")
        .canonicalize()
        .expect("the workspace is two folders up");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    for watched in [
        "crates/sandbox/src",
        "crates/zygote/src",
        "guest",
        "Cargo.lock",
        // The kit's profile.
        "Cargo.toml",
    ] {
        println!(
            "cargo::rerun-if-changed={}",
            workspace.join(watched).display()
        );
    }
    let built = build_kit(&workspace, &target_folder(&out));
    let mut files = vec![
        (
            "hognose-spawner".to_owned(),
            built.join("hognose-spawner"),
            0o755,
        ),
        (
            "guest/libhognose_zygote.so".to_owned(),
            built.join("libzygote.so"),
            0o755,
        ),
    ];
    let mut guest: Vec<_> = fs::read_dir(workspace.join("guest"))
        .expect("guest/ exists")
        .flatten()
        .collect();
    guest.sort_by_key(std::fs::DirEntry::file_name);
    for entry in guest {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".py") {
            files.push((format!("guest/{name}"), entry.path(), 0o644));
        }
    }
    write_table(&out, &files);
}

/// `target/kit`, beside the profile folder that holds `OUT_DIR`.
fn target_folder(out: &Path) -> PathBuf {
    // OUT_DIR is TARGET/PROFILE/build/NAME/out.
    let target = out
        .ancestors()
        .nth(4)
        .expect("OUT_DIR lies four folders deep");
    target.join("kit")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a build script starts the nested cargo"
)]
fn build_kit(workspace: &Path, target: &Path) -> PathBuf {
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo sets it"));
    cargo
        .current_dir(workspace)
        .args([
            "build",
            "--profile",
            "kit",
            "--package",
            "sandbox",
            "--package",
            "zygote",
        ])
        .args(["--lib", "--bin", "hognose-spawner"])
        .arg("--target-dir")
        .arg(target);
    // What the outer cargo set for its own units would turn this into a clippy run, or make it
    // compile the kit anew for every profile.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let keeps = ["CARGO_HOME", "CARGO_HTTP_CAINFO"].contains(&text.as_ref());
        if (text.starts_with("CARGO") && !keeps)
            || text.starts_with("CLIPPY")
            || text.starts_with("RUSTC")
        {
            cargo.env_remove(&name);
        }
    }
    let status = cargo.status().expect("the cargo that runs us can be run");
    assert!(
        status.success(),
        "the kit did not build; its messages stand above"
    );
    target.join("kit")
}

fn write_table(out: &Path, files: &[(String, PathBuf, u32)]) {
    let mut digest = Sha256::new();
    let mut table = String::from("&[\n");
    for (index, (name, path, mode)) in files.iter().enumerate() {
        let content = fs::read(path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        digest.update(name.as_bytes());
        digest.update((content.len() as u64).to_le_bytes());
        digest.update(&content);
        let copy = format!("kit-{index}");
        fs::write(out.join(&copy), &content).expect("OUT_DIR is writable");
        writeln!(table, "KitFile {{ name: {name:?}, mode: {mode:#o}, content: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{copy}\")) }},")
            .expect("strings grow");
    }
    table.push(']');
    fs::write(out.join("kit.rs"), table).expect("OUT_DIR is writable");
    let text: String = digest
        .finalize()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    println!("cargo::rustc-env=HOGNOSE_KIT_DIGEST={text}");
}
