//! The launcher: builds a zygote's root and becomes the zygote.
//!
//! Runs in a fresh fork of the single-threaded spawner with new mount, net, ipc and uts
//! namespaces, so it may allocate. After `execve` nothing of the host but the bound trees is
//! reachable: the old root is detached, every bind is read-only, and only descriptors 0-3 remain.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use crate::plan::{LaunchPlan, MountStep, Privilege, c_string};
use crate::sys::mount::{self, flag};
use crate::sys::{fd, identity, process};

/// Namespaces of a zygote.
pub const NAMESPACES: i32 =
    libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// What stays in the zygote's bounding set: what confining a child needs, no more.
const KEPT_CAPABILITIES: u64 = {
    use identity::capability::{CHOWN, SETGID, SETPCAP, SETUID, SYS_ADMIN};
    1 << CHOWN | 1 << SETGID | 1 << SETUID | 1 << SETPCAP | 1 << SYS_ADMIN
};

/// The environment of a launch whose plan leaves it open.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'a> {
    /// The folder of environments.
    pub folder: &'a str,
    /// The name in it, whose hexadecimal digits are a path that can climb nowhere.
    pub digest: &'a [u8; 32],
}

impl Chosen<'_> {
    /// Opens it. Neither it nor the folder may be a link: only what stands there is shown.
    fn open(self) -> io::Result<OwnedFd> {
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let folder = fd::open_at(None, &c_string(self.folder)?, flags, 0)?;
        let digits: String = self.digest.iter().map(|b| format!("{b:02x}")).collect();
        let resolve = libc::RESOLVE_BENEATH
            | libc::RESOLVE_NO_SYMLINKS
            | libc::RESOLVE_NO_MAGICLINKS
            | libc::RESOLVE_NO_XDEV;
        fd::open_beneath(folder.as_fd(), &c_string(&digits)?, flags, resolve)
    }
}

/// Builds the root and executes the zygote; never returns.
///
/// `control` becomes descriptor 3. Failures are one line on `errors`, then exit status 71.
pub fn run(plan: &LaunchPlan, chosen: &Chosen<'_>, control: OwnedFd, errors: OwnedFd) -> ! {
    let Err(failed) = become_zygote(plan, chosen, control, &errors);
    let _ = fd::write_all(errors.as_fd(), format!("hognose: {failed}\n").as_bytes());
    process::exit(71)
}

/// A step of the launch that failed.
struct LaunchError {
    step: String,
    source: io::Error,
}

impl std::fmt::Display for LaunchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot {}: {}", self.step, self.source)
    }
}

fn step<T>(what: impl Into<String>, result: io::Result<T>) -> Result<T, LaunchError> {
    result.map_err(|source| LaunchError {
        step: what.into(),
        source,
    })
}

fn become_zygote(
    plan: &LaunchPlan,
    chosen: &Chosen<'_>,
    control: OwnedFd,
    errors: &OwnedFd,
) -> Result<std::convert::Infallible, LaunchError> {
    process::set_umask(0);
    step(
        "make mounts private",
        mount::mount(None, c"/", None, flag::RECURSIVE | flag::PRIVATE, None),
    )?;
    let staging = step("name the staging folder", c_string(&plan.staging))?;
    let guarded = flag::NO_SUID | flag::NO_DEVICES;
    // Device binds carry their own flags; the root itself holds none.
    let options = Some(c"size=64m,nr_inodes=4096,mode=0755");
    step(
        "mount the root",
        mount::mount(Some(c"root"), &staging, Some(c"tmpfs"), guarded, options),
    )?;
    for mount_step in &plan.steps {
        step(
            format!("prepare `{}` in the root", mount_step.path()),
            build(mount_step, &plan.staging, chosen),
        )?;
    }
    step("enter the root", enter_root(&staging))?;
    step("name the host", process::set_hostname(b"sandbox"))?;
    let (control, errors) = step("arrange descriptors", arrange(control, errors))?;
    drop((control, errors));
    step("start a session", process::new_session())?;
    step(
        "shrink the bounding set",
        identity::shrink_bounding_set(KEPT_CAPABILITIES),
    )?;
    if plan.privilege == Privilege::User {
        // Only root's capabilities survive an exec by themselves.
        step(
            "keep capabilities",
            identity::keep_across_exec(KEPT_CAPABILITIES),
        )?;
    }
    // A zygote that is still importing does not look at its socket: it must not outlive us.
    step("follow the supervisor", process::die_with_parent())?;
    step("set no-new-privileges", process::no_new_privileges())?;
    step("forbid core files", process::limit(libc::RLIMIT_CORE, 0, 0))?;
    // Rust ignores SIGPIPE at its start; the interpreter decides for itself.
    process::default_signal(libc::SIGPIPE);
    process::set_umask(0o022);
    let arguments = step("read the arguments", strings(&plan.arguments))?;
    let environment = step("read the environment", strings(&plan.environment))?;
    let Some(program) = arguments.first() else {
        return Err(LaunchError {
            step: "read the arguments".into(),
            source: io::ErrorKind::InvalidInput.into(),
        });
    };
    let source = process::execute(program, &pointers(&arguments), &pointers(&environment));
    Err(LaunchError {
        step: format!("execute {}", plan.arguments[0]),
        source,
    })
}

fn strings(texts: &[String]) -> io::Result<Vec<std::ffi::CString>> {
    texts.iter().map(|text| c_string(text)).collect()
}

