//! What this kernel takes at least: a lane of empty processes in namespaces of their own.
//!
//! Such a process is a copy of its maker, so a small one makes them: this program without servers,
//! engine and clients.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use stepflow_python::measure_floor;

use super::lane::Lane;
use super::latency::Entry;

pub(super) const FIRST_OUTPUT: &str = "floor: an empty process in namespaces writes";
pub(super) const REAPED: &str = "floor: and is reaped";

/// The maker; dropping it ends it.
struct Maker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Both rows, with `program` as the maker, in a folder without `.env`.
pub(super) fn entry(program: &Path, folder: &Path, rounds: usize) -> Entry {
    let rows = [FIRST_OUTPUT, REAPED];
    let maker = Maker::start(program, folder).and_then(|mut maker| {
        maker.round()?;
        Ok(maker)
    });
    match maker {
        Ok(maker) => Entry {
            rows: rows.map(str::to_owned).to_vec(),
            ..Entry::of("", rounds, maker)
        },
        Err(error) => Entry::absent(&rows, &format!("{error:#}")),
    }
}

/// The maker's side: for every line of input the two times of one process. Unit: nanoseconds.
///
/// Errors: no such process can be made here.
pub(crate) fn answer_with_floors() -> Result<u8> {
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        line?;
        let times = measure_floor().context("cannot make an empty process in namespaces")?;
        let [first, reaped] = [times.first_output, times.reaped].map(|time| time.as_nanos());
        writeln!(output, "{first} {reaped}")?;
        output.flush()?;
    }
    Ok(0)
}

impl Maker {
    fn start(program: &Path, folder: &Path) -> Result<Self> {
        let child = super::command(program)
            .arg("floor")
            .env_clear()
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.context("cannot start the maker of empty processes")?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        Ok(Self {
            input: input.context("it has no input")?,
            output: BufReader::new(output.context("it has no output")?),
            child,
        })
    }
}

impl Lane for Maker {
    fn prepare(&mut self) -> Result<()> {
        Ok(())
    }

    /// Rows: until its output was read, and until it was reaped.
    fn round(&mut self) -> Result<Vec<Duration>> {
        let mut line = String::new();
        self.input.write_all(b"\n")?;
        self.output.read_line(&mut line)?;
        let times = line.split_whitespace().map(str::parse);
        match times.collect::<Result<Vec<u64>, _>>().as_deref() {
            Ok([first, reaped]) => Ok(vec![
                Duration::from_nanos(*first),
                Duration::from_nanos(*reaped),
            ]),
            Ok(_) | Err(_) => bail!("this kernel makes no empty process in namespaces"),
        }
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
