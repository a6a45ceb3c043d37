//! Keys, ids, fields that would loosen something, and pages of other origins.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::json;

use super::Target;
use super::raw::{ask, execution, expect, post, request, text};
use crate::http::{Answer, Endpoint};

const ROUTES: &[&str] = &[
    "POST /v1/executions",
    "DELETE /v1/executions/1",
    "GET /v1/executions/1/artifacts/a",
    "GET /v1/pools",
    "GET /capabilities",
    "GET /metrics",
    "GET /",
    "GET /nowhere",
    "OPTIONS /v1/executions",
    "PUT /v1/executions",
    "TRACE /",
    "GET /health/",
    "GET //health",
    "GET /health%2f",
    "GET /HEALTH",
];

pub(super) fn run(target: &mut Target<'_>) -> Result<()> {
    let endpoint = target.server.endpoint.clone();
    let bodies = every_route(target, &endpoint);
    let uniform = bodies.len() == 1;
    target.judge(
        "every 401 says the same",
        uniform
            .then_some(())
            .ok_or_else(|| anyhow::anyhow!("{bodies:?}")),
    );
    for known in [
        "dify-sandbox",
        "changeme",
        "test",
        "key",
        "KEY",
        "hognose",
        "secret",
        "k",
        "null",
        "undefined",
    ] {
        let answer = ask(
            &endpoint,
            &request(
                &endpoint,
                "GET /capabilities",
                &[&format!("X-API-Key: {known}")],
                b"",
            ),
        );
        target.judge(
            &format!("the key {known}"),
            answer.and_then(|a| expect(&a, &[401])),
        );
    }
    let verdict = ask(&endpoint, &request(&endpoint, "GET /health", &[], b""))
        .and_then(|a| expect(&a, &[200]));
    target.judge("health needs no key", verdict);
    let verdict = ids(target);
    target.judge("ids of executions", verdict);
    loosening(target, &endpoint);
    numbers(target, &endpoint);
    foreign_pages(target, &endpoint);
    Ok(())
}

/// The different bodies of all refusals.
fn every_route(target: &mut Target<'_>, endpoint: &Endpoint) -> BTreeSet<Vec<u8>> {
    let key = &endpoint.key;
    let wrong = format!("X-API-Key: {}x", &key[1..]);
    let right = format!("X-API-Key: {key}");
    let (bearer, basic) = (
        format!("Authorization: Bearer  {key}"),
        "Authorization: Basic YTpi",
    );
    let upper = format!("X-API-Key: {}", key.to_uppercase());
    let half = format!("X-API-Key: {}", &key[..key.len() / 2]);
    let lists: [&[&str]; 12] = [
        &[],
        &[&wrong],
        &["Authorization: Bearer "],
        &["Authorization: Bearer"],
        &["X-API-Key:"],
        &[&bearer],
        &[basic],
        &[&upper],
        &[&half],
        &[&right, &right],
        &[&right, &wrong],
        &["Cookie: key=a"],
    ];
    let mut bodies = BTreeSet::new();
    for route in ROUTES {
        for headers in lists {
            let headers = [headers, &["Content-Type: application/json"]].concat();
            let answer = ask(endpoint, &request(endpoint, route, &headers, b""));
            bodies.extend(answer.as_ref().ok().map(|answer| answer.body.clone()));
            // What is before the key in the order of checks may refuse first.
            target.judge(
                &format!("{route} with {headers:?}"),
                answer.and_then(|a| unauthorized(&a)),
            );
        }
        let (method, path) = route.split_once(' ').unwrap_or((route, "/"));
        let asked = format!("{method} {path}?key={key}&api_key={key}&access_token={key}");
        let answer = ask(endpoint, &request(endpoint, &asked, &[], b""));
        target.judge(
            &format!("{route} with the key in its address"),
            answer.and_then(|a| unauthorized(&a)),
        );
    }
    bodies
}

fn unauthorized(answer: &Answer) -> Result<()> {
    expect(answer, &[401])?;
    ensure!(
        answer
            .header("www-authenticate")
            .is_none_or(|how| !how.to_ascii_lowercase().contains("basic")),
        "it asks a browser for a password"
    );
    Ok(())
}

/// Ids are random: version 4, all different, in no order.
fn ids(target: &Target<'_>) -> Result<()> {
    // The server remembers each for a day; more of them would show in its memory.
    let count = target.size.pick(40, 2_000);
    let mut connection = target.server.endpoint.connect()?;
    let mut seen = Vec::new();
    for _ in 0..count {
        let answer = connection.post("/v1/executions", &json!({"source": ""}))?;
        seen.push(text(&answer, "/id")?);
    }
    let version_4 = |id: &&String| {
        let parts: Vec<_> = id.split('-').map(str::len).collect();
        parts == [8, 4, 4, 4, 12]
            && id.as_bytes()[14] == b'4'
            && b"89ab".contains(&id.as_bytes()[19])
    };
    ensure!(
        seen.iter().all(|id| version_4(&id)),
        "not all are UUIDs of version 4"
    );
    ensure!(
        seen.iter().collect::<BTreeSet<_>>().len() == count,
        "one came twice"
    );
    let rising = seen.windows(2).filter(|pair| pair[0] < pair[1]).count();
    ensure!(
        rising.abs_diff(count / 2) < count / 4,
        "{rising} of {count} rise"
    );
    Ok(())
}

