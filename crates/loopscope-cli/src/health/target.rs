//! The address that is asked: what a person types, made whole.

use std::fmt;
use std::net::IpAddr;

use ureq::http::Uri;
use ureq::http::uri::PathAndQuery;

/// A complete `http` or `https` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target(Uri);

/// Completes an address: a missing scheme is `http`, a missing path `/health`.
pub(crate) fn parse(text: &str) -> Result<Target, String> {
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let uri: Uri = whole
        .parse()
        .map_err(|error| format!("not an address: {error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("expected http:// or https://".to_owned());
    }
    let authority = uri
        .authority()
        .map(|authority| authority.as_str())
        .unwrap_or_default();
    if authority.contains('@') {
        return Err("an address carries no credentials; use LOOPSCOPE_TOKEN".to_owned());
    }
    with_path(uri).map(Target)
}

fn with_path(uri: Uri) -> Result<Uri, String> {
    if uri.path() != "/" {
        return Ok(uri);
    }
    let path = match uri.query() {
        Some(query) => format!("/health?{query}"),
        None => "/health".to_owned(),
    };
    let mut parts = uri.into_parts();
    parts.path_and_query = PathAndQuery::try_from(path).ok();
    Uri::from_parts(parts).map_err(|error| format!("not an address: {error}"))
}

impl Target {
    /// The address for a request.
    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    /// The host without brackets.
    pub(crate) fn host(&self) -> &str {
        self.0
            .host()
            .unwrap_or_default()
            .trim_start_matches('[')
            .trim_end_matches(']')
    }

    /// Whether it is this host, which no proxy can reach.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host().eq_ignore_ascii_case("localhost")
            || self
                .host()
                .parse::<IpAddr>()
                .is_ok_and(|ip| ip.to_canonical().is_loopback())
    }

    /// Another path of the same server.
    pub(crate) fn with_path(&self, path: &'static str) -> Self {
        let mut parts = self.0.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::from_static(path));
        // Of an address that is whole with one path, it is with another.
        Self(Uri::from_parts(parts).unwrap_or_else(|_| self.0.clone()))
    }

    /// The same address with another scheme, for hints.
    pub(crate) fn with_scheme(&self, scheme: &str) -> String {
        let rest = self.0.to_string();
        let rest = rest
            .split_once("://")
            .map_or(rest.as_str(), |(_, rest)| rest);
        format!("{scheme}://{rest}")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_in_an_address_is_added() {
        for (typed, whole) in [
            ("localhost:14159", "http://localhost:14159/health"),
            ("127.0.0.1", "http://127.0.0.1/health"),
            ("http://shop:80/", "http://shop:80/health"),
            ("https://shop", "https://shop/health"),
            (
                "https://shop/internal/health",
                "https://shop/internal/health",
            ),
            ("[::1]:14159", "http://[::1]:14159/health"),
            ("http://shop?full=1", "http://shop/health?full=1"),
        ] {
            assert_eq!(parse(typed).unwrap().to_string(), whole, "{typed}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for typed in [
            "",
            "http://",
            "ftp://shop",
            "file:///etc/passwd",
            "a b",
            "http://me:pw@shop",
        ] {
            assert!(parse(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn this_host_is_told_from_others() {
        for typed in [
            "localhost",
            "127.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "LOCALHOST:1",
        ] {
            assert!(parse(typed).unwrap().is_loopback(), "{typed}");
        }
        for typed in ["shop", "10.0.0.1", "localhost.evil.example"] {
            assert!(!parse(typed).unwrap().is_loopback(), "{typed}");
        }
    }
}