fn pointers(texts: &[std::ffi::CString]) -> Vec<*const libc::c_char> {
    texts
        .iter()
        .map(|text| text.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

/// 0 is `/dev/null`, 1 and 2 the error pipe, 3 the control socket; all others are closed.
fn arrange(control: OwnedFd, errors: &OwnedFd) -> io::Result<(OwnedFd, OwnedFd)> {
    let null = fd::open_at(None, c"/dev/null", libc::O_RDWR, 0)?;
    let null = fd::duplicate_above(null.as_fd(), 64)?;
    let high_control = fd::duplicate_above(control.as_fd(), 64)?;
    let high_errors = fd::duplicate_above(errors.as_fd(), 64)?;
    let spare = fd::duplicate_above(errors.as_fd(), 64)?;
    fd::move_to(null, 0)?;
    fd::move_to(spare, 1)?;
    fd::move_to(fd::duplicate_above(high_errors.as_fd(), 64)?, 2)?;
    fd::move_to(fd::duplicate_above(high_control.as_fd(), 64)?, 3)?;
    // The callers' descriptors have numbers from 4 on; ours above are close-on-exec.
    drop(control);
    Ok((high_control, high_errors))
}

fn build(step: &MountStep, root: &str, chosen: &Chosen<'_>) -> io::Result<()> {
    let place = format!("{root}{}", step.path());
    let target = c_string(&place)?;
    match step {
        MountStep::Directory { mode, .. } => mount::make_directory(&target, *mode),
        MountStep::Symlink { target: to, .. } => std::os::unix::fs::symlink(to, &place),
        MountStep::File { content, mode, .. } => write_file(&place, content, *mode),
        MountStep::Copy { source, mode, .. } => write_file(&place, &std::fs::read(source)?, *mode),
        MountStep::Bind { source, .. } => {
            if std::fs::metadata(source)?.is_dir() {
                mount::make_directory(&target, 0o755)?;
            } else {
                write_file(&place, b"", 0o444)?;
            }
            bind(
                source,
                &target,
                flag::READ_ONLY | flag::NO_SUID | flag::NO_DEVICES,
            )
        }
        MountStep::Overlay { source, .. } => {
            mount::make_directory(&target, 0o755)?;
            overlay(&open_layer(source)?, root, &target)
        }
        MountStep::Environment { .. } => {
            mount::make_directory(&target, 0o755)?;
            overlay(&chosen.open()?, root, &target)
        }
        MountStep::Device { source, .. } => {
            write_file(&place, b"", 0o666)?;
            // Read-only keeps a guest from its times and mode; writing through it needs no more.
            bind(
                source,
                &target,
                flag::READ_ONLY | flag::NO_SUID | flag::NO_EXEC,
            )
        }
        MountStep::Tmpfs { bytes, .. } => {
            let options = c_string(&format!("size={bytes},nr_inodes=1024,mode=0755"))?;
            let flags = flag::NO_SUID | flag::NO_DEVICES | flag::NO_EXEC;
            mount::mount(
                Some(c"tmpfs"),
                &target,
                Some(c"tmpfs"),
                flags,
                Some(&options),
            )
        }
        MountStep::Proc { .. } => {
            let flags = flag::NO_SUID | flag::NO_DEVICES | flag::NO_EXEC;
            // An ordinary user may mount a fresh proc only with a pid namespace of his own; the
            // host's is bound until the child covers it.
            mount::mount(Some(c"proc"), &target, Some(c"proc"), flags, None).or_else(|_| {
                mount::mount(
                    Some(c"/proc"),
                    &target,
                    None,
                    flag::BIND | flag::RECURSIVE,
                    None,
                )
            })
        }
    }
}

fn write_file(place: &str, content: &[u8], mode: u32) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(place)?;
    file.write_all(content)
}

/// Binds a host path; a rootless remount must repeat the flags the host's mount is locked with.
fn bind(source: &str, target: &std::ffi::CStr, flags: u64) -> io::Result<()> {
    mount::mount(Some(&c_string(source)?), target, None, flag::BIND, None)?;
    let locked = mount::flags_of(target)?;
    mount::mount(
        None,
        target,
        None,
        flag::BIND | flag::REMOUNT | flags | locked,
        None,
    )
}

/// Shows a host directory through a read-only overlay whose options name no host path: both layers
/// are given by descriptor. Where overlays are refused it is bound instead.
///
/// The second, empty layer is there because an overlay without an upper one needs two.
fn overlay(source: &OwnedFd, root: &str, target: &std::ffi::CStr) -> io::Result<()> {
    let flags = flag::READ_ONLY | flag::NO_SUID | flag::NO_DEVICES;
    let empty = open_layer(&format!("{root}/mnt"))?;
    let link = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let options = c_string(&format!("lowerdir={}:{}", link(source), link(&empty)))?;
    let overlay = Some(c"overlay");
    mount::mount(overlay, target, overlay, flags, Some(&options))
        .or_else(|_| bind(&link(source), target, flags))
}

fn open_layer(path: &str) -> io::Result<OwnedFd> {
    fd::open_at(None, &c_string(path)?, libc::O_PATH | libc::O_DIRECTORY, 0)
}

/// Makes the staging folder the root, detaches the old one and makes the new one read-only.
fn enter_root(staging: &std::ffi::CStr) -> io::Result<()> {
    mount::change_directory(staging)?;
    mount::pivot_here()?;
    mount::detach(c".")?;
    mount::change_directory(c"/")?;
    let flags = flag::REMOUNT | flag::BIND | flag::READ_ONLY | flag::NO_SUID | flag::NO_DEVICES;
    mount::mount(None, c"/", None, flags, None)
}
