//! A script with the files it names: what `hognose run` hands over.
//!
//! A script may list files that stand beside it in its PEP 723 block. Nobody has read the script,
//! so nothing outside its own folder is ever handed over on its word.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use stepflow_python::InputFile;
use stepflow_python::parser::script_metadata;

use crate::input::{self, Most};

/// What was read.
#[derive(Debug)]
pub(crate) struct Script {
    /// The program.
    pub(crate) source: String,
    /// Files its own block names and files of `--file`.
    pub(crate) files: Vec<InputFile>,
}

/// Reads `file` (`-` is standard input), the files it names, and `pairs` of `NAME=PATH`.
///
/// Errors: one sentence about the first thing that cannot be had. A `--file` replaces a file of
/// the same name that the script itself names.
pub(crate) fn read(file: &str, pairs: &[String], most: Most) -> anyhow::Result<Script> {
    let bytes = source(file, most)?;
    let folder = (file != "-")
        .then(|| folder_of(Path::new(file)))
        .transpose()?;
    let source = String::from_utf8(bytes)
        .map_err(|_| anyhow::anyhow!("the script `{file}` is not UTF-8: convert it first"))?;
    // A byte order mark is no part of the text. Source: PEP 263.
    let source = source
        .strip_prefix('\u{feff}')
        .map(str::to_owned)
        .unwrap_or(source);
    let mut files = given(pairs, most)?;
    let given = files.len();
    for path in named_files(&source)? {
        let name = file_name(Path::new(&path))
            .with_context(|| format!("the script names `{path}`, which is no file name"))?;
        if files[..given].iter().any(|file| file.name == name) {
            continue;
        }
        let folder = folder.as_deref().with_context(|| {
            format!("a script on standard input has no folder: give --file {name}=PATH")
        })?;
        files.push(InputFile {
            name,
            content: beside(folder, &path, left(&files, most))?.into(),
        });
    }
    refuse_duplicates(&files)?;
    Ok(Script { source, files })
}

/// The bytes of a script; `-` is standard input.
pub(crate) fn source(file: &str, most: Most) -> anyhow::Result<Vec<u8>> {
    if file == "-" {
        return input::standard(most.source, "the script on standard input");
    }
    input::file(file, most.source, &format!("the script `{file}`"))
}

/// Bytes that files may still have beside `files`.
fn left(files: &[InputFile], most: Most) -> u64 {
    let taken: usize = files.iter().map(|file| file.content.len()).sum();
    most.input.saturating_sub(taken as u64)
}

fn folder_of(script: &Path) -> anyhow::Result<PathBuf> {
    let parent = script
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent
        .unwrap_or(Path::new("."))
        .canonicalize()
        .context("cannot find the script's folder")
}

/// The files of `--file`: the caller's own choice, so any file will do.
pub(crate) fn given(pairs: &[String], most: Most) -> anyhow::Result<Vec<InputFile>> {
    let mut files = Vec::new();
    for pair in pairs {
        files.push(one_given(pair, left(&files, most))?);
    }
    refuse_duplicates(&files)?;
    Ok(files)
}

fn one_given(pair: &str, most: u64) -> anyhow::Result<InputFile> {
    let (name, path) = pair.split_once('=').with_context(|| {
        format!("`--file {pair}` must be NAME=PATH, such as data.csv=./data.csv")
    })?;
    if !InputFile::is_valid_name(name) {
        bail!(
            "input file name {name:?} must be plain names of at most 255 bytes, with `/` between them"
        );
    }
    let content = input::file(path, most, &format!("the input file `{path}`"))?;
    Ok(InputFile {
        name: name.to_owned(),
        content: content.into(),
    })
}

fn refuse_duplicates(files: &[InputFile]) -> anyhow::Result<()> {
    for (index, file) in files.iter().enumerate() {
        if files[..index]
            .iter()
            .any(|earlier| earlier.name == file.name)
        {
            bail!(
                "two input files are named `{}`: give one of them another name",
                file.name
            );
        }
    }
    Ok(())
}

fn file_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    InputFile::is_valid_name(name).then(|| name.to_owned())
}

/// A plain file that really lies below `folder`, links followed.
fn beside(folder: &Path, path: &str, most: u64) -> anyhow::Result<Vec<u8>> {
    let real = folder
        .join(path)
        .canonicalize()
        .with_context(|| format!("cannot find `{path}`, which the script names in `files`"))?;
    if !real.starts_with(folder) {
        bail!("the script names `{path}`, which lies outside its folder: give it with --file");
    }
    if !real.is_file() {
        bail!("the script names `{path}`, which is no plain file");
    }
    input::file(real, most, &format!("`{path}`, which the script names,"))
}

