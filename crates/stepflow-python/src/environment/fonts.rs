//! Fonts: CJK text draws out of the box, and no guest ever searches the disk for fonts.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::command;
use super::error::{EnvironmentError, at};
use super::interpreter::Asked;

/// Settings that every figure starts with.
pub(super) const MATPLOTLIBRC: &str = include_str!("../../environments/matplotlibrc");
/// Where the locked font package has its font.
const FONT: &str = "paperang_p2_fonts_cjk/fonts/wqy-microhei.ttc";
const FONT_NAME: &str = "WenQuanYi Micro Hei";
/// Names that scripts use for a Chinese font; each leads to the one we have.
const ALIASES: [&str; 5] = ["WenQuanYi Zen Hei", "SimHei", "Microsoft YaHei", "Noto Sans CJK SC", "Source Han Sans SC"];
/// Writes `fontlist-v….json` into `MPLCONFIGDIR`.
const BUILD_LIST: &str = "import matplotlib.font_manager";

/// Puts the CJK font, matplotlib's settings and its font list into `tree`.
pub(super) fn lay_out(tree: &Path, site_packages: &Path, python: &Asked) -> Result<(), EnvironmentError> {
    let font = site_packages.join(FONT);
    let bundled = site_packages.join("matplotlib/mpl-data/fonts/ttf/wqy-microhei.ttc");
    let (fonts, share) = (tree.join("share/fonts"), tree.join("share/matplotlib"));
    for folder in [&fonts, &share] {
        fs::create_dir_all(folder).map_err(at("create", folder))?;
    }
    fs::copy(&font, &bundled).map_err(at("copy the font to", &bundled))?;
    let shared = fonts.join("cjk.ttc");
    fs::rename(&font, &shared).map_err(at("move the font to", &shared))?;
    let settings = share.join("matplotlibrc");
    fs::write(&settings, MATPLOTLIBRC).map_err(at("write", &settings))?;
    let list = build_list(&share, site_packages, python)?;
    rewrite(&list)
}

/// Lets matplotlib itself find the fonts; returns the list it wrote.
fn build_list(share: &Path, site_packages: &Path, python: &Asked) -> Result<PathBuf, EnvironmentError> {
    let variables = [
        ("PYTHONPATH", site_packages.as_os_str()),
        ("MPLCONFIGDIR", share.as_os_str()),
        ("HOME", share.as_os_str()),
        ("MPLBACKEND", OsStr::new("Agg")),
    ];
    let program = &python.interpreter.executable;
    let finished = command::run(program, ["-s", "-B", "-c", BUILD_LIST], &variables, &mut |_| ())
        .map_err(at("start", program))?;
    let found = fs::read_dir(share).into_iter().flatten().flatten().map(|entry| entry.path()).find(|path| {
        path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("fontlist-v") && name.ends_with(".json"))
    });
    found.filter(|_| finished.status.success()).ok_or(EnvironmentError::Command {
        operation: "build matplotlib's font list",
        reason: finished.stderr,
    })
}

fn rewrite(path: &Path) -> Result<(), EnvironmentError> {
    let text = fs::read(path).map_err(at("read", path))?;
    let list = serde_json::from_slice(&text).ok().and_then(portable).ok_or(EnvironmentError::Command {
        operation: "read matplotlib's font list",
        reason: format!("it has no font named {FONT_NAME}"),
    })?;
    fs::write(path, list.to_string()).map_err(at("write", path))
}

/// The list without the host's fonts and with our aliases; `None` when our font is not in it.
///
/// Shape: entries of `ttflist` and `afmlist` whose `fname` is relative belong to matplotlib.
fn portable(mut list: Value) -> Option<Value> {
    for kind in ["ttflist", "afmlist"] {
        let is_bundled = |entry: &Value| entry["fname"].as_str().is_some_and(|name| !name.starts_with('/'));
        list[kind].as_array_mut()?.retain(is_bundled);
    }
    let entries = list["ttflist"].as_array_mut()?;
    let ours = entries.iter().find(|entry| entry["name"] == FONT_NAME)?.clone();
    for alias in ALIASES {
        let mut entry = ours.clone();
        entry["name"] = alias.into();
        entries.push(entry);
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_font_list_names_no_font_of_the_host_and_has_the_aliases() {
        let list = json!({
            "afmlist": [],
            "ttflist": [
                {"fname": "/usr/share/fonts/x.ttf", "name": "X"},
                {"fname": "fonts/ttf/wqy-microhei.ttc", "index": 0, "name": FONT_NAME},
            ],
        });
        let list = portable(list).unwrap();
        let entries = list["ttflist"].as_array().unwrap();
        assert_eq!(entries.len(), 1 + ALIASES.len());
        assert!(entries.iter().all(|entry| entry["fname"] == "fonts/ttf/wqy-microhei.ttc"));
        assert_eq!(portable(json!({"afmlist": [], "ttflist": []})), None);
    }
}
