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

/// What is still being written. Dropping it stops the writing.
#[derive(Debug, Default)]
pub(crate) struct HandedOver(Vec<JoinHandle<()>>);

impl Drop for HandedOver {
    fn drop(&mut self) {
        for writer in &self.0 {
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
    handed
        .0
        .extend(write(requests, lease_parts(request, slot, limits)));
    if let Some(input) = &request.stdin {
        handed.0.extend(write(stdin, vec![input.clone()]));
    }
    handed
}

/// Writes everything and closes the pipe; what does not fit at once is left to a task.
///
/// A reader that is gone is its own affair.
fn write(mut pipe: pipe::Sender, mut parts: Vec<Bytes>) -> Option<JoinHandle<()>> {
    while let Some(part) = parts.first_mut() {
        match pipe.try_write(part) {
            Ok(count) if count == part.len() => drop(parts.remove(0)),
            Ok(count) => drop(part.split_to(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(_) => return None,
        }
    }
    if parts.is_empty() {
        return None;
    }
    Some(tokio::spawn(async move {
        for part in parts {
            if pipe.write_all(&part).await.is_err() {
                return;
            }
        }
    }))
}

/// Lease header, request header, source and files, in the order in which they are read.
fn lease_parts(request: &ExecutionRequest, slot: &Slot, limits: &Limits) -> Vec<Bytes> {
    let header = LeaseHeader {
        file_bytes: limits.workdir_bytes,
        cpu_seconds: limits.cpu.as_secs() + 1,
        processes: rlimit_processes(slot, limits).into(),
        data_bytes: rlimit_data(slot, limits),
    };
    let names: Vec<(&str, usize)> = request
        .files
        .iter()
        .map(|file| (file.name.as_str(), file.content.len()))
        .collect();
    let mut first = BytesMut::from(header.bytes());
    first.extend_from_slice(&wire::request::encode_request(
        &request.source,
        &request.args,
        &names,
    ));
    first.extend_from_slice(request.source.as_bytes());
    let mut parts = Vec::new();
    for file in &request.files {
        if parts.is_empty() && file.content.len() <= SMALL {
            first.extend_from_slice(&file.content);
        } else if !file.content.is_empty() {
            parts.push(file.content.clone());
        }
    }
    parts.insert(0, first.freeze());
    parts
}
