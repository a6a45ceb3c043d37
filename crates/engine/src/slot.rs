//! A slot: a uid and pooled cgroups, armed before an execution and read after it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sandbox::control::CgroupFile;
use sandbox::sys::fd;

use crate::limits::Limits;
use crate::spawner::NewSlot;

/// Memory a dead execution may leave charged (page cache) before its slot is emptied first.
const DIRTY_BYTES: u64 = 8 << 20;

/// How long a killed tree that gives way may take to die before it gives way no longer.
pub(crate) const DYING: Duration = Duration::from_millis(250);
/// The same for what takes a few milliseconds: a child that is made ahead, a sandbox that is swept.
pub(crate) const BRIEF: Duration = Duration::from_millis(20);

/// Processes of ours beside a program's own: the holder of its memory (`sandbox::confine`).
const HOLDERS: u64 = 1;

/// One slot of the pool.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) index: u32,
    pub(crate) uid: u32,
    files: [Option<OwnedFd>; CgroupFile::ALL.len()],
    base: Counters,
    /// Memory and process limits in force.
    armed: Option<(u64, u32)>,
    /// Whether it gives way to everybody else.
    gives_way: AtomicBool,
}

/// What a slot's counters say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// CPU time of the tree.
    pub(crate) cpu: Duration,
    /// Largest charge of the tree.
    pub(crate) memory_peak_bytes: u64,
    /// Processes the kernel killed for memory.
    pub(crate) oom_kills: u64,
    /// Forks refused by the pids limit.
    pub(crate) refused_forks: u64,
}

impl Slot {
    pub(crate) fn new(made: NewSlot) -> Self {
        let mut files = [const { None }; CgroupFile::ALL.len()];
        for (file, descriptor) in made.files {
            files[file as usize] = Some(descriptor);
        }
        Self {
            index: made.index,
            uid: made.uid,
            files,
            base: Counters::default(),
            armed: None,
            gives_way: AtomicBool::new(false),
        }
    }

    /// Uid of the holder of its child's memory, init's: the first of the block, before all slots.
    /// 0 for no holder: nobody could tell that it alone is left, or there is only one uid.
    pub(crate) fn holder_uid(&self) -> u32 {
        if self.has_cgroups() && self.uid > 0 {
            self.uid - self.index - 1
        } else {
            0
        }
    }

    /// Whether cgroups bound the whole tree here.
    pub(crate) fn has_cgroups(&self) -> bool {
        self.file(CgroupFile::MemoryLimit).is_some()
    }

