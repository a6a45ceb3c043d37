//! The default environment, built for real: needs a package index, so it runs only when asked.

use std::path::Path;
use std::process::{Command, Output};

use stepflow_python::Environments;

const DRAW: &str = "
import warnings, io, sys
warnings.simplefilter('error')
import matplotlib
import matplotlib.pyplot as plt
assert matplotlib.get_backend().lower() == 'agg', matplotlib.get_backend()
for family in [None, 'WenQuanYi Micro Hei', 'WenQuanYi Zen Hei']:
    if family:
        plt.rcParams['font.sans-serif'] = [family]
    figure, axes = plt.subplots()
    axes.set_title('中文 标题 −1')
    figure.savefig(io.BytesIO(), format='png')
    plt.close(figure)
";

const IMPORT: &str = "
import numpy, pandas, scipy.stats, sklearn.linear_model, seaborn, statsmodels.api, sympy, networkx, PIL.Image
import openpyxl, lxml.etree, bs4, requests, yaml, tqdm, tabulate
";

#[expect(
    clippy::disallowed_methods,
    reason = "a test runs the interpreter it built for"
)]
fn run(python: &Path, root: &Path, code: &str) -> Output {
    let name = python.file_name().unwrap().to_str().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(root.join("share/matplotlib"))
        .unwrap()
        .flatten()
    {
        std::fs::copy(entry.path(), scratch.path().join(entry.file_name())).unwrap();
    }
    Command::new(python)
        .args(["-s", "-B", "-c", code])
        .env(
            "PYTHONPATH",
            root.join("lib").join(name).join("site-packages"),
        )
        .env("MPLCONFIGDIR", scratch.path())
        .output()
        .unwrap()
}

#[test]
fn the_default_environment_imports_its_packages_and_draws_chinese() {
    if std::env::var_os("HOGNOSE_TEST_NETWORK").is_none() {
        println!(
            "skipped: set HOGNOSE_TEST_NETWORK=1 to build the environment from the package index"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let environments = Environments::new(folder.path().to_owned());
    let python = std::env::var_os("HOGNOSE_TEST_PYTHON").map(std::path::PathBuf::from);
    let built = environments
        .ensure_default(python.as_deref(), &|progress| println!("{progress:?}"))
        .unwrap();
    assert_eq!(environments.list(), [built.clone()]);
    let again = environments.ensure_default(python.as_deref(), &|progress| {
        panic!("built twice: {progress:?}")
    });
    assert_eq!(again.unwrap(), built);
    for code in [IMPORT, DRAW] {
        let output = run(&built.interpreter.executable, &built.root, code);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let host = folder.path().to_str().unwrap().as_bytes();
    for file in walk(&built.root) {
        let content = std::fs::read(&file).unwrap();
        assert!(
            !content.windows(host.len()).any(|window| window == host),
            "{} names the host",
            file.display()
        );
    }
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(walk(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}
