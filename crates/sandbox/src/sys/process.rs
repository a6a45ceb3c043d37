//! Processes: clone3, exec, wait, session, namespaces, rlimits and seccomp.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use super::{check, check_long};

/// Which side of a `fork` we are.
#[derive(Debug)]
pub enum Forked {
    /// In the new process.
    Child,
    /// In the caller: the new process, as a number in the caller's pid namespace and as a pidfd.
    Parent {
        /// Process id.
        pid: i32,
        /// Readable once it has ended.
        pidfd: OwnedFd,
    },
}

/// How `fork_with` makes the new process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ForkOptions {
    /// `CLONE_NEW…` bits.
    pub namespaces: i32,
    /// The new process becomes the caller's sibling, so that the caller's parent reaps it.
    pub sibling: bool,
    /// Where the kernel keeps glibc's cached thread id of the new process right; 0 for nowhere.
    pub tid_address: u64,
}

/// Forks by `clone3`. In the child nothing of glibc's own `fork` has run.
///
/// Errors: as clone3(2). The caller must have one thread, or the child may call only
/// async-signal-safe functions. Source: clone3(2).
pub fn fork_with(options: ForkOptions) -> io::Result<Forked> {
    let mut pidfd: RawFd = -1;
    // SAFETY: `clone_args` is plain integers; all zeroes asks for nothing.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    let mut flags = options.namespaces | libc::CLONE_PIDFD;
    if options.sibling {
        // The exit signal of a sibling is the caller's own and must be given as 0.
        flags |= libc::CLONE_PARENT;
    } else {
        arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    }
    if options.tid_address != 0 {
        flags |= libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID;
        arguments.child_tid = options.tid_address;
    }
    arguments.flags = u64::from(flags.cast_unsigned());
    arguments.pidfd = (&raw mut pidfd).addr() as u64;
    // SAFETY: the arguments are initialised and sized; no stack is given, so this is a fork and
    // the child continues on its own copy of this stack.
    let pid = check_long(unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of::<libc::clone_args>(),
        )
    })?;
    if pid == 0 {
        return Ok(Forked::Child);
    }
    let pid = i32::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))?;
    // SAFETY: the kernel has just written this descriptor for us.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Forked::Parent { pid, pidfd })
}

/// Address of glibc's cached thread id of this thread. Source: PR_GET_TID_ADDRESS(2const).
pub fn tid_address() -> io::Result<u64> {
    let mut address: u64 = 0;
    // SAFETY: the kernel writes one pointer-sized value.
    check(unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut address, 0, 0, 0) })?;
    Ok(address)
}

/// A pidfd of an unreaped child. Source: pidfd_open(2).
pub fn pidfd_of(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes integers.
    let fd = check_long(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    let fd = RawFd::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the kernel has just made it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends a signal through a pidfd. Source: pidfd_send_signal(2).
pub fn signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: takes integers and a null siginfo, which means an ordinary kill.
    check_long(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    })?;
    Ok(())
}

/// How a child ended, from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaped {
    /// Exit status, when it left by `_exit`.
    pub exited: Option<i32>,
    /// Signal number, when one killed it.
    pub signaled: Option<i32>,
    /// User and system time of it and of the children it waited for. Unit: microseconds.
    pub cpu_us: u64,
    /// Largest resident set of a single process. Unit: bytes.
    pub max_rss_bytes: u64,
}

/// Reaps a child through its pidfd; `None` while it is alive. Source: waitid(2).
pub fn reap(pidfd: BorrowedFd<'_>) -> io::Result<Option<Reaped>> {
    wait(libc::P_PIDFD, pidfd.as_raw_fd(), 0)
}

/// How a child ended, which stays to be reaped; `None` while it is alive.
/// Source: waitid(2), `WNOWAIT`.
pub fn peek(pidfd: BorrowedFd<'_>) -> io::Result<Option<Reaped>> {
    wait(libc::P_PIDFD, pidfd.as_raw_fd(), libc::WNOWAIT)
}

/// Reaps any child that has ended; whether there was one. Source: waitid(2).
pub fn reap_any() -> bool {
    matches!(wait(libc::P_ALL, 0, 0), Ok(Some(_)))
}