    fn file(&self, file: CgroupFile) -> Option<BorrowedFd<'_>> {
        self.files[file as usize].as_ref().map(AsFd::as_fd)
    }

    /// What a child writes itself to, to join its cgroups.
    pub(crate) fn procs(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [
            CgroupFile::ProcsMemory,
            CgroupFile::ProcsPids,
            CgroupFile::ProcsCpuacct,
            CgroupFile::ProcsCpu,
        ]
        .into_iter()
        .filter_map(|file| self.file(file))
    }

    fn write(&self, file: CgroupFile, value: u64) -> io::Result<()> {
        self.file(file).map_or(Ok(()), |fd| {
            fd::write_at_start(fd, value.to_string().as_bytes())
        })
    }

    fn number(&self, file: CgroupFile) -> Option<u64> {
        self.read(file).trim().parse().ok()
    }

    fn read(&self, file: CgroupFile) -> String {
        let mut buffer = [0; 1024];
        let count = self
            .file(file)
            .and_then(|fd| fd::read_at_start(fd, &mut buffer).ok())
            .unwrap_or(0);
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }

    /// Writes the limits. Must be done before a child joins.
    pub(crate) fn arm(&mut self, limits: &Limits) -> io::Result<()> {
        let wanted = (limits.memory_bytes, limits.processes);
        if self.armed != Some(wanted) {
            self.armed = None;
            self.limit_memory(limits.memory_bytes)?;
            self.write(CgroupFile::PidsLimit, u64::from(limits.processes) + HOLDERS)?;
            self.armed = Some(wanted);
        }
        self.stop_giving_way();
        // v1 keeps the peak of the slot's last user; v2 cannot set it back.
        let _ = self.write(CgroupFile::MemoryPeak, 0);
        Ok(())
    }

    fn limit_memory(&self, bytes: u64) -> io::Result<()> {
        // With swap accounting the joint limit may never be below the plain one, whichever of the
        // two moves first.
        if self.write(CgroupFile::MemoryLimit, bytes).is_err() {
            self.write(CgroupFile::SwapLimit, bytes)?;
            self.write(CgroupFile::MemoryLimit, bytes)?;
        }
        let is_v2 = self.file(CgroupFile::Kill).is_some();
        self.write(CgroupFile::SwapLimit, if is_v2 { 0 } else { bytes })
    }

    /// Puts the limits of a lease in force.
    pub(crate) fn lease(&mut self, limits: &Limits) -> io::Result<()> {
        if self.armed == Some((limits.memory_bytes, limits.processes)) {
            return Ok(());
        }
        self.arm(limits)
    }

    /// Remembers the counters, once its child waits: what happens from here on is the program's.
    pub(crate) fn begin(&mut self) {
        self.base = Counters::default();
        self.base = Counters {
            memory_peak_bytes: 0,
            ..self.counters()
        };
    }

    /// Makes its tree give way to every other on the host.
    pub(crate) fn give_way(&self) {
        // A kernel without it shares the processors evenly; no bound depends on it.
        let _ = self.write(CgroupFile::CpuIdle, 1);
        self.gives_way.store(true, Ordering::Relaxed);
    }

    /// Ends that: a killed tree needs the processors to die, and on a busy host might never get them.
    pub(crate) fn stop_giving_way(&self) {
        if self.gives_way.swap(false, Ordering::Relaxed) {
            let _ = self.write(CgroupFile::CpuIdle, 0);
        }
    }

    /// Waits for what its processes do while they give way: if that takes long, they give way no
    /// longer. On a busy host they might never end, and meanwhile hold locks of the kernel.
    pub(crate) async fn giving_way_for<T>(
        &self,
        patience: Duration,
        work: impl Future<Output = T>,
    ) -> T {
        tokio::pin!(work);
        match tokio::time::timeout(patience, &mut work).await {
            Ok(done) => done,
            Err(_) => {
                self.stop_giving_way();
                work.await
            }
        }
    }

    pub(crate) fn gives_way(&self) -> bool {
        self.gives_way.load(Ordering::Relaxed)
    }

    /// What has happened since `begin`.
    pub(crate) fn counters(&self) -> Counters {
        Counters {
            cpu: self.cpu(),
            memory_peak_bytes: self.number(CgroupFile::MemoryPeak).unwrap_or(0),
            oom_kills: field(&self.read(CgroupFile::OomEvents), "oom_kill")
                .saturating_sub(self.base.oom_kills),
            refused_forks: self.refused_forks(),
        }
    }

    /// Forks refused by the pids limit since `begin`.
    pub(crate) fn refused_forks(&self) -> u64 {
        field(&self.read(CgroupFile::PidsEvents), "max").saturating_sub(self.base.refused_forks)
    }

    /// CPU time of the tree since `begin`.
    pub(crate) fn cpu(&self) -> Duration {
        let text = self.read(CgroupFile::CpuUsage);
        let used = match text.trim().parse() {
            Ok(nanos) => Duration::from_nanos(nanos),
            Err(_) => Duration::from_micros(field(&text, "usage_usec")),
        };
        used.saturating_sub(self.base.cpu)
    }

    /// Whether no process of a program whose first one has ended is left in it. The one that may
    /// be left is the holder of its memory; false where nothing counts them.
    pub(crate) fn is_deserted(&self) -> bool {
        self.number(CgroupFile::PidsUsage)
            .is_some_and(|count| count <= HOLDERS)
    }

    /// Memory charged to it now; `None` where nothing counts it.
    pub(crate) fn memory_bytes(&self) -> Option<u64> {
        self.number(CgroupFile::MemoryUsage)
    }

    /// Whether the next execution may use it: no memory of the last one is still charged.
    pub(crate) fn is_clean(&self) -> bool {
        self.memory_bytes().unwrap_or(0) <= DIRTY_BYTES
    }

    /// Gives back memory that a dead execution left charged. Takes up to tens of milliseconds.
    pub(crate) fn empty(&self) {
        let _ = self.write(CgroupFile::MemoryReclaim, 0);
    }
}

/// The number behind `name` in a file of `name number` lines; 0 where there is none.
fn field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| {
            line.strip_prefix(name)?
                .strip_prefix(' ')?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot_with(contents: &[(CgroupFile, &str)]) -> Slot {
        let files = contents
            .iter()
            .map(|(file, content)| {
                let mut named = tempfile::tempfile().unwrap();
                io::Write::write_all(&mut named, content.as_bytes()).unwrap();
                (*file, OwnedFd::from(named))
            })
            .collect();
        Slot::new(NewSlot {
            index: 0,
            uid: 1,
            files,
        })
    }

    #[test]
    fn v1_and_v2_files_are_read_alike() {
        let v1 = slot_with(&[
            (CgroupFile::CpuUsage, "2500000\n"),
            (CgroupFile::MemoryPeak, "77\n"),
            (
                CgroupFile::OomEvents,
                "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
            ),
            (CgroupFile::PidsEvents, "max 4\n"),
        ]);
        let v2 = slot_with(&[
            (CgroupFile::CpuUsage, "usage_usec 2500\nuser_usec 1\n"),
            (CgroupFile::MemoryPeak, "77\n"),
            (CgroupFile::OomEvents, "low 0\noom 9\noom_kill 3\n"),
            (CgroupFile::PidsEvents, "max 4\n"),
        ]);
        let expected = Counters {
            cpu: Duration::from_micros(2500),
            memory_peak_bytes: 77,
            oom_kills: 3,
            refused_forks: 4,
        };
        assert_eq!((v1.counters(), v2.counters()), (expected, expected));
    }

    #[test]
    fn a_slot_without_cgroups_measures_nothing_and_fails_nothing() {
        let mut slot = slot_with(&[]);
        slot.arm(&Limits::default()).unwrap();
        assert!(!slot.has_cgroups() && slot.is_clean());
        assert_eq!(slot.counters(), Counters::default());
    }
}
