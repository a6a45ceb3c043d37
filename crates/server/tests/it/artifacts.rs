//! Bytes a guest wrote, served so that nothing in them runs.

use crate::scripted::KNOWN_ID;
use crate::support::served;

#[tokio::test]
async fn an_artifact_is_inert() {
    let server = served(|_| {}).await;
    let path = format!("/v1/executions/{KNOWN_ID}/artifacts/x.html");
    let answer = server.get(&path).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "<script>"));
    let etag = format!("\"{}\"", "ab".repeat(32));
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        (
            "content-disposition",
            "attachment; filename=\"x.html\"; filename*=UTF-8''x.html",
        ),
        ("cache-control", "private"),
        ("etag", &etag),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let known = format!("If-None-Match: {etag}");
    let cached = server
        .send(
            &format!("GET {path}"),
            &["X-API-Key: the-right-key", &known],
            "",
        )
        .await;
    assert_eq!((cached.status, cached.body.as_str()), (304, ""));
}

#[tokio::test]
async fn a_nested_name_is_found_with_either_slash() {
    let server = served(|_| {}).await;
    for name in ["dir/p%C3%A4.png", "dir%2Fp%C3%A4.png", "dir%2fp%c3%a4.png"] {
        let answer = server
            .get(&format!("/v1/executions/{KNOWN_ID}/artifacts/{name}"))
            .await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("image/png")),
            "{name}"
        );
        let disposition = answer.header("content-disposition").unwrap();
        assert!(
            disposition.ends_with("filename*=UTF-8''p%C3%A4.png"),
            "{disposition}"
        );
    }
    // Decoded once, never twice.
    assert_eq!(
        server
            .get(&format!("/v1/executions/{KNOWN_ID}/artifacts/a%252fb"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn foreign_ids_and_walking_names_find_nothing() {
    let server = served(|_| {}).await;
    let foreign = "00000000-0000-4000-8000-000000000000";
    for path in [
        format!("/v1/executions/{foreign}/artifacts/x.html"),
        "/v1/executions/..%2f..%2fetc/artifacts/passwd".to_owned(),
        "/v1/executions/x/artifacts/x.html".to_owned(),
        format!("/v1/executions/{KNOWN_ID}/artifacts/"),
        format!("/v1/executions/{KNOWN_ID}/artifacts/..%2f..%2f..%2fetc%2fpasswd"),
        format!("/v1/executions/{KNOWN_ID}/artifacts/%252e%252e%252fetc%252fpasswd"),
        format!("/v1/executions/{KNOWN_ID}/artifacts//etc/passwd"),
        format!("/v1/executions/{KNOWN_ID}/artifacts/./x.html"),
        format!("/v1/executions/{KNOWN_ID}/artifacts/x.html;x="),
        format!("/v1/executions/{KNOWN_ID}/artifacts/..%5c..%5cetc%5cpasswd"),
        format!("/v1/executions/{KNOWN_ID}/artifacts/x.html%00.png"),
        format!("/v1/executions/{KNOWN_ID}/artifacts/%ff"),
    ] {
        let answer = server.get(&path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.body.contains("root:"), "{path}");
    }
}
