//! Writing collected files below a folder of the caller, and text to our own streams.
//!
//! Names come from a guest. They are taken apart and checked; no link is ever followed below the
//! folder; what stood under a file's name is replaced by rename, never written through.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use stepflow_python::OutputStream;

/// Writes `content` as `name` below `folder` and returns where it is. Makes folders as needed.
///
/// Errors: a name that would leave the folder; something else than a folder where one is needed.
pub(crate) fn write_below(folder: &Path, name: &str, content: &[u8]) -> anyhow::Result<PathBuf> {
    let components: Vec<&str> = name.split('/').collect();
    let plain =
        |part: &&str| !matches!(*part, "" | "." | "..") && !part.chars().any(char::is_control);
    let (Some((file, parents)), true) = (components.split_last(), components.iter().all(plain))
    else {
        bail!("the output file name {name:?} is not safe: it was not written");
    };
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the output folder `{}`", folder.display()))?;
    let mut place = folder.to_owned();
    for parent in parents {
        place.push(parent);
        own_folder(&place)?;
    }
    let target = place.join(file);
    replace(&place, &target, content)
        .with_context(|| format!("cannot write `{}`", target.display()))?;
    Ok(target)
}

/// A real folder, made if nothing stands there.
fn own_folder(path: &Path) -> anyhow::Result<()> {
    match fs::create_dir(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let is_folder = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
            if !is_folder {
                bail!(
                    "`{}` is in the way and no folder: move it, or give another --output",
                    path.display()
                );
            }
            Ok(())
        }
        Err(error) => {
            Err(error).with_context(|| format!("cannot create the folder `{}`", path.display()))
        }
    }
}

/// A rename never follows a link that stands under the new name.
fn replace(folder: &Path, target: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = folder.join(format!(".hognose-{}", std::process::id()));
    // A leftover of a killed process that had our id; `create_new` refuses links too.
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&temporary)?;
    let written = file
        .write_all(content)
        .and_then(|()| fs::rename(&temporary, target));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Writes a line to standard output at once. A reader that went away has read enough.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes a line to standard error; there is nowhere to say that this failed.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes to our own stream of the same name.
pub(crate) fn write_to(stream: OutputStream, bytes: &[u8]) -> io::Result<()> {
    match stream {
        OutputStream::Stdout => {
            let mut out = io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush())
        }
        OutputStream::Stderr => io::stderr().lock().write_all(bytes),
    }
}

/// Whether what stands on standard output stands on the same screen as our notes.
pub(crate) fn one_screen() -> bool {
    io::stdout().is_terminal() && io::stderr().is_terminal()
}

/// Guest text as one terminal line: control characters escaped, cut to a readable length.
pub(crate) fn one_line(text: &str) -> String {
    const MOST: usize = 2000;
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == MOST {
            shown.push('…');
            break;
        }
        if c.is_control() {
            shown.extend(c.escape_default())
        } else {
            shown.push(c)
        }
    }
    shown
}

/// Guest text of many lines for a terminal: control characters as JSON escapes them, so that JSON
/// remains JSON.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' && c != '\t' {
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_are_written_with_their_parents_and_replace_older_ones() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out");
        for content in [b"one", b"two"] {
            let path = write_below(&output, "sub/deep/a.txt", content).unwrap();
            assert_eq!(path, output.join("sub/deep/a.txt"));
            assert_eq!(fs::read(path).unwrap(), content);
        }
        assert_eq!(fs::read_dir(output.join("sub/deep")).unwrap().count(), 1);
    }

    #[test]
    fn no_name_leaves_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out");
        for name in [
            "",
            ".",
            "..",
            "/etc/x",
            "../x",
            "a/../../x",
            "a//b",
            "a/",
            "a\nb",
            "a/./b",
        ] {
            assert!(write_below(&output, name, b"x").is_err(), "{name:?}");
        }
        assert!(!output.exists(), "nothing was made for them");
    }

    #[test]
    fn links_are_replaced_or_refused_and_never_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (output, outside) = (folder.path().join("out"), folder.path().join("outside"));
        fs::create_dir(&output).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("victim"), "v").unwrap();
        symlink(&outside, output.join("sub")).unwrap();
        symlink(outside.join("victim"), output.join("a.txt")).unwrap();
        assert!(write_below(&output, "sub/victim", b"x").is_err());
        write_below(&output, "a.txt", b"x").unwrap();
        assert_eq!(fs::read(outside.join("victim")).unwrap(), b"v");
        assert_eq!(fs::read(output.join("a.txt")).unwrap(), b"x");
        assert!(
            !fs::symlink_metadata(output.join("a.txt"))
                .unwrap()
                .is_symlink()
        );
    }

    #[test]
    fn guest_text_cannot_steer_a_terminal() {
        assert_eq!(one_line("a\u{1b}[2J\nb"), "a\\u{1b}[2J\\nb");
        assert_eq!(one_line(&"x".repeat(3000)).chars().count(), 2001);
        let shown = printable("a\tb\nü\r\u{1b}]0;x\u{7}\u{9b}2J\u{7f}");
        assert_eq!(shown, "a\tb\nü\\u000d\\u001b]0;x\\u0007\\u009b2J\\u007f");
    }
}