fn wait(which: libc::idtype_t, id: i32, flags: i32) -> io::Result<Option<Reaped>> {
    // SAFETY: both are plain data that the kernel fills.
    let (mut info, mut usage): (libc::siginfo_t, libc::rusage) = unsafe { std::mem::zeroed() };
    // SAFETY: the raw call takes the rusage pointer that the libc wrapper hides.
    check_long(unsafe {
        libc::syscall(
            libc::SYS_waitid,
            which,
            id,
            &raw mut info,
            libc::WEXITED | libc::WNOHANG | flags,
            &raw mut usage,
        )
    })?;
    // SAFETY: waitid fills these fields of the union, or leaves zeroes when nothing ended.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    let exited = (info.si_code == libc::CLD_EXITED).then_some(status);
    let micros = |t: libc::timeval| u64::try_from(t.tv_sec * 1_000_000 + t.tv_usec).unwrap_or(0);
    Ok(Some(Reaped {
        exited,
        signaled: exited.is_none().then_some(status),
        cpu_us: micros(usage.ru_utime) + micros(usage.ru_stime),
        max_rss_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    }))
}

/// CPU time that the threads of a process have used so far, its children's not counted.
/// Source: clock_getcpuclockid(3), clock_gettime(2).
pub fn cpu_time(pid: i32) -> io::Result<Duration> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the library writes one clock id.
    let errno = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if errno != 0 {
        return Err(io::Error::from_raw_os_error(errno));
    }
    // SAFETY: plain data that the kernel fills.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: takes an integer and the address of that.
    check(unsafe { libc::clock_gettime(clock, &raw mut time) })?;
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Ok(Duration::new(
        seconds,
        u32::try_from(time.tv_nsec).unwrap_or(0),
    ))
}

/// Leaves at once, running nothing.
pub fn exit(status: i32) -> ! {
    // SAFETY: _exit never returns and touches nothing of ours.
    unsafe { libc::_exit(status) }
}

/// Replaces this process. `arguments` and `environment` end with a null pointer.
///
/// Errors: always, when it returns. Source: execve(2).
pub fn execute(
    path: &CStr,
    arguments: &[*const libc::c_char],
    environment: &[*const libc::c_char],
) -> io::Error {
    if arguments.last().is_none_or(|p| !p.is_null())
        || environment.last().is_none_or(|p| !p.is_null())
    {
        return io::Error::from_raw_os_error(libc::EINVAL);
    }
    // SAFETY: both lists are null-terminated (checked) and their strings outlive the call.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Moves this process into new namespaces. Source: unshare(2).
pub fn unshare(namespaces: i32) -> io::Result<()> {
    // SAFETY: takes an integer.
    check(unsafe { libc::unshare(namespaces) })?;
    Ok(())
}

/// Enters the namespace behind `fd` (for a pid namespace: the next children do). Source: setns(2).
pub fn enter(fd: BorrowedFd<'_>, kind: i32) -> io::Result<()> {
    // SAFETY: takes integers.
    check(unsafe { libc::setns(fd.as_raw_fd(), kind) })?;
    Ok(())
}

/// Own session and process group, no controlling terminal. Source: setsid(2).
pub fn new_session() -> io::Result<()> {
    // SAFETY: takes nothing.
    check(unsafe { libc::setsid() })?;
    Ok(())
}

/// Names the host of this uts namespace. Source: sethostname(2).
pub fn set_hostname(name: &[u8]) -> io::Result<()> {
    // SAFETY: the kernel reads `len` bytes from `name`.
    check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) })?;
    Ok(())
}

/// No exec below this process gains privileges. Irreversible. Source: PR_SET_NO_NEW_PRIVS(2const).
pub fn no_new_privileges() -> io::Result<()> {
    // SAFETY: takes integers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    Ok(())
}

/// Whether others of this uid may look into this process. Source: PR_SET_DUMPABLE(2const).
pub fn set_dumpable(yes: bool) -> io::Result<()> {
    // SAFETY: takes integers.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, libc::c_ulong::from(yes), 0, 0, 0) })?;
    Ok(())
}

/// Dies when the thread that is its parent ends. Cleared by a change of uid or a gain of
/// capabilities. Source: PR_SET_PDEATHSIG(2const).
pub fn die_with_parent() -> io::Result<()> {
    // SAFETY: takes integers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) })?;
    Ok(())
}

/// Has a program die when the thread that starts it ends, so also when this process is killed.
///
/// That thread has to wait for it: one that ends earlier takes the program with it.
/// Source: PR_SET_PDEATHSIG(2const).
pub fn die_with_caller(command: &mut Command) {
    let caller = std::process::id().cast_signed();
    let follow = move || {
        die_with_parent()?;
        // SAFETY: takes nothing and cannot fail.
        if unsafe { libc::getppid() } == caller {
            return Ok(());
        }
        // The caller ended before it was watched.
        Err(io::Error::from_raw_os_error(libc::ESRCH))
    };
    // SAFETY: two system calls; the error is a number, so nothing is allocated or locked.
    unsafe { command.pre_exec(follow) };
}