/// `files` of the table `[tool.hognose]` in the script's own block. Source: PEP 723.
fn named_files(source: &str) -> anyhow::Result<Vec<String>> {
    let Some(metadata) = script_metadata(source)? else {
        return Ok(Vec::new());
    };
    let table: toml::Table = metadata.text.parse().context("the block was read before")?;
    let hognose = table.get("tool").and_then(|tool| tool.get("hognose"));
    let Some(files) = hognose.and_then(|own| own.get("files")) else {
        return Ok(Vec::new());
    };
    let names = files.as_array().and_then(|all| {
        all.iter()
            .map(|one| one.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
    });
    names.context("`files` in the script's [tool.hognose] must be a list of strings")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use stepflow_python::{LimitPolicy, Limits};

    use super::*;

    fn read(file: &str, pairs: &[String]) -> anyhow::Result<Script> {
        let most = Most::of(&LimitPolicy::default(), &Limits::default());
        super::read(file, pairs, most)
    }

    const BLOCK: &str = "# /// script\n# [tool.hognose]\n# files = [\"a.csv\"]\n# ///\nprint(1)\n";

    fn refused(file: &Path, pairs: &[&str]) -> String {
        let pairs: Vec<_> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        format!("{:#}", read(file.to_str().unwrap(), &pairs).unwrap_err())
    }

    #[test]
    fn named_files_are_a_list_of_strings_or_refused() {
        let files = |table: &str| named_files(&format!("# /// script\n# {table}\n# ///\n"));
        assert_eq!(
            files("tool.hognose.files = ['a', 'b/c']").unwrap(),
            ["a", "b/c"]
        );
        assert!(files("tool.other = 1").unwrap().is_empty());
        for wrong in [
            "tool.hognose.files = 'a'",
            "tool.hognose.files = [1]",
            "no toml",
        ] {
            assert!(files(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_script_gets_the_files_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("s.py");
        fs::write(&script, BLOCK).unwrap();
        fs::write(folder.path().join("a.csv"), "1,2").unwrap();
        let read_script = read(script.to_str().unwrap(), &[]).unwrap();
        assert_eq!(read_script.source, BLOCK);
        assert_eq!(read_script.files[0].name, "a.csv");
        assert_eq!(&read_script.files[0].content[..], b"1,2");
        let other = folder.path().join("other");
        fs::write(&other, "3").unwrap();
        let given = read(
            script.to_str().unwrap(),
            &[format!("a.csv={}", other.display())],
        )
        .unwrap();
        assert_eq!(&given.files[0].content[..], b"3");
    }

    #[test]
    fn nothing_outside_its_folder_is_handed_over_on_a_scripts_word() {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("secret"), "s").unwrap();
        let folder = outer.path().join("inner");
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink("../secret", folder.join("link")).unwrap();
        let script = folder.join("s.py");
        let absolute = outer.path().join("secret").display().to_string();
        for path in ["../secret", "link", &absolute] {
            fs::write(&script, BLOCK.replace("a.csv", path)).unwrap();
            assert!(
                refused(&script, &[]).contains("outside its folder"),
                "{path}"
            );
        }
        for path in ["..", ".", "/"] {
            fs::write(&script, BLOCK.replace("a.csv", path)).unwrap();
            let _ = refused(&script, &[]);
        }
        fs::write(&script, BLOCK.replace("a.csv", "absent")).unwrap();
        assert!(refused(&script, &[]).contains("cannot find `absent`"));
    }

    #[test]
    fn two_files_of_one_last_name_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("s.py");
        fs::write(
            &script,
            BLOCK.replace("\"a.csv\"", "\"a.csv\", \"sub/a.csv\""),
        )
        .unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        for name in ["a.csv", "sub/a.csv"] {
            fs::write(folder.path().join(name), "1").unwrap();
        }
        assert!(refused(&script, &[]).contains("two input files are named `a.csv`"));
        let own = format!("a.csv={}", script.display());
        assert_eq!(
            read(script.to_str().unwrap(), &[own]).unwrap().files.len(),
            1
        );
    }

    #[test]
    fn all_files_together_have_a_most() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("s.py");
        fs::write(&script, BLOCK).unwrap();
        fs::write(folder.path().join("a.csv"), "12345").unwrap();
        let most = |input| Most {
            source: 1000,
            input,
        };
        let all = |input| {
            let pair = format!("b={}", folder.path().join("a.csv").display());
            super::read(script.to_str().unwrap(), &[pair], most(input))
        };
        assert_eq!(all(10).unwrap().files.len(), 2);
        let told = all(9).unwrap_err().to_string();
        assert!(told.starts_with("`a.csv`, which the script names, has more than 4 bytes"));
        assert!(refused(&script, &["b=/dev/zero"]).contains("has more than 268435456 bytes"));
    }

    #[test]
    fn wrong_pairs_are_refused_in_one_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("s.py");
        fs::write(&script, "print(1)").unwrap();
        assert!(refused(&script, &["a.csv"]).contains("NAME=PATH"));
        assert!(refused(&script, &["a//b=s"]).contains("plain names"));
        assert!(refused(&script, &["a=/no/such/file"]).contains("cannot read the input file"));
        let own = format!("a={}", script.display());
        assert!(refused(&script, &[&own, &own]).contains("two input files"));
        fs::write(&script, b"\xff").unwrap();
        assert!(refused(&script, &[]).contains("not UTF-8"));
    }
}
