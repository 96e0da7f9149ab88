//! Who may read: the checks that come before any route.
//!
//! On loopback the danger is a web page in this host's browser that reaches the port through a name of
//! its own (DNS rebinding), so the `Host` must not be a name. Wider than loopback it is everyone else,
//! so a token is asked for. Both are checked on every route, save that the two probes, which carry no
//! detail, need no token.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::config::{ServerConfig, Token};

/// What the checks need to know.
#[derive(Debug)]
pub(crate) struct Guard {
    token: Option<Token>,
    /// Whether only this host can reach the server.
    is_loopback: bool,
}

impl Guard {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        Self {
            token: config.token.clone(),
            is_loopback: config.is_loopback(),
        }
    }
}

/// Lets a request through or answers it.
pub(crate) async fn check(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    match verdict(&guard, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// It does not say, or says twice, or not readably, which host it is for.
    Host,
    /// It is for a name, and names can be made to point here.
    Rebinding,
    /// It carries no token, or a wrong one.
    Token,
}

fn verdict(guard: &Guard, request: &Request) -> Result<(), Refusal> {
    if guard.is_loopback {
        check_host(request)?;
    }
    match &guard.token {
        Some(token) if !is_probe(request.uri().path()) => check_token(token, request.headers()),
        _ => Ok(()),
    }
}

fn is_probe(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz")
}

/// Load balancers speak HTTP/1.0 without a `Host`; browsers never do, so that may pass.
fn check_host(request: &Request) -> Result<(), Refusal> {
    if let Some(authority) = request.uri().authority() {
        check_authority(authority)?;
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_10 => Ok(()),
        (Some(host), None) => {
            let authority = Authority::try_from(host.as_bytes()).map_err(|_| Refusal::Host)?;
            check_authority(&authority)
        }
        _ => Err(Refusal::Host),
    }
}

fn check_authority(authority: &Authority) -> Result<(), Refusal> {
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let is_local = host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok();
    if is_local {
        Ok(())
    } else {
        Err(Refusal::Rebinding)
    }
}

fn check_token(token: &Token, headers: &HeaderMap) -> Result<(), Refusal> {
    let presented = headers
        .get(AUTHORIZATION)
        .and_then(|value| bearer(value.as_bytes()));
    match presented {
        Some(presented) if token.matches(presented) => Ok(()),
        _ => Err(Refusal::Token),
    }
}

/// The token in an `Authorization` header; the scheme's name has no case (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Host => (
                StatusCode::BAD_REQUEST,
                "a request needs exactly one readable Host header\n",
            )
                .into_response(),
            Self::Rebinding => (
                StatusCode::MISDIRECTED_REQUEST,
                "this server listens on loopback and answers only to localhost or an IP address as \
                 Host, so that no web page can reach it through a name of its own\n\
                 hint: use http://127.0.0.1 and the port, or listen wider and set a token\n",
            )
                .into_response(),
            Self::Token => (
                StatusCode::UNAUTHORIZED,
                [(WWW_AUTHENTICATE, "Bearer realm=\"loopscope\"")],
                "a token is required\nhint: send `Authorization: Bearer TOKEN`\n",
            )
                .into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(target: &str, hosts: &[&str], version: Version) -> Request {
        let mut request = Request::builder().uri(target).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(Body::empty()).unwrap()
    }

    #[track_caller]
    fn check(hosts: &[&str], expected: Result<(), Refusal>) {
        assert_eq!(
            check_host(&request("/health", hosts, Version::HTTP_11)),
            expected,
            "{hosts:?}"
        );
    }

    #[test]
    fn addresses_and_localhost_may_be_the_host() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:14159",
            "[::1]:80",
            "localhost",
            "LocalHost:1",
            "10.0.0.7",
        ] {
            check(&[host], Ok(()));
        }
    }

    #[test]
    fn names_may_not_be_the_host() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io:80",
            "localhost.x",
        ] {
            check(&[host], Err(Refusal::Rebinding));
        }
    }

    #[test]
    fn a_missing_doubled_or_unreadable_host_is_refused() {
        check(&[], Err(Refusal::Host));
        check(&["localhost", "localhost"], Err(Refusal::Host));
        check(&["local host"], Err(Refusal::Host));
        check(&[""], Err(Refusal::Host));
    }

    #[test]
    fn http_1_0_needs_no_host() {
        assert_eq!(
            check_host(&request("/health", &[], Version::HTTP_10)),
            Ok(())
        );
    }

    #[test]
    fn the_host_in_an_absolute_target_counts_too() {
        let request = request(
            "http://evil.example/health",
            &["localhost"],
            Version::HTTP_11,
        );
        assert_eq!(check_host(&request), Err(Refusal::Rebinding));
    }

    #[test]
    fn only_the_bearer_scheme_carries_a_token() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        assert_eq!(bearer(b"Basic abc"), None);
        assert_eq!(bearer(b"Bearer"), None);
        assert_eq!(bearer(b""), None);
    }
}
