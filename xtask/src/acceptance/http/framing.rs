//! Requests that two readers would frame differently: none is answered, none behind it is run.

use anyhow::{Result, ensure};

use super::Target;
use super::raw::{Raw, expect, request};
use crate::http::Endpoint;

pub(super) fn run(target: &mut Target<'_>) -> Result<()> {
    let endpoint = target.server.endpoint.clone();
    let before = target.executions()?;
    for framing in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: chunked, identity",
        "Content-Length: 0\r\nContent-Length: 60",
        "Content-Length: 60, 60",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: -1",
        "Content-Length: 5 5",
        "Content-Length:\r\n 5",
        "X: a\r\n\tContent-Length: 5",
        "Content-Length: 99999999999999999999",
        "X: a\nContent-Length: 5",
        "X: a\rContent-Length: 5",
        "X: a\0b",
        "X : a",
        ": a",
        "no colon",
    ] {
        let verdict = refused(&endpoint, framing);
        target.judge(&format!("{framing:?}"), verdict);
    }
    for (name, bytes) in odd_bytes() {
        let verdict = closed(&endpoint, &bytes);
        target.judge(name, verdict);
    }
    let verdict = long_chunk_extension(&endpoint);
    target.judge("a chunk extension of 1 MiB", verdict);
    let verdict = key_in_trailer(&endpoint);
    target.judge("a key in the trailer", verdict);
    let run = target.executions()? - before;
    target.judge(
        "nothing behind a refused head ran",
        (run == 0)
            .then_some(())
            .ok_or_else(|| anyhow::anyhow!("{run} executions")),
    );
    Ok(())
}

/// A whole request that nobody may see as one.
fn smuggled(endpoint: &Endpoint) -> Vec<u8> {
    super::raw::execution(endpoint, &[], br#"{"source":"print('SMUGGLED')"}"#)
}

/// One 400, then the end of the connection.
fn refused(endpoint: &Endpoint, framing: &str) -> Result<()> {
    let key = format!("X-API-Key: {}", endpoint.key);
    let headers = [&key, "Content-Type: application/json", framing];
    let body = [b"0\r\n\r\n".to_vec(), smuggled(endpoint)].concat();
    let mut raw = Raw::connect(endpoint)?;
    raw.send(&request(endpoint, "POST /v1/executions", &headers, &body));
    let answers = raw.answers()?;
    ensure!(answers.len() == 1, "{} answers", answers.len());
    expect(&answers[0], &[400])
}

fn odd_bytes() -> Vec<(&'static str, Vec<u8>)> {
    let garbage: Vec<u8> = (0..4096_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect();
    vec![
        ("binary garbage", garbage),
        (
            "a TLS hello",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        ),
        (
            "the preface of HTTP/2",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        ),
        ("an empty line", b"\r\n\r\n".to_vec()),
        ("a command of Redis", b"*1\r\n$4\r\nINFO\r\n\r\n".to_vec()),
        (
            "a request line of 128 KiB",
            [
                b"GET /",
                vec![b'a'; 128 << 10].as_slice(),
                b" HTTP/1.1\r\n\r\n",
            ]
            .concat(),
        ),
        (
            "10 000 headers",
            [
                b"GET / HTTP/1.1\r\n".as_slice(),
                b"A: b\r\n".repeat(10_000).as_slice(),
                b"\r\n",
            ]
            .concat(),
        ),
        ("HTTP/9.9", b"GET /health HTTP/9.9\r\n\r\n".to_vec()),
    ]
}

/// Not answered with success, and closed.
fn closed(endpoint: &Endpoint, bytes: &[u8]) -> Result<()> {
    let mut raw = Raw::connect(endpoint)?;
    raw.send(bytes);
    raw.end();
    let answers = raw.answers()?;
    ensure!(
        answers.iter().all(|answer| answer.status >= 400),
        "{answers:?}"
    );
    Ok(())
}

/// The server need not refuse it, but may not keep it: the connection ends or the request runs into
/// the cap of bodies.
fn long_chunk_extension(endpoint: &Endpoint) -> Result<()> {
    let key = format!("X-API-Key: {}", endpoint.key);
    let headers = [
        &key,
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
    ];
    let body = [
        b"1;".as_slice(),
        &vec![b'x'; 1 << 20],
        b"\r\n{\r\n0\r\n\r\n",
    ]
    .concat();
    closed(
        endpoint,
        &request(endpoint, "POST /v1/executions", &headers, &body),
    )
}

/// What comes after a body never counts as a header of it.
fn key_in_trailer(endpoint: &Endpoint) -> Result<()> {
    let headers = [
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
        "Trailer: X-API-Key",
        "Connection: close",
    ];
    let source = r#"{"source":"print('SMUGGLED')"}"#;
    let body = format!(
        "{:x}\r\n{source}\r\n0\r\nX-API-Key: {}\r\n\r\n",
        source.len(),
        endpoint.key
    );
    let mut raw = Raw::connect(endpoint)?;
    raw.send(&request(
        endpoint,
        "POST /v1/executions",
        &headers,
        body.as_bytes(),
    ));
    expect(&raw.answer()?, &[401])
}
