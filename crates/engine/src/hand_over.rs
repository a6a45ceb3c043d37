//! Gives a waiting child its program: lease header, request and files, and its standard input.

use std::io;

use bytes::{Bytes, BytesMut};
use sandbox::control::{LeaseHeader, Plain};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use crate::lease::{rlimit_data, rlimit_processes};
use crate::limits::Limits;
use crate::request::ExecutionRequest;
use crate::slot::Slot;

/// Input files up to this size travel with the request in one write.
const SMALL: usize = 16 * 1024;

/// What is still being written, and the request's pipe. Dropping it stops the writing.
#[derive(Debug, Default)]
pub(crate) struct HandedOver {
    writers: Vec<JoinHandle<()>>,
    /// Kept open: the child knows where its request ends, and closing would delay its start.
    written: Option<pipe::Sender>,
}

impl Drop for HandedOver {
    fn drop(&mut self) {
        for writer in &self.writers {
            writer.abort();
        }
    }
}

/// Writes the request and the standard input as far as the pipes take them at once; the rest
/// follows in the background. The guest sees the end of its input, also when there is none.
pub(crate) fn hand_over(
    requests: pipe::Sender,
    stdin: pipe::Sender,
    request: &ExecutionRequest,
    slot: &Slot,
    limits: &Limits,
) -> HandedOver {
    let mut handed = HandedOver::default();
    // First, because the child starts with the last byte of its request.
    match &request.stdin {
        None => drop(stdin),
        Some(input) => match write(stdin, vec![input.clone()]) {
            Written::Whole(_) => {}
            Written::Later(writer) => handed.writers.push(writer),
        },
    }
    match write(requests, lease_parts(request, slot, limits)) {
        Written::Whole(pipe) => handed.written = Some(pipe),
        Written::Later(writer) => handed.writers.push(writer),
    }
    handed
}

/// Where a write has got to.
enum Written {
    /// All of it, or the reader is gone, which is its own affair.
    Whole(pipe::Sender),
    /// What did not fit at once is left to a task, which then closes the pipe.
    Later(JoinHandle<()>),
}

fn write(mut pipe: pipe::Sender, mut parts: Vec<Bytes>) -> Written {
    while let Some(part) = parts.first_mut() {
        match pipe.try_write(part) {
            Ok(count) if count == part.len() => drop(parts.remove(0)),
            Ok(count) => drop(part.split_to(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(_) => return Written::Whole(pipe),
        }
    }
    if parts.is_empty() {
        return Written::Whole(pipe);
    }
    Written::Later(tokio::spawn(async move {
        for part in parts {
            if pipe.write_all(&part).await.is_err() {
                return;
            }
        }
    }))
}

/// The hard `RLIMIT_CPU` of a child. Every thread can be charged for all of the wall time at most, so
/// SIGKILL never comes from this limit as long as the program has not lowered it.
pub(crate) fn cpu_most_seconds(slot: &Slot, limits: &Limits) -> u64 {
    let threads = u64::from(rlimit_processes(slot, limits)).max(1);
    let longest = limits.wall.max(limits.cpu).as_secs().saturating_add(2);
    longest.saturating_mul(threads)
}

/// Lease header, request header, source and files, in the order in which they are read.
fn lease_parts(request: &ExecutionRequest, slot: &Slot, limits: &Limits) -> Vec<Bytes> {
    let header = LeaseHeader {
        file_bytes: limits.workdir_bytes,
        cpu_seconds: limits.cpu.as_secs() + 1,
        cpu_most_seconds: cpu_most_seconds(slot, limits),
        processes: rlimit_processes(slot, limits).into(),
        data_bytes: rlimit_data(slot, limits),
    };
    let entry = request.entry_part();
    let contents = || {
        let files = request.files.iter();
        entry.iter().chain(files.map(|file| &file.content))
    };
    let names = entry.iter().map(|_| wire::request::ENTRY);
    let names = names.chain(request.files.iter().map(|file| file.name.as_str()));
    let names: Vec<(&str, usize)> = names.zip(contents().map(Bytes::len)).collect();
    let mut first = BytesMut::from(header.bytes());
    first.extend_from_slice(&wire::request::encode_request(
        &request.source,
        request.last_expression,
        &request.args,
        &names,
    ));
    first.extend_from_slice(request.source.as_bytes());
    let mut parts = Vec::new();
    for content in contents() {
        if parts.is_empty() && content.len() <= SMALL {
            first.extend_from_slice(content);
        } else if !content.is_empty() {
            parts.push(content.clone());
        }
    }
    parts.insert(0, first.freeze());
    parts
}