/// Fields that would give a program more than the operator allows.
fn loosening(target: &mut Target<'_>, endpoint: &Endpoint) {
    for field in [
        r#""user":"root""#,
        r#""privileged":true"#,
        r#""network":true"#,
        r#""preload":"x""#,
        r#""env":{"LD_PRELOAD":"/tmp/x","PYTHONSTARTUP":"/x","BASH_ENV":"x"}"#,
        r#""image":"x""#,
        r#""mounts":["/:/host"]"#,
        r#""command":["sh"]"#,
        r#""timeout":1e308"#,
        r#""backend":"none""#,
        r#""policy":"off""#,
        r#""imports":["os"]"#,
        r#""__proto__":{"a":1}"#,
        r#""Source":"print(2)""#,
        r#""source":"print(2)""#,
        r#""limits":{"gpus":1}"#,
        r#""tier":"nested""#,
        r#""uid":0"#,
    ] {
        let answer = post(endpoint, &format!(r#"{{"source":"print(1)",{field}}}"#));
        target.judge(field, answer.and_then(|a| expect(&a, &[400])));
    }
}

/// Numbers that are none, and limits above the operator's.
fn numbers(target: &mut Target<'_>, endpoint: &Endpoint) {
    for limit in [
        "wall_ms",
        "cpu_ms",
        "memory_bytes",
        "processes",
        "output_bytes",
        "workdir_bytes",
    ] {
        for number in [
            "1e308",
            "-1",
            "NaN",
            "\"∞\"",
            "9223372036854775808",
            "18446744073709551616",
            "0.5",
            "true",
            "[]",
            "\"1\"",
        ] {
            let answer = post(
                endpoint,
                &format!(r#"{{"source":"","limits":{{"{limit}":{number}}}}}"#),
            );
            target.judge(
                &format!("{limit} {number}"),
                answer.and_then(|a| expect(&a, &[400])),
            );
        }
        let verdict = clamped(endpoint, limit);
        target.judge(&format!("{limit} above the maximum"), verdict);
    }
}

fn clamped(endpoint: &Endpoint, limit: &str) -> Result<()> {
    let maxima = endpoint.get("/capabilities")?.json()?;
    let most = maxima
        .pointer(&format!("/executionLimits/maxima/{limit}"))
        .cloned();
    let answer = post(
        endpoint,
        &format!(r#"{{"source":"","limits":{{"{limit}":9007199254740991}}}}"#),
    )?;
    let enforced = answer.json()?.pointer(&format!("/limits/{limit}")).cloned();
    ensure!(
        most.is_some() && enforced == most,
        "{enforced:?}, the most is {most:?}"
    );
    Ok(())
}

/// What a page of another origin can make a browser send.
fn foreign_pages(target: &mut Target<'_>, endpoint: &Endpoint) {
    let body = br#"{"source":"print(1)"}"#;
    for headers in [
        &["Origin: https://evil.example"][..],
        &["Origin: null"],
        &["Origin: http://127.0.0.1"],
        &["Origin:"],
        &[
            "Origin: https://evil.example",
            "Access-Control-Request-Method: POST",
        ],
        &[
            "Origin: https://evil.example",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        ],
    ] {
        let answer = ask(endpoint, &execution(endpoint, headers, body));
        target.judge(
            &format!("{headers:?}"),
            answer.and_then(|a| foreign(&a, &[403])),
        );
    }
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.",
        "",
        "127.0.0.1@evil.example",
        "evil.example:80",
    ] {
        let key = format!("X-API-Key: {}", endpoint.key);
        let bytes = format!("GET /capabilities HTTP/1.1\r\nHost: {host}\r\n{key}\r\n\r\n");
        let answer = ask(endpoint, bytes.as_bytes());
        target.judge(
            &format!("Host {host:?}"),
            answer.and_then(|a| foreign(&a, &[400, 403])),
        );
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=a",
        "text/plain; application/json",
        "application/json2",
        "",
    ] {
        let key = format!("X-API-Key: {}", endpoint.key);
        let (kind, length) = (
            format!("Content-Type: {kind}"),
            format!("Content-Length: {}", body.len()),
        );
        let bytes = request(
            endpoint,
            "POST /v1/executions",
            &[&key, &kind, &length],
            body,
        );
        target.judge(
            &kind,
            ask(endpoint, &bytes).and_then(|a| foreign(&a, &[415])),
        );
    }
}

/// Refused, and no page may read why.
fn foreign(answer: &Answer, statuses: &[u16]) -> Result<()> {
    expect(answer, statuses)?;
    ensure!(
        answer.header("access-control-allow-origin").is_none(),
        "it lets other origins read"
    );
    Ok(())
}
