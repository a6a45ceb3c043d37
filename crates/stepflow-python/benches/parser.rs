//! The parser beside CPython's `ast.parse`, over the same sources, on one core and in one run.
//!
//! `taskset -c 0 cargo bench --workspace --bench parser`. The sources are the standard library of
//! `python3` (or of `HOGNOSE_BENCH_PYTHON`), read before anything is timed. All rows run in
//! alternating blocks, so that a machine that is not quiet is not quiet for all of them. A word chooses
//! rows by their names, as for a profile: `cargo bench --workspace --bench parser -- facts`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement for people, without guests"
)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use ruff_python_parser::Mode;
use stepflow_python::parser::{ParserConfig, PythonParser, hints_of};
use stepflow_python::{PythonParserImpl, SecurityLevel, validator};
use tokio::runtime::Runtime;

const BLOCKS: usize = 7;
/// Sources that are asked about at once, as by a server: no thread waits for the next one.
const IN_FLIGHT: usize = 8;

/// Prints the paths of the sources that CPython parses.
const LIST: &str = "\
import ast, os, sysconfig
skipped = ('site-packages', 'dist-packages', 'test', 'tests', 'lib2to3')
for root, folders, files in os.walk(sysconfig.get_path('stdlib')):
    folders[:] = sorted(name for name in folders if name not in skipped)
    for name in sorted(files):
        path = os.path.join(root, name)
        try:
            ast.parse(open(path, encoding='utf-8').read())
        except Exception:
            continue
        if name.endswith('.py'):
            print(path)
";

/// Reads paths first; then parses all for every line it is sent, and answers with the seconds.
const CPYTHON: &str = "\
import ast, sys, time, gc
paths = sys.stdin.readline().split('\\0')[:-1]
texts = [open(path, encoding='utf-8').read() for path in paths]
for line in sys.stdin:
    gc.collect()
    began = time.perf_counter()
    for text in texts:
        ast.parse(text)
    print(time.perf_counter() - began, flush=True)
";

fn main() {
    let python = std::env::var("HOGNOSE_BENCH_PYTHON").unwrap_or_else(|_| "python3".into());
    let said = run(&python, LIST).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let paths: Vec<&str> = said.lines().collect();
    let read = |path: &&str| std::fs::read_to_string(path).unwrap();
    let sources: Vec<String> = paths.iter().map(read).collect();
    let bytes: usize = sources.iter().map(String::len).sum();
    println!("{} files, {:.1} MB", sources.len(), megabytes(bytes));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let bare = PythonParserImpl::with_config(ParserConfig {
        enable_ast_parsing: false,
        enable_dependency_analysis: false,
        ..Default::default()
    });
    let whole = PythonParserImpl::default();
    let mut cpython = Oracle::start(&python, &paths);
    let (runtime, sources) = (&runtime, &sources);
    let mut rows: Vec<Row> = vec![
        ("CPython ast.parse", Box::new(|| cpython.parse())),
        (
            "the parser alone",
            Box::new(|| {
                timed(runtime, sources, async |source| {
                    drop(ruff_python_parser::parse_unchecked(
                        source,
                        Mode::Module.into(),
                    ))
                })
            }),
        ),
        (
            "imports for the preload",
            Box::new(|| {
                timed(runtime, sources, async |source| {
                    drop(hints_of(source).await)
                })
            }),
        ),
        (
            "syntax",
            Box::new(|| {
                timed(runtime, sources, async |source| {
                    assert!(bare.validate_syntax(source).await.unwrap().is_valid);
                })
            }),
        ),
        (
            "facts",
            Box::new(|| {
                timed(runtime, sources, async |source| {
                    drop(bare.parse_code(source).await.unwrap())
                })
            }),
        ),
        (
            "facts and tree",
            Box::new(|| {
                timed(runtime, sources, async |source| {
                    drop(whole.parse_code(source).await.unwrap())
                })
            }),
        ),
        (
            "policy `strict`",
            Box::new(|| {
                timed(runtime, sources, async |source| {
                    drop(
                        validator::check(source, SecurityLevel::Strict, None)
                            .await
                            .unwrap(),
                    );
                })
            }),
        ),
    ];
    let word = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let chosen = |name: &str| word.as_deref().is_none_or(|word| name.contains(word));
    let (oracle, named) = rows.split_at_mut(1);
    let named = named.iter_mut().filter(|row| chosen(row.0));
    let mut rows: Vec<&mut Row<'_>> = oracle.iter_mut().chain(named).collect();
    let mut times = vec![Vec::new(); rows.len()];
    for _ in 0..BLOCKS {
        for (row, times) in rows.iter_mut().zip(&mut times) {
            times.push((row.1)());
        }
    }
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    for (row, seconds) in rows.iter().zip(&medians) {
        let (rate, ratio) = (megabytes(bytes) / seconds, medians[0] / seconds);
        println!("{:26} {rate:7.1} MB/s {ratio:6.1} x ast.parse", row.0);
    }
}

type Row<'a> = (&'static str, Box<dyn FnMut() -> Duration + 'a>);

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[BLOCKS / 2].as_secs_f64()
}

fn megabytes(bytes: usize) -> f64 {
    u32::try_from(bytes).map_or(f64::NAN, f64::from) / 1e6
}

fn timed(runtime: &Runtime, sources: &[String], work: impl AsyncFn(&str)) -> Duration {
    let began = Instant::now();
    runtime.block_on(async {
        let all = futures_util::stream::iter(sources).map(|source| work(source));
        all.buffer_unordered(IN_FLIGHT).collect::<()>().await;
    });
    began.elapsed()
}

fn run(python: &str, program: &str) -> Command {
    let mut command = Command::new(python);
    command.args(["-I", "-W", "ignore", "-c", program]);
    command
}

struct Oracle {
    child: Child,
    asked: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Oracle {
    fn start(python: &str, paths: &[&str]) -> Self {
        let mut command = run(python, CPYTHON);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut asked = child.stdin.take().unwrap();
        writeln!(asked, "{}\0", paths.join("\0")).unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, asked, said }
    }

    fn parse(&mut self) -> Duration {
        writeln!(self.asked).unwrap();
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        Duration::from_secs_f64(line.trim().parse().unwrap())
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // It would end with its input; this only does not wait for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