/// The name in `/proc/PID/comm`; at most 15 bytes count.
pub fn set_name(name: &CStr) -> io::Result<()> {
    // SAFETY: NUL-terminated and outlives the call.
    check(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) })?;
    Ok(())
}

/// A descriptor, close-on-exec, with something to read whenever a child has ended; SIGCHLD itself is
/// blocked. Source: signalfd(2).
pub fn watch_children() -> io::Result<OwnedFd> {
    // SAFETY: signal sets are plain data that the calls fill.
    let mut ends: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `ends` outlives the calls; the old mask is not asked for.
    unsafe {
        check(libc::sigemptyset(&raw mut ends))?;
        check(libc::sigaddset(&raw mut ends, libc::SIGCHLD))?;
        check(libc::sigprocmask(
            libc::SIG_BLOCK,
            &raw const ends,
            std::ptr::null_mut(),
        ))?;
    }
    // SAFETY: the kernel reads the set.
    let fd = check(unsafe { libc::signalfd(-1, &raw const ends, libc::SFD_CLOEXEC) })?;
    // SAFETY: the kernel has just made it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets a signal back to what the kernel does by default.
pub fn default_signal(signal: i32) {
    // SAFETY: SIG_DFL installs no handler of ours.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// Lets no signal interrupt this thread; returns what was blocked before. Source: sigprocmask(2).
pub fn block_signals() -> io::Result<libc::sigset_t> {
    // SAFETY: signal sets are plain data that the calls fill.
    let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { std::mem::zeroed() };
    // SAFETY: `all` outlives the call.
    check(unsafe { libc::sigfillset(&raw mut all) })?;
    // SAFETY: both sets outlive the call.
    check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const all, &raw mut before) })?;
    Ok(before)
}

/// Blocks these signals and no others.
pub fn restore_signals(blocked: &libc::sigset_t) -> io::Result<()> {
    // SAFETY: the set outlives the call; the old one is not asked for.
    check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, blocked, std::ptr::null_mut()) })?;
    Ok(())
}

/// New files get mode 0755 or 0644.
pub fn set_umask(mask: u32) {
    // SAFETY: cannot fail.
    unsafe { libc::umask(mask) };
}

/// Soft and hard bound of a resource. Source: setrlimit(2).
pub fn limit(resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let bound = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: `bound` is initialised and outlives the call; the kernel only reads it.
    check(unsafe { libc::setrlimit(resource, &raw const bound) })?;
    Ok(())
}

/// The present bounds of a resource: (soft, hard).
pub fn limits_of(resource: u32) -> io::Result<(u64, u64)> {
    let mut bound = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel writes one rlimit.
    check(unsafe { libc::getrlimit(resource, &raw mut bound) })?;
    Ok((bound.rlim_cur, bound.rlim_max))
}

/// Installs a seccomp filter for this process and what it starts. Irreversible.
///
/// Shape: `program` is an array of 8-byte `sock_filter`s, native endian, at most 4096.
/// Errors: `EINVAL` for another shape. Source: seccomp(2).
pub fn install_filter(program: &[u8]) -> io::Result<()> {
    set_filter(program, 0).map(drop)
}

/// The same for a filter that announces calls; they wait until somebody answers on the descriptor
/// returned, close-on-exec, and do not exist (`ENOSYS`) once all its copies are closed.
///
/// Errors: `EBUSY` below somebody else's filter with a listener. Source: seccomp_unotify(2).
pub fn install_announcing_filter(program: &[u8]) -> io::Result<OwnedFd> {
    let announcing = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // With it a signal handler cannot interrupt a call that is being answered. Since Linux 5.19.
    let killable = libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let fd = match set_filter(program, announcing | killable) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            set_filter(program, announcing)?
        }
        other => other?,
    };
    let fd = RawFd::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the kernel has just made it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn set_filter(program: &[u8], flags: libc::c_ulong) -> io::Result<libc::c_long> {
    let wanted = filter_program(program)?;
    // SAFETY: the kernel copies `len` instructions of 8 bytes, byte-wise and so without need of
    // alignment, and checks the program itself.
    check_long(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const wanted,
        )
    })
}

/// A filter as the kernel wants it given; it points into `program`. Errors: as `install_filter`.
pub(crate) fn filter_program(program: &[u8]) -> io::Result<libc::sock_fprog> {
    let count = program.len() / size_of::<libc::sock_filter>();
    let (Ok(len), true) = (
        u16::try_from(count),
        !program.is_empty() && program.len().is_multiple_of(8),
    ) else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    Ok(libc::sock_fprog {
        len,
        filter: program.as_ptr().cast_mut().cast(),
    })
}
