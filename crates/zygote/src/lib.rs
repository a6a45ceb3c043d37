//! Loaded into CPython by `guest/zygote.py` through `ctypes.PyDLL`: the native fork loop.
//!
//! Called in this order: [`hognose_prepare`], [`hognose_snapshot`], [`hognose_rehearse`],
//! [`hognose_serve`]; in each child then [`hognose_await_lease`] and [`hognose_report`].
//! From [`hognose_serve`] on the zygote runs no Python. Each child is confined by
//! [`sandbox::confine::confine`] before it runs any. The one secret of a child, the nonce that
//! opens a true report, lives in this library's memory and in no Python object.
#![expect(
    unsafe_code,
    reason = "a C interface called by CPython, and calls back into CPython"
)]

mod dense;
mod heap;
mod mappings;
mod raw;
mod renewal;
mod report;
mod request;
mod snapshot;

use std::ffi::{CStr, c_char, c_void};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

use sandbox::confine::{self, Descriptors, Failure};
use sandbox::control::{ForkReply, ForkRequest, Plain, step};
use sandbox::plan::{CONFINE_PLAN_PATH, ConfinePlan};
use sandbox::sys::memory::ExactFaults;
use sandbox::sys::process::{ForkOptions, Forked};
use sandbox::sys::{self, fd, process, socket};

use crate::snapshot::Refused;

/// The control socket's number, given by the launcher.
const CONTROL: i32 = 3;
/// Status of a child that could not be confined, and of a zygote that could not serve.
const FAILED: i32 = 71;

static NONCE: OnceLock<[u8; 32]> = OnceLock::new();

/// What serving needs, made while files may still be opened and memory allocated.
static READY: OnceLock<Ready> = OnceLock::new();
/// Whether [`hognose_snapshot`] has replaced this process's memory.
static SNAPSHOT: AtomicBool = AtomicBool::new(false);

/// Held from the snapshot until the zygote serves.
static EXACT_FAULTS: Mutex<Option<ExactFaults>> = Mutex::new(None);

/// Reads the plan and finds the interpreter's functions. The first call of all.
///
/// Returns 0, or -1 after one line on stderr.
#[unsafe(no_mangle)]
pub extern "C" fn hognose_prepare() -> i32 {
    let prepared = prepare().and_then(|ready| {
        let once = READY.set(ready);
        once.map_err(|_| io::ErrorKind::AlreadyExists.into())
    });
    complain("the zygote cannot be prepared", prepared)
}

/// Moves the zygote's memory into a sealed snapshot, so that forks have little to copy.
///
/// Returns 0, or -1 after one line on stderr when that is not possible here: nothing has changed
/// then. A failure half-way ends the process.
#[unsafe(no_mangle)]
pub extern "C" fn hognose_snapshot() -> i32 {
    match snapshot::take() {
        Ok(faults) => {
            SNAPSHOT.store(true, Ordering::Relaxed);
            if let Ok(mut place) = EXACT_FAULTS.lock() {
                *place = faults;
            }
            0
        }
        Err(Refused { what, source }) => complain(
            "no snapshot, so every fork copies the zygote's page tables",
            Err(io::Error::other(format!("cannot {what}: {source}"))),
        ),
    }
}

/// Uses up the free places that the imports left in the C heap; see `guest/holes.py`.
#[unsafe(no_mangle)]
pub extern "C" fn hognose_fill_holes() -> i32 {
    heap::fill_holes();
    0
}

/// Lets the interpreter put objects of up to `longest` bytes side by side; see `dense.rs`.
///
/// Returns 0, or -1 after one line on stderr where the interpreter cannot.
#[unsafe(no_mangle)]
pub extern "C" fn hognose_lay_densely(longest: usize) -> i32 {
    let exchange = |name| -> io::Result<dense::Exchange> {
        let address = address_in_interpreter(name)?;
        // SAFETY: both names asked for are `void f(PyMemAllocatorDomain, PyMemAllocatorEx *)`.
        Ok(unsafe { std::mem::transmute::<*mut c_void, dense::Exchange>(address) })
    };
    let served = exchange(c"PyMem_GetAllocator").and_then(|get| {
        dense::serve(longest, get, exchange(c"PyMem_SetAllocator")?);
        Ok(())
    });
    complain("objects cannot be laid densely", served)
}

/// Renews `length` random bytes at `address` in every child, before any Python runs there.
///
/// # Safety
/// As `renewal::note_memory`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hognose_renew_memory(address: usize, length: usize) -> i32 {
    // SAFETY: the caller's contract.
    unsafe { renewal::note_memory(address, length) };
    0
}

