//! The one place from which bytes that a guest wrote are served.
//!
//! Whatever the bytes are, no browser runs them in our origin.

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use stepflow_python::ArtifactContent;

use super::report::percent_encode;

/// Media types that are passed on; every other one becomes `application/octet-stream`.
const PASSED_ON: [&str; 11] = [
    "application/json",
    "application/pdf",
    "application/zip",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/csv",
    "text/markdown",
    "text/plain",
    "text/tab-separated-values",
];

/// Answers with an artifact's bytes.
pub(crate) fn untrusted(artifact: ArtifactContent, request: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", artifact.artifact.sha256);
    let media_type = PASSED_ON
        .iter()
        .find(|known| **known == artifact.artifact.media_type);
    let media_type = media_type.copied().unwrap_or("application/octet-stream");
    let known = request
        .get_all(IF_NONE_MATCH)
        .iter()
        .any(|value| value.as_bytes() == etag.as_bytes());
    let headers = [
        (CONTENT_TYPE, media_type.to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (
            CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'".to_owned(),
        ),
        (CONTENT_DISPOSITION, disposition(&artifact.artifact.name)),
        (CACHE_CONTROL, "private".to_owned()),
        (ETAG, etag),
    ];
    if known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, Body::from(artifact.content)).into_response()
}

/// Shape: an ASCII name for old clients, then the exact one. Source: RFC 6266; RFC 5987.
fn disposition(name: &str) -> String {
    let base = name.rsplit('/').next().unwrap_or(name);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    let ascii: String = base
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    format!(
        "attachment; filename=\"{ascii}\"; filename*=UTF-8''{}",
        percent_encode(base, b"-._~")
    )
}

#[cfg(test)]
mod tests {
    use super::disposition;

    #[test]
    fn a_name_cannot_leave_its_header() {
        let expected = "attachment; filename=\"a_b__.html\"; filename*=UTF-8''a%22b%0A%C3%BC.html";
        assert_eq!(disposition("dir/a\"b\nü.html"), expected);
    }
}
