//! The spawner: the one process that keeps root's powers, and does seven things with them.
//!
//! Single-threaded. It takes fixed-size messages from the supervisor and accepts nothing but
//! indices into the plan it was started with, so a supervisor that is taken over cannot make it
//! run or own anything new. The one thing a plan may leave open is which folder of one known folder
//! appears as `/environment`: named by 32 bytes, read-only, and never run before confinement. When
//! the supervisor is gone it removes its cgroups and leaves.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use crate::collect::{self, Caps};
use crate::confine::INSIDE;
use crate::control::{CgroupFile, Plain, SpawnerReply, SpawnerRequest, spawner_call, step};
use crate::launch::Chosen;
use crate::plan::{CgroupParents, Privilege, SpawnerPlan, c_string};
use crate::sys::process::{ForkOptions, Forked};
use crate::sys::{self, fd, identity, process, socket};
use crate::{init, launch, sampler};

pub(crate) mod cgroup;

/// Serves until the supervisor closes its end.
///
/// Errors: the set-up failed; nothing was served.
pub fn serve(plan: SpawnerPlan, supervisor: OwnedFd) -> io::Result<()> {
    process::set_name(c"hognose-spawner")?;
    // Ctrl-C in a terminal reaches the whole group; only the supervisor decides when we leave.
    process::new_session()?;
    if plan.privilege == Privilege::User {
        enter_rootless()?;
    }
    let mut spawner = Spawner {
        taken: vec![false; plan.slots as usize],
        plan,
    };
    spawner.plan.cgroups = cgroup::prepare(&spawner.plan.cgroups, &spawner.plan.block)?;
    let mut request = SpawnerRequest::zeroed();
    while let Some(mut received) = socket::receive(supervisor.as_fd(), request.bytes_mut())? {
        let (reply, descriptors) = match spawner.handle(&request, &mut received) {
            Ok(done) => done,
            Err((step, error)) => {
                let errno = sys::errno_of(&error);
                (
                    SpawnerReply {
                        errno,
                        step,
                        ..SpawnerReply::zeroed()
                    },
                    Vec::new(),
                )
            }
        };
        let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        socket::send(supervisor.as_fd(), reply.bytes(), &borrowed)?;
    }
    spawner.clean_up();
    Ok(())
}

/// A user namespace in which everything after is ours, with our one uid as 1000: no id of it is 0,
/// in a guest's eyes either.
fn enter_rootless() -> io::Result<()> {
    let (uid, gid) = (identity::effective_uid(), identity::effective_gid());
    process::unshare(libc::CLONE_NEWUSER)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{INSIDE} {uid} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{INSIDE} {gid} 1"))
}

struct Spawner {
    plan: SpawnerPlan,
    taken: Vec<bool>,
}

/// The open control files of one slot.
type SlotFiles = Vec<(CgroupFile, OwnedFd)>;

type Answer = Result<(SpawnerReply, Vec<OwnedFd>), (u32, io::Error)>;

fn at<T>(step: u32, result: io::Result<T>) -> Result<T, (u32, io::Error)> {
    result.map_err(|error| (step, error))
}

fn refuse(step: u32, errno: i32) -> Answer {
    Err((step, io::Error::from_raw_os_error(errno)))
}

fn started(pid: i32, pidfd: OwnedFd) -> (SpawnerReply, Vec<OwnedFd>) {
    let reply = SpawnerReply {
        pid,
        ..SpawnerReply::zeroed()
    };
    (reply, vec![pidfd])
}

impl Spawner {
    fn handle(&mut self, request: &SpawnerRequest, received: &mut socket::Received) -> Answer {
        match request.call {
            spawner_call::LAUNCH => self.launch(request, received),
            spawner_call::INIT => self.init(received),
            spawner_call::SLOT => self.slot(),
            spawner_call::COLLECT => self.collect(request, received),
            spawner_call::KILL => {
                let zygote = at(step::MESSAGE, received.take())?;
                at(
                    step::MESSAGE,
                    process::signal(zygote.as_fd(), libc::SIGKILL),
                )?;
                Ok((SpawnerReply::zeroed(), Vec::new()))
            }
            spawner_call::RETIRE_SLOT => self.retire(request.argument),
            spawner_call::SAMPLER => self.sampler(received),
            _ => refuse(step::MESSAGE, libc::EINVAL),
        }
    }

    fn launch(&self, request: &SpawnerRequest, received: &mut socket::Received) -> Answer {
        let Some(plan) = self.plan.launches.get(request.argument as usize) else {
            return refuse(step::MESSAGE, libc::EINVAL);
        };
        let control = at(step::MESSAGE, received.take())?;
        let errors = at(step::MESSAGE, received.take())?;
        let options = ForkOptions {
            namespaces: launch::NAMESPACES,
            sibling: true,
            ..ForkOptions::default()
        };
        match at(step::FORK, process::fork_with(options))? {
            Forked::Child => {
                let chosen = Chosen {
                    folder: &self.plan.environments,
                    digest: &request.environment,
                };
                launch::run(plan, &chosen, control, errors)
            }
            Forked::Parent { pid, pidfd } => Ok(started(pid, pidfd)),
        }
    }

