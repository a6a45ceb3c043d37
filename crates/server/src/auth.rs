//! Who may talk to the server: peer, host, origin, key and content type, in this order.
//!
//! Only `/health` is open. No answer says what was wrong with a key, and none asks a browser for a
//! password. On the unix socket the kernel names the peer, so no key is needed there.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::app::App;
use crate::doors;
use crate::error::Failure;
use crate::key::KeyDigest;

/// Most bytes in a body of a route that needs none.
const SMALL_BODY_BYTES: usize = 64 * 1024;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Anyone, over TCP.
    Network,
    /// The server's own user or root, over the unix socket.
    Owner,
    /// Another user, over the unix socket.
    Stranger,
}

/// What a request over TCP has to bring.
pub(crate) struct Access {
    /// `None` when the server is keyless.
    pub(crate) key: Option<KeyDigest>,
    /// `None` accepts every host name.
    pub(crate) hosts: Option<Vec<String>>,
}

impl Access {
    /// The host names for a server bound to `address`.
    pub(crate) fn new(
        key: Option<KeyDigest>,
        address: Option<SocketAddr>,
        configured: &[String],
    ) -> Self {
        let open =
            address.is_some_and(|address| !address.ip().is_loopback()) && configured.is_empty();
        let own = address.map(|address| match address {
            SocketAddr::V4(v4) => v4.ip().to_string(),
            SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
        });
        let loopback = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let names = loopback
            .into_iter()
            .chain(own)
            .chain(configured.iter().map(|name| name.to_ascii_lowercase()));
        Self {
            key,
            hosts: (!open).then(|| names.collect()),
        }
    }

    fn host_is_known(&self, authority: &str) -> bool {
        let name = host_of(authority).to_ascii_lowercase();
        self.hosts
            .as_ref()
            .is_none_or(|hosts| hosts.contains(&name))
    }
}

/// The middleware before every route.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    app.metrics.requests.add();
    match check(&app.access, &request, app.bodies.execution_bytes) {
        Ok(()) => next.run(request).await,
        Err(failure) => {
            let response = failure.into_response();
            if response.status() == axum::http::StatusCode::UNAUTHORIZED {
                app.metrics.unauthorized.add();
            }
            response
        }
    }
}

fn check(access: &Access, request: &Request, execution_bytes: usize) -> Result<(), Failure> {
    let headers = request.headers();
    if request.uri().path() == "/health" {
        return Ok(());
    }
    // A connection without a peer is one we forgot to label: treat it as the network.
    match request
        .extensions()
        .get::<Peer>()
        .copied()
        .unwrap_or(Peer::Network)
    {
        Peer::Owner => {}
        Peer::Stranger => {
            let message = "this socket serves its owner only: use the TCP address with a key";
            return Err(Failure::forbidden("foreign_peer", message));
        }
        Peer::Network => {
            let host = check_host(access, request.uri(), headers)?;
            check_origin(host, headers)?;
            check_key(access.key.as_ref(), headers)?;
        }
    }
    check_body(
        request.method(),
        request.uri().path(),
        headers,
        execution_bytes,
    )
}

/// Against DNS rebinding: a browser sends the name it was lured with.
fn check_host<'a>(
    access: &Access,
    uri: &'a Uri,
    headers: &'a HeaderMap,
) -> Result<&'a str, Failure> {
    let bad =
        || Failure::bad_request("send exactly one `Host` header, the same as in the request line");
    let host = single(headers, &HOST)
        .map_err(|Repeated| bad())?
        .ok_or_else(bad)?;
    let host = std::str::from_utf8(host).map_err(|_| bad())?;
    if uri
        .authority()
        .is_some_and(|authority| !authority.as_str().eq_ignore_ascii_case(host))
    {
        return Err(bad());
    }
    if access.host_is_known(host) {
        return Ok(host);
    }
    Err(Failure::forbidden(
        "foreign_host",
        "this server does not answer to that `Host`: add it to the allowed hosts",
    ))
}

/// Browsers name the page that asks; only our own pages may. Other clients send no `Origin`.
fn check_origin(host: &str, headers: &HeaderMap) -> Result<(), Failure> {
    let refused = || {
        Failure::forbidden(
            "foreign_origin",
            "requests from pages of other origins are refused",
        )
    };
    let Some(origin) = single(headers, &ORIGIN).map_err(|Repeated| refused())? else {
        return Ok(());
    };
    let own = std::str::from_utf8(origin)
        .ok()
        .and_then(|origin| {
            origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"))
        })
        .is_some_and(|authority| authority.eq_ignore_ascii_case(host));
    if own { Ok(()) } else { Err(refused()) }
}

