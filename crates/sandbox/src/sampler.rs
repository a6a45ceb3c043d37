//! The sampler: looks at trees that no cgroup bounds, for a supervisor that may not.
//!
//! In the tier `nested` guests have uids of their own, and the supervisor has given up root: the
//! kernel shows it their times, but not their memory. This process keeps the one capability that
//! shows both. It takes process ids and answers with sums, so a supervisor that is taken over
//! learns numbers from it and nothing else.
//!
//! It remembers what it saw of an execution until that one's init is reaped, and so holds no more
//! than there are inits and some that have just ended.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::control::{Plain, SampleReply, SampleRequest};
use crate::sample::times::Process;
use crate::sample::{History, Sample};
use crate::sys::{self, fd, identity, process, socket};

/// Runs in a fresh fork until the supervisor closes its end; never returns. `uid` is one that no
/// guest has.
pub fn run(supervisor: OwnedFd, uid: u32) -> ! {
    let status = i32::from(serve(&supervisor, uid).is_err());
    process::exit(status)
}

fn serve(supervisor: &OwnedFd, uid: u32) -> io::Result<()> {
    process::set_name(c"hognose-sampler")?;
    // Nothing of the spawner's may stay open, its socket and the block's lock least of all.
    let high = fd::duplicate_above(supervisor.as_fd(), 64)?;
    fd::move_to(high, 0)?;
    fd::close_from(1)?;
    let supervisor = fd::adopt(0)?;
    identity::keep_permitted_across_user_change()?;
    identity::become_user(uid, uid)?;
    identity::keep_capabilities(1 << identity::capability::SYS_PTRACE)?;
    process::no_new_privileges()?;
    process::set_dumpable(false)?;
    let mut request = SampleRequest::zeroed();
    let mut histories = Histories::default();
    while socket::receive(supervisor.as_fd(), request.bytes_mut())?.is_some() {
        let answer = answer(histories.look(request));
        socket::send(supervisor.as_fd(), answer.bytes(), &[])?;
    }
    Ok(())
}

/// What was seen of each execution, by its init.
#[derive(Debug, Default)]
struct Histories(BTreeMap<Process, History>);

impl Histories {
    fn look(&mut self, request: SampleRequest) -> io::Result<Sample> {
        let SampleRequest {
            first,
            init,
            memory_bytes,
        } = request;
        let Some(execution) = Process::of(init) else {
            // It is over: what is seen now is all that anybody will see.
            return History::default().look(first, init, memory_bytes);
        };
        if !self.0.contains_key(&execution) {
            self.0.retain(|init, _| init.is_there());
        }
        let history = self.0.entry(execution).or_default();
        history.look(first, init, memory_bytes)
    }
}

fn answer(seen: io::Result<Sample>) -> SampleReply {
    match seen {
        Ok(sample) => SampleReply {
            memory_bytes: sample.memory_bytes,
            cpu_us: u64::try_from(sample.cpu.as_micros()).unwrap_or(u64::MAX),
            ..SampleReply::zeroed()
        },
        Err(error) => SampleReply {
            errno: sys::errno_of(&error),
            ..SampleReply::zeroed()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(histories: &Histories) -> Vec<Process> {
        histories.0.keys().copied().collect()
    }

    #[test]
    fn an_execution_is_remembered_until_its_init_is_gone() {
        let own = i32::try_from(std::process::id()).unwrap();
        let request = |init| SampleRequest {
            first: own,
            init,
            memory_bytes: u64::MAX,
        };
        let (this, parent) = (
            Process::of(own).unwrap(),
            std::os::unix::process::parent_id(),
        );
        let parent = i32::try_from(parent).unwrap();
        let mut histories = Histories::default();
        assert!(histories.look(request(own)).unwrap().memory_bytes > 0);
        assert_eq!(known(&histories), [this]);
        histories.look(request(i32::MAX)).unwrap();
        assert_eq!(known(&histories), [this], "one that is over is not kept");
        // Whose number came again has ended.
        histories.0.insert(this.predecessor(), History::default());
        histories.look(request(own)).unwrap();
        assert_eq!(known(&histories), [this.predecessor(), this]);
        histories.look(request(parent)).unwrap();
        let mut both = [this, Process::of(parent).unwrap()];
        both.sort();
        assert_eq!(known(&histories), both);
    }
}