    fn init(&self, received: &mut socket::Received) -> Answer {
        let lifeline = at(step::MESSAGE, received.take())?;
        let (waits, goes) = at(step::FORK, fd::pipe())?;
        let uid = (self.plan.privilege == Privilege::Root).then_some(self.plan.first_uid);
        let options = ForkOptions {
            namespaces: libc::CLONE_NEWPID,
            sibling: true,
            ..ForkOptions::default()
        };
        match at(step::FORK, process::fork_with(options))? {
            Forked::Child => {
                // Until its namespace has been opened it must stay what the spawner may look into.
                drop(goes);
                let _ = fd::read_exact(waits.as_fd(), &mut [0]);
                init::run(lifeline, uid)
            }
            Forked::Parent { pid, pidfd } => {
                let path = at(
                    step::PID_NAMESPACE,
                    c_string(&format!("/proc/{pid}/ns/pid")),
                )?;
                let namespace = at(
                    step::PID_NAMESPACE,
                    fd::open_at(None, &path, libc::O_RDONLY, 0),
                )?;
                at(step::PID_NAMESPACE, fd::write_all(goes.as_fd(), &[1]))?;
                Ok((
                    SpawnerReply {
                        pid,
                        ..SpawnerReply::zeroed()
                    },
                    vec![pidfd, namespace],
                ))
            }
        }
    }

    fn slot(&mut self) -> Answer {
        let (index, files) = self.free_slot()?;
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let mut present = 0;
        let mut descriptors = Vec::new();
        for (file, descriptor) in files {
            present |= CgroupFile::bit(file);
            descriptors.push(descriptor);
        }
        self.taken[index] = true;
        let uid = self.uid_of(number).unwrap_or(0);
        Ok((
            SpawnerReply {
                slot: number,
                uid,
                files: present,
                ..SpawnerReply::zeroed()
            },
            descriptors,
        ))
    }

    /// A slot nobody has, with its cgroups. One whose cgroups a dead server left, with processes
    /// that are still dying, is passed over.
    fn free_slot(&self) -> Result<(usize, SlotFiles), (u32, io::Error)> {
        let exists = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
        for index in (0..self.taken.len()).filter(|index| !self.taken[*index]) {
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            let created = match cgroup::create(&self.plan.cgroups, &self.plan.block, number) {
                Err(error) if exists(&error) => {
                    cgroup::remove(&self.plan.cgroups, &self.plan.block, number)
                        .and_then(|()| cgroup::create(&self.plan.cgroups, &self.plan.block, number))
                }
                other => other,
            };
            match created {
                Ok(files) => return Ok((index, files)),
                Err(error) if exists(&error) || error.raw_os_error() == Some(libc::EBUSY) => {}
                Err(error) => return Err((step::CGROUP_CREATE, error)),
            }
        }
        Err((step::SLOTS, io::Error::from_raw_os_error(libc::EAGAIN)))
    }

    /// The uid of a slot; `None` in the rootless tier, where there is one for all.
    fn uid_of(&self, slot: u32) -> Option<u32> {
        (self.plan.privilege == Privilege::Root).then_some(self.plan.first_uid + 1 + slot)
    }

    fn retire(&mut self, index: u32) -> Answer {
        if !self.taken.get(index as usize).is_some_and(|taken| *taken) {
            return refuse(step::SLOTS, libc::EINVAL);
        }
        // Only then is the slot free: a cgroup with a process in it would greet its next user.
        at(
            step::CGROUP_CREATE,
            cgroup::remove(&self.plan.cgroups, &self.plan.block, index),
        )?;
        self.taken[index as usize] = false;
        Ok((SpawnerReply::zeroed(), Vec::new()))
    }

    fn collect(&self, request: &SpawnerRequest, received: &mut socket::Received) -> Answer {
        let folder = at(step::MESSAGE, received.take())?;
        let stream = at(step::MESSAGE, received.take())?;
        let uid = match self.plan.privilege {
            Privilege::User => None,
            // Only uids of this server's own slots: a collector of any other could read the host.
            Privilege::Root => {
                let slot = request.argument.wrapping_sub(self.plan.first_uid + 1);
                if slot >= self.plan.slots {
                    return refuse(step::MESSAGE, libc::EPERM);
                }
                Some(request.argument)
            }
        };
        let caps = Caps {
            files: request.files,
            file_bytes: request.file_bytes,
        };
        let options = ForkOptions {
            sibling: true,
            ..ForkOptions::default()
        };
        match at(step::FORK, process::fork_with(options))? {
            Forked::Child => collect::run(folder, stream, uid, caps),
            Forked::Parent { pid, pidfd } => Ok(started(pid, pidfd)),
        }
    }

    fn sampler(&self, received: &mut socket::Received) -> Answer {
        let supervisor = at(step::MESSAGE, received.take())?;
        // Elsewhere the supervisor has cgroups, or may look for itself.
        if self.plan.privilege != Privilege::Root || self.plan.cgroups != CgroupParents::None {
            return refuse(step::MESSAGE, libc::EINVAL);
        }
        let options = ForkOptions {
            sibling: true,
            ..ForkOptions::default()
        };
        match at(step::FORK, process::fork_with(options))? {
            Forked::Child => sampler::run(supervisor, self.plan.first_uid),
            Forked::Parent { pid, pidfd } => Ok(started(pid, pidfd)),
        }
    }

    /// Removes this server's cgroups once their processes are gone; the inits have lost their
    /// lifelines with the supervisor and take them along.
    fn clean_up(&self) {
        for _ in 0..200 {
            if cgroup::remove_all(&self.plan.cgroups, &self.plan.block, self.plan.slots).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