/// Every credential that was sent must be the key, and none may be sent twice.
fn check_key(key: Option<&KeyDigest>, headers: &HeaderMap) -> Result<(), Failure> {
    let Some(key) = key else { return Ok(()) };
    let refused = |Repeated| Failure::unauthorized();
    let bearer = match single(headers, &AUTHORIZATION).map_err(refused)? {
        Some(value) => Some(credential(value).ok_or_else(Failure::unauthorized)?),
        None => None,
    };
    let header = single(headers, &HeaderName::from_static("x-api-key"))
        .map_err(refused)?
        .map(<[u8]>::to_vec);
    let presented: Vec<_> = bearer.into_iter().chain(header).collect();
    if !presented.is_empty() && presented.iter().all(|one| key.matches(one)) {
        return Ok(());
    }
    Err(Failure::unauthorized())
}

/// The key in `Bearer KEY` or `Basic base64(anyone:KEY)`. Source: RFC 6750; RFC 7617.
fn credential(value: &[u8]) -> Option<Vec<u8>> {
    let space = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = (&value[..space], &value[space + 1..]);
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(rest.to_vec());
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let pair = STANDARD.decode(rest).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[colon + 1..].to_vec())
}

/// A form or a plain-text post is what a foreign page can send without asking first.
fn check_body(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    execution_bytes: usize,
) -> Result<(), Failure> {
    let limit = if doors::native::takes_executions(path) {
        execution_bytes
    } else {
        SMALL_BODY_BYTES
    };
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(Failure::body_too_large(limit));
    }
    if !matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        return Ok(());
    }
    let essence = single(headers, &CONTENT_TYPE)
        .ok()
        .flatten()
        .and_then(|value| value.split(|byte| *byte == b';').next())
        .map(<[u8]>::trim_ascii);
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case(b"application/json")) {
        return Ok(());
    }
    Err(Failure::unsupported_media_type())
}

/// A header that must not be there more than once.
struct Repeated;

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, Repeated> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        Err(Repeated)
    } else {
        Ok(first.map(|value| value.as_bytes()))
    }
}

/// `name` of `name:port`; brackets of an IPv6 address stay.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::ApiKey;

    #[test]
    fn hosts_are_those_of_the_address_and_the_configuration() {
        let address = "127.0.0.2:80".parse().unwrap();
        let access = Access::new(None, Some(address), &["Box.Example".to_owned()]);
        for (host, known) in [
            ("localhost", true),
            ("LOCALHOST:8080", true),
            ("127.0.0.1:1", true),
            ("[::1]:9", true),
            ("[::1]", true),
            ("127.0.0.2", true),
            ("box.example:443", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("localhost:80@evil.example", false),
            ("localhost.", false),
            ("", false),
        ] {
            assert_eq!(access.host_is_known(host), known, "{host}");
        }
        let everywhere = Access::new(None, Some("0.0.0.0:80".parse().unwrap()), &[]);
        assert!(everywhere.host_is_known("any.example"));
        let named = Access::new(
            None,
            Some("0.0.0.0:80".parse().unwrap()),
            &["one.example".to_owned()],
        );
        assert!(!named.host_is_known("any.example"));
    }

    #[test]
    fn on_the_socket_the_peer_counts_and_not_what_it_sends() {
        let access = Access::new(Some(ApiKey::new("key").unwrap().digest()), None, &[]);
        let verdict = |peer: Option<Peer>, key: &str| {
            let mut request = Request::builder()
                .uri("/capabilities")
                .header(HOST, "localhost")
                .header("x-api-key", key)
                .body(axum::body::Body::empty())
                .unwrap();
            request.extensions_mut().extend(
                peer.map(|peer| {
                    let mut extensions = axum::http::Extensions::new();
                    extensions.insert(peer);
                    extensions
                })
                .unwrap_or_default(),
            );
            check(&access, &request, 0).map_err(|failure| failure.into_response().status().as_u16())
        };
        assert_eq!(verdict(Some(Peer::Owner), "wrong"), Ok(()));
        assert_eq!(verdict(Some(Peer::Stranger), "key"), Err(403));
        assert_eq!(verdict(Some(Peer::Network), "key"), Ok(()));
        assert_eq!(verdict(None, "wrong"), Err(401));
    }

    #[test]
    fn credentials_are_bearer_or_the_password_of_basic() {
        let basic = format!("Basic {}", STANDARD.encode("anyone:a:b"));
        for (value, expected) in [
            ("Bearer abc", Some("abc")),
            ("bearer abc", Some("abc")),
            ("Bearer ", Some("")),
            ("Bearer", None),
            (basic.as_str(), Some("a:b")),
            ("Basic !!!", None),
            ("Digest abc", None),
        ] {
            assert_eq!(
                credential(value.as_bytes()),
                expected.map(|text| text.as_bytes().to_vec()),
                "{value}"
            );
        }
    }
}
