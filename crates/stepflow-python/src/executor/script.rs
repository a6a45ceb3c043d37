//! A script of this host, and the files of its folder, as an execution request.
//!
//! Only plain files that really lie below the folder are read; whatever else is there is refused by
//! its name, but for caches and hidden folders, which are left out. A guest learns no path of the host.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use engine::{Entry, ExecutionRequest, InputFile};

use super::source::{environment, limits};
use super::{EntryPoint, ScriptRequest};
use crate::errors::PythonError;
use crate::parser;

/// Most files of a folder, and of a request by any door.
pub const MOST_FILES: usize = 4096;
/// Most bytes of all of them. The limit `workdir_bytes` holds besides.
const MOST_BYTES: u64 = 256 << 20;

/// The execution of `execute_script`.
///
/// Errors: a sentence about the first thing that cannot be read, or cannot be run.
pub async fn of_script(request: ScriptRequest) -> Result<ExecutionRequest, PythonError> {
    let read = tokio::task::spawn_blocking(move || read(request)).await;
    let read = read.map_err(|error| PythonError::InternalError(error.to_string()))?;
    read.map_err(PythonError::ExecutionError)
}

fn read(request: ScriptRequest) -> Result<ExecutionRequest, String> {
    let given = Path::new(&request.script_path);
    let path = given.canonicalize();
    let path = path.map_err(|error| unreadable(&request.script_path, &error))?;
    let (mut files, entry) = if path.is_dir() {
        let files = Folder::read(&path)?;
        let entry = match request.entry_point {
            EntryPoint::Main => Entry::Script("__main__.py".to_owned()),
            EntryPoint::File(file) => Entry::Script(file),
            EntryPoint::Module(name) => Entry::Module(name),
        };
        (files, entry)
    } else if request.entry_point == EntryPoint::Main {
        let name = given.file_name().and_then(|name| name.to_str());
        let name = name.filter(|name| InputFile::is_valid_name(name));
        let name =
            name.ok_or("the script's name has characters that no file in a guest can have")?;
        let content = content(&path, &request.script_path, &mut { MOST_BYTES })?;
        let file = InputFile {
            name: name.to_owned(),
            content: content.into(),
        };
        (vec![file], Entry::Script(name.to_owned()))
    } else {
        let path = request.script_path;
        return Err(format!("`{path}` is a file: an entry point needs a folder"));
    };
    let source = match &entry {
        Entry::Script(name) => take(&mut files, name)?,
        Entry::Source | Entry::Globals(_) | Entry::Function(_) | Entry::Module(_) => String::new(),
    };
    Ok(ExecutionRequest {
        source,
        entry,
        files,
        args: request.args,
        directory: request.working_dir,
        limits: limits(request.timeout, request.memory_limit),
        environment: environment(request.environment_id),
        policy: request.security_level,
        ..Default::default()
    })
}

/// The text of the file that is run, which then is the source and no input.
fn take(files: &mut Vec<InputFile>, name: &str) -> Result<String, String> {
    let found = files.iter().position(|file| file.name == name);
    let found =
        found.ok_or_else(|| format!("the folder has no file `{name}` that could be run"))?;
    let file = files.swap_remove(found);
    parser::decode(&file.content).map_err(|finding| format!("`{name}`: {}", finding.message))
}

/// The files of a folder, as they are found.
struct Folder<'a> {
    root: &'a Path,
    files: Vec<InputFile>,
    /// Bytes that may still be read.
    left: u64,
}

impl Folder<'_> {
    fn read(root: &Path) -> Result<Vec<InputFile>, String> {
        let mut folder = Folder {
            root,
            files: Vec::new(),
            left: MOST_BYTES,
        };
        let mut waiting = vec![(root.to_owned(), String::new())];
        while let Some((path, prefix)) = waiting.pop() {
            let entries = fs::read_dir(&path).map_err(|error| unreadable(&prefix, &error))?;
            for entry in entries {
                let entry = entry.map_err(|error| unreadable(&prefix, &error))?;
                let name = entry.file_name();
                let name = format!("{prefix}{}", name.to_string_lossy());
                if !InputFile::is_valid_name(&name) || entry.file_name().to_str().is_none() {
                    return Err(format!("{name:?} cannot be the path of a file in a guest"));
                }
                let kind = entry
                    .file_type()
                    .map_err(|error| unreadable(&name, &error))?;
                if !kind.is_dir() {
                    folder.add(entry.path(), name)?;
                } else if !is_left_out(&entry.file_name().to_string_lossy()) {
                    waiting.push((entry.path(), name + "/"));
                }
            }
        }
        Ok(folder.files)
    }

    fn add(&mut self, path: PathBuf, name: String) -> Result<(), String> {
        if self.files.len() == MOST_FILES {
            return Err(format!("the folder has more than {MOST_FILES} files"));
        }
        // A link to a file of the same folder is that file; any other would hand over the host's.
        let real = path
            .canonicalize()
            .map_err(|error| unreadable(&name, &error))?;
        if !real.starts_with(self.root) {
            return Err(format!("`{name}` is a link to outside of the folder"));
        }
        let content = content(&real, &name, &mut self.left)?;
        self.files.push(InputFile {
            name,
            content: content.into(),
        });
        Ok(())
    }
}

