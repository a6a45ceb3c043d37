//! The spawner's program: descriptor 0 is the supervisor's socket, 1 the sealed plan.

use std::io::Read;
use std::os::fd::AsFd;
use std::process::ExitCode;

use sandbox::plan::SpawnerPlan;
use sandbox::spawner;
use sandbox::sys::{fd, socket};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hognose-spawner: cannot set up the spawner: {error}");
            ExitCode::from(71)
        }
    }
}

fn run() -> std::io::Result<()> {
    // Whatever the supervisor's own parent left open must reach nobody.
    fd::close_from(3)?;
    let supervisor = fd::duplicate_above(fd::adopt(0)?.as_fd(), 3)?;
    let mut plan = Vec::new();
    std::fs::File::from(fd::adopt(1)?).read_to_end(&mut plan)?;
    // Nothing that is received may get a number that the launcher is going to give away.
    for number in [0, 1] {
        let null = fd::open_at(None, c"/dev/null", libc::O_RDWR, 0)?;
        fd::move_to(fd::duplicate_above(null.as_fd(), 4)?, number)?;
    }
    // The lock of the block: held until this process is gone, and with it all that it has made.
    let first = socket::receive(supervisor.as_fd(), &mut [0])?;
    let _lock = first.ok_or(std::io::ErrorKind::BrokenPipe)?.take()?;
    spawner::serve(SpawnerPlan::decode(&plan)?, supervisor)
}