/// Makes the link `name` to `target` in every child; without a target, the folder `name`.
///
/// # Safety
/// Both are NUL-terminated; `target` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hognose_offer(target: *const c_char, name: *const c_char) -> i32 {
    // SAFETY: the caller's contract.
    let name = unsafe { CStr::from_ptr(name) }.to_owned();
    if target.is_null() {
        renewal::note_folder(name);
    } else {
        // SAFETY: the caller's contract.
        renewal::note_link(unsafe { CStr::from_ptr(target) }.to_owned(), name);
    }
    0
}

/// Runs the interpreter's part of a fork without forking, so that its pages are present.
///
/// The hooks of Python modules are recorded by `guest/hooks.py` and do not run here.
#[unsafe(no_mangle)]
pub extern "C" fn hognose_rehearse() -> i32 {
    let Some(ready) = READY.get() else { return -1 };
    (ready.before_fork)();
    (ready.after_fork)();
    0
}

/// Serves fork requests on descriptor 3 until the supervisor is gone; then the process ends.
///
/// Returns 0 in every confined child, which has to call [`hognose_await_lease`] next. Must be
/// called with the GIL held (`PyDLL`) and one thread. Failures are one line on stderr and status 71.
#[unsafe(no_mangle)]
pub extern "C" fn hognose_serve() -> i32 {
    let served = READY
        .get()
        .ok_or_else(|| io::ErrorKind::NotConnected.into())
        .and_then(|ready| close_in(ready).and_then(|()| serve(ready)));
    if complain("the zygote cannot serve", served) != 0 {
        process::exit(FAILED);
    }
    0
}

/// Says that this child is ready and waits until it is given away; its last limits are then lowered
/// and only descriptors 0-4 are open. Then takes the request, if it is nothing but a source.
///
/// Returns the length of the source, which is then in `room` and in `main.py`, and above it in bits
/// 32 to 62 the place of its last expression; descriptor 4 is closed. Returns -1 when there is more,
/// or no room: the request's four counts are in `room`, and the rest can be read from descriptor 4. Whatever goes wrong ends the process.
///
/// # Safety
/// `room` points to `size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hognose_await_lease(room: *mut u8, size: usize) -> i64 {
    // SAFETY: the caller's contract.
    let room = unsafe { std::slice::from_raw_parts_mut(room, size) };
    let taken = request::make_file().and_then(|file| {
        if confine::await_lease().is_err() {
            process::exit(FAILED);
        }
        request::take(room, &file)
    });
    match taken {
        // A place beyond every source stays one, and the sum is never negative.
        Ok(Some((length, place))) => (i64::from(place & (u32::MAX >> 1)) << 32) | i64::from(length),
        Ok(None) => -1,
        Err(error) => {
            complain("the program cannot be started", Err(error));
            process::exit(FAILED)
        }
    }
}

/// Writes the one report of this child: nonce, `u32` little-endian length, the JSON.
///
/// Returns 0, or -1 when it could not be written whole. Without a length it writes nothing, which
/// is how the call is practised.
///
/// # Safety
/// `json` points to `length` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hognose_report(json: *const u8, length: usize) -> i32 {
    // SAFETY: the caller's contract.
    let json = unsafe { std::slice::from_raw_parts(json, length) };
    if json.is_empty() {
        return 0;
    }
    let written = NONCE
        .get()
        .ok_or_else(|| io::ErrorKind::NotConnected.into())
        .and_then(|nonce| report::write(nonce, json));
    if written.is_ok() { 0 } else { -1 }
}

/// Tells a failure in one line on stderr; 0 without one, else -1.
fn complain(what: &str, result: io::Result<()>) -> i32 {
    let Err(error) = result else { return 0 };
    let line = format!("hognose: {what}: {error}\n");
    let _ = io::Write::write_all(&mut io::stderr(), line.as_bytes());
    -1
}

/// What the loop needs.
struct Ready {
    /// Never closed by us: in a child its number is the report pipe's.
    control: ManuallyDrop<OwnedFd>,
    plan: ConfinePlan,
    tid_address: u64,
    before_fork: extern "C" fn(),
    after_fork: extern "C" fn(),
}