fn is_left_out(folder: &str) -> bool {
    folder == "__pycache__" || folder.starts_with('.')
}

/// All of a plain file, if it has no more than `left` bytes.
fn content(path: &Path, name: &str, left: &mut u64) -> Result<Vec<u8>, String> {
    // Before it is opened: opening a FIFO waits, opening a device acts.
    let meta = fs::metadata(path).map_err(|error| unreadable(name, &error))?;
    if !meta.is_file() {
        return Err(format!("`{name}` is no plain file"));
    }
    let file = fs::File::open(path).map_err(|error| unreadable(name, &error))?;
    let mut content = Vec::new();
    let read = file.take(*left + 1).read_to_end(&mut content);
    let read = read.map_err(|error| unreadable(name, &error))? as u64;
    *left = left
        .checked_sub(read)
        .ok_or_else(|| format!("the files have more than {MOST_BYTES} bytes"))?;
    Ok(content)
}

fn unreadable(name: &str, error: &io::Error) -> String {
    format!("cannot read the script `{name}`: {error}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn request(folder: &Path, entry_point: EntryPoint) -> ScriptRequest {
        ScriptRequest {
            script_path: folder.to_str().unwrap().to_owned(),
            entry_point,
            ..Default::default()
        }
    }

    fn refused(folder: &Path, entry_point: EntryPoint) -> String {
        read(request(folder, entry_point)).unwrap_err()
    }

    #[test]
    fn a_folder_travels_with_its_files_and_without_its_caches() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["pkg/sub", ".git", "pkg/__pycache__"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        for name in [
            "__main__.py",
            "pkg/sub/a.txt",
            ".git/x",
            "pkg/__pycache__/y",
            ".hidden",
        ] {
            fs::write(root.join(name), name).unwrap();
        }
        symlink("pkg/sub/a.txt", root.join("link")).unwrap();
        let found = read(request(root, EntryPoint::Main)).unwrap();
        assert_eq!(found.source, "__main__.py");
        let mut names: Vec<_> = found.files.iter().map(|file| file.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, [".hidden", "link", "pkg/sub/a.txt"]);
        let link = found.files.iter().find(|file| file.name == "link").unwrap();
        assert_eq!(link.content, "pkg/sub/a.txt");
        let file = EntryPoint::File("pkg/sub/a.txt".into());
        assert_eq!(read(request(root, file)).unwrap().source, "pkg/sub/a.txt");
        let module = read(request(root, EntryPoint::Module("pkg".into()))).unwrap();
        assert_eq!((module.source.as_str(), module.files.len()), ("", 4));
        let one = read(request(&root.join("link"), EntryPoint::Main)).unwrap();
        assert!(matches!(one.entry, Entry::Script(name) if name == "link"));
        assert!(one.files.is_empty());
    }

    #[test]
    fn what_is_not_the_folders_own_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("scripts");
        fs::create_dir(&root).unwrap();
        let lacks = refused(&root, EntryPoint::Main);
        assert_eq!(
            lacks,
            "the folder has no file `__main__.py` that could be run"
        );
        for escape in ["../outside.py", "/etc/passwd", ""] {
            let told = refused(&root, EntryPoint::File(escape.into()));
            assert_eq!(
                told,
                format!("the folder has no file `{escape}` that could be run")
            );
        }
        fs::write(folder.path().join("outside.py"), "1").unwrap();
        for (target, told) in [
            ("../outside.py", "`link` is a link to outside of the folder"),
            ("/etc/passwd", "`link` is a link to outside of the folder"),
            (".", "`link` is no plain file"),
            ("nowhere", "cannot read the script `link`: "),
        ] {
            symlink(target, root.join("link")).unwrap();
            let found = refused(&root, EntryPoint::Main);
            assert!(found.starts_with(told), "{target}: {found}");
            fs::remove_file(root.join("link")).unwrap();
        }
        let socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        assert_eq!(
            refused(&root, EntryPoint::Main),
            "`socket` is no plain file"
        );
        drop(socket);
        fs::remove_file(root.join("socket")).unwrap();
        fs::write(root.join("a\nb"), "").unwrap();
        assert!(refused(&root, EntryPoint::Main).contains("cannot be the path"));
        fs::remove_file(root.join("a\nb")).unwrap();
        fs::write(root.join("__main__.py"), b"\xff").unwrap();
        assert!(refused(&root, EntryPoint::Main).contains("not UTF-8"));
        let file = root.join("__main__.py");
        let told = refused(&file, EntryPoint::Module("x".into()));
        assert!(
            told.ends_with("is a file: an entry point needs a folder"),
            "{told}"
        );
        let told = refused(&root.join("no.py"), EntryPoint::Main);
        assert!(told.starts_with("cannot read the script `"), "{told}");
    }

    #[test]
    fn files_and_bytes_have_a_most() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..=MOST_FILES {
            fs::write(folder.path().join(number.to_string()), "").unwrap();
        }
        let told = refused(folder.path(), EntryPoint::Main);
        assert_eq!(told, "the folder has more than 4096 files");
        let large = folder.path().join("large.py");
        fs::File::create(&large)
            .unwrap()
            .set_len(MOST_BYTES + 1)
            .unwrap();
        let told = refused(&large, EntryPoint::Main);
        assert_eq!(told, "the files have more than 268435456 bytes");
    }
}
