//! Names, ids and paths that walk.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::Target;
use super::raw::{ask, execution, expect, post, request, text};

/// Stands in a source; no log may repeat it.
pub(super) const CANARY: &str = "canary-0b7c1f2e";

/// Shows where a file of an odd name went.
const LIST: &str = "import os; print(sorted(os.listdir('input')), sorted(os.listdir('/code')))";

pub(super) fn run(target: &mut Target<'_>) -> Result<()> {
    let long = "n".repeat(4096);
    let refused = [
        "../../etc/passwd",
        "/etc/passwd",
        "a/../../x",
        "a//b",
        ".",
        "..",
        "",
        "~root/x",
        "a\\u0000b",
        "a\\nb",
        "\\ud800",
        &long,
    ];
    for name in refused {
        let body = format!(
            r#"{{"source":"{LIST}","files":[{{"name":"{name}","content_base64":"eA=="}}]}}"#
        );
        let shown: String = name.chars().take(20).collect();
        let verdict = post(&target.server.endpoint, &body).and_then(|a| expect(&a, &[400]));
        target.judge(&format!("file name {shown:?}"), verdict);
    }
    let kept = [
        r"..\..\x",
        " ",
        "%2e%2e%2f",
        "CON",
        "-rf",
        "e\u{301}",
        "\u{e9}",
        "main.py",
        ";x",
        "$(id)",
    ];
    for name in kept {
        let verdict = stays_inside(target, name);
        target.judge(&format!("file name {name:?}"), verdict);
    }
    for path in [
        "/files/..%2f..%2f..%2fetc%2fpasswd",
        "/%252e%252e/%252e%252e/etc/passwd",
        "/files//etc/passwd",
        "/files/./x",
        "/static;x=/../../etc/passwd",
        "/..\\..\\etc\\passwd",
        "/../../../etc/passwd",
        "//etc/passwd",
        "/%c0%ae%c0%ae/etc/passwd",
        "/v1/executions/../../etc/passwd",
        "/capabilities/../../../etc/passwd",
        "/health/..;/etc/passwd",
    ] {
        let verdict = get(target, path);
        target.judge(&format!("GET {path}"), verdict);
    }
    let verdict = artifacts(target);
    target.judge("names of artifacts", verdict);
    for body in [
        r#"{"source":"1","files":[{"name":"a","content_base64":"%%%"}]}"#,
        r#"{"source":"1","files":[{"name":"a","content_base64":"","encoding":"hex"}]}"#,
        r#"{"source":"1","files":[{"name":"a"}]}"#,
        r#"{"source":"1","files":{"name":"a","content_base64":""}}"#,
    ] {
        let verdict = post(&target.server.endpoint, body).and_then(|a| expect(&a, &[400]));
        target.judge(body, verdict);
    }
    let verdict = announced_gibibyte(target);
    target.judge("a content of 1 GiB", verdict);
    let verdict = earlier_link(target);
    target.judge("a link of an earlier run", verdict);
    Ok(())
}

/// An odd name is a file of that name in `input` and beside it, and nothing else.
fn stays_inside(target: &Target<'_>, name: &str) -> Result<()> {
    let source = format!("# {CANARY}\n{LIST}");
    let body = json!({"source": source, "files": [{"name": name, "content_base64": "eA=="}]});
    let answer = target.server.endpoint.post("/v1/executions", &body)?;
    expect(&answer, &[200])?;
    let listed = text(&answer, "/stdout")?;
    // As Python shows a name.
    let quoted = |name: &str| format!("'{}'", name.replace('\\', r"\\"));
    let around = BTreeSet::from([name, "input", "main.py", "output"]);
    let around: Vec<_> = around.into_iter().map(quoted).collect();
    let expected = format!("[{}] [{}]\n", quoted(name), around.join(", "));
    ensure!(listed == expected, "{listed}");
    Ok(())
}

fn get(target: &Target<'_>, path: &str) -> Result<()> {
    let endpoint = &target.server.endpoint;
    let key = format!("X-API-Key: {}", endpoint.key);
    let bytes = request(endpoint, &format!("GET {path}"), &[&key], b"");
    expect(&ask(endpoint, &bytes)?, &[400, 404, 405])
}

fn artifacts(target: &Target<'_>) -> Result<()> {
    let source = "open('output/a.txt','w').write('A')";
    let ran = target
        .server
        .endpoint
        .post("/v1/executions", &json!({"source": source}))?;
    let id = text(&ran, "/id")?;
    let base = format!("/v1/executions/{id}/artifacts");
    let fine = target.server.endpoint.get(&format!("{base}/a.txt"))?;
    ensure!(fine.body == b"A", "the artifact itself: {}", fine.status);
    for name in [
        "../a.txt",
        "..%2fa.txt",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2fetc%2fpasswd",
        "./a.txt",
        "a.txt%00",
        "a.txt/",
        "%2e%2e/a.txt",
        "x/../a.txt",
        "..%5ca.txt",
        "",
    ] {
        get(target, &format!("{base}/{name}")).with_context(|| name.to_owned())?;
    }
    for id in [
        "..",
        "%2e%2e",
        "00000000-0000-0000-0000-000000000000",
        "1",
        &id.to_uppercase()[..8],
    ] {
        get(target, &format!("/v1/executions/{id}/artifacts/a.txt"))?;
    }
    Ok(())
}

/// The size alone is the answer: nothing of it is waited for.
fn announced_gibibyte(target: &Target<'_>) -> Result<()> {
    let endpoint = &target.server.endpoint;
    let key = format!("X-API-Key: {}", endpoint.key);
    let headers = [
        &key,
        "Content-Type: application/json",
        "Content-Length: 1073741824",
    ];
    let bytes = request(endpoint, "POST /v1/executions", &headers, b"{");
    expect(&ask(endpoint, &bytes)?, &[413])
}

/// What one run makes of a name does not meet the next one's file of that name.
fn earlier_link(target: &Target<'_>) -> Result<()> {
    let endpoint = &target.server.endpoint;
    let plant = json!({"source": "import os; os.symlink('/etc/hosts', 'input/x'); os.symlink('/etc/hosts', 'output/x')"});
    expect(&endpoint.post("/v1/executions", &plant)?, &[200])?;
    let body = json!({
        "source": "import os; print(os.path.islink('input/x'), open('input/x').read())",
        "files": [{"name": "x", "content_base64": "bWluZQ=="}]
    });
    let bytes = execution(
        endpoint,
        &["Connection: close"],
        body.to_string().as_bytes(),
    );
    let seen = text(&ask(endpoint, &bytes)?, "/stdout")?;
    ensure!(seen == "False mine\n", "{seen}");
    Ok(())
}