fn prepare() -> io::Result<Ready> {
    Ok(Ready {
        control: ManuallyDrop::new(fd::adopt(CONTROL)?),
        plan: ConfinePlan::decode(&std::fs::read(CONFINE_PLAN_PATH)?)?,
        tid_address: process::tid_address()?,
        before_fork: interpreter_function(c"PyOS_BeforeFork")?,
        after_fork: interpreter_function(c"PyOS_AfterFork_Child")?,
    })
}

/// Takes from the zygote what it does not need to serve.
fn close_in(ready: &Ready) -> io::Result<()> {
    if let Ok(mut faults) = EXACT_FAULTS.lock() {
        *faults = None;
    }
    process::set_dumpable(false)?;
    process::install_filter(&ready.plan.zygote_filter)?;
    // Once, here: children inherit the import lock it takes and release it in AfterFork; CPython
    // 3.13 aborts without. No Python runs in the zygote from here on.
    (ready.before_fork)();
    Ok(())
}

/// A function of the interpreter this library was loaded into.
fn interpreter_function(name: &CStr) -> io::Result<extern "C" fn()> {
    let address = address_in_interpreter(name)?;
    // SAFETY: both names asked for are `void f(void)` in every CPython from 3.7 on.
    Ok(unsafe { std::mem::transmute::<*mut c_void, extern "C" fn()>(address) })
}

fn address_in_interpreter(name: &CStr) -> io::Result<*mut c_void> {
    // SAFETY: RTLD_DEFAULT searches the process; the name is NUL-terminated.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    if address.is_null() {
        return Err(io::Error::other(format!(
            "this interpreter has no {}",
            name.to_string_lossy()
        )));
    }
    Ok(address)
}

/// The loop. Returns only in a confined child.
fn serve(ready: &Ready) -> io::Result<()> {
    reply(
        ready,
        ForkReply {
            threads: 1,
            snapshot: SNAPSHOT.load(Ordering::Relaxed).into(),
            ..ForkReply::zeroed()
        },
    )?;
    let mut request = ForkRequest::zeroed();
    loop {
        let Some(received) = socket::receive(ready.control.as_fd(), request.bytes_mut())? else {
            process::exit(0);
        };
        match fork(ready, &request, received) {
            Ok(Side::Child) => return Ok(()),
            Ok(Side::Parent(pid)) => reply(
                ready,
                ForkReply {
                    pid,
                    ..ForkReply::zeroed()
                },
            )?,
            Err(Failure { step, errno }) => reply(
                ready,
                ForkReply {
                    errno,
                    step,
                    ..ForkReply::zeroed()
                },
            )?,
        }
    }
}

fn reply(ready: &Ready, reply: ForkReply) -> io::Result<()> {
    socket::send(ready.control.as_fd(), reply.bytes(), &[])
}

enum Side {
    Child,
    Parent(i32),
}

fn fork(
    ready: &Ready,
    request: &ForkRequest,
    mut received: socket::Received,
) -> Result<Side, Failure> {
    let at = |step, error: &io::Error| Failure {
        step,
        errno: sys::errno_of(error),
    };
    let namespace = received.take().map_err(|error| at(step::MESSAGE, &error))?;
    let descriptors =
        take_descriptors(request, &mut received).map_err(|error| at(step::MESSAGE, &error))?;
    process::enter(namespace.as_fd(), libc::CLONE_NEWPID)
        .map_err(|error| at(step::PID_NAMESPACE, &error))?;
    let options = ForkOptions {
        namespaces: libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS,
        sibling: true,
        tid_address: ready.tid_address,
    };
    match process::fork_with(options).map_err(|error| at(step::FORK, &error))? {
        Forked::Parent { pid, .. } => Ok(Side::Parent(pid)),
        Forked::Child => {
            drop(namespace);
            if confine::confine(&ready.plan, request, descriptors).is_err()
                || NONCE.set(request.nonce).is_err()
                || complain("a child cannot be renewed", renewal::renew()) != 0
            {
                process::exit(FAILED);
            }
            (ready.after_fork)();
            Ok(Side::Child)
        }
    }
}

fn take_descriptors(
    request: &ForkRequest,
    received: &mut socket::Received,
) -> io::Result<Descriptors> {
    let mut descriptors = Descriptors {
        stdin: received.take()?,
        stdout: received.take()?,
        stderr: received.take()?,
        report: received.take()?,
        request: received.take()?,
        status: received.take()?,
        procs: [const { None }; confine::MOST_CGROUPS],
    };
    for slot in descriptors.procs.iter_mut().take(request.procs as usize) {
        *slot = Some(received.take()?);
    }
    Ok(descriptors)
}
