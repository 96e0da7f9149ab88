//! The address of a service: what a person types, checked and taken apart.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use http::Uri;

use crate::error::LoadError;

/// Where a service listens, and whether its connections are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether the scheme is `https`.
    pub secure: bool,
    /// The host, an address of version 6 without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Address {
    /// Reads an address; a missing scheme is `http`. Returns it with its path and query, `/` where there is none.
    ///
    /// # Errors
    ///
    /// [`LoadError::Address`] where it is none, has credentials in it, or another scheme than `http` and `https`.
    pub fn parse(text: &str) -> Result<(Self, String), LoadError> {
        let refused = |why: &str| LoadError::Address {
            address: text.to_owned(),
            why: why.to_owned(),
        };
        let whole = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let uri: Uri = whole
            .parse()
            .map_err(|error: http::uri::InvalidUri| refused(&error.to_string()))?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(refused("expected http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| refused("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(refused(
                "an address carries no credentials; send them with --header",
            ));
        }
        let host = authority.host().trim_start_matches('[');
        let host = host.trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(refused("it names no host"));
        }
        let usual = if secure { 443 } else { 80 };
        // Of a port that is none the parser says that there is none.
        let names_port = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            None if names_port => return Err(refused("its port is none")),
            port => port.unwrap_or(usual),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        Ok((Self { secure, host, port }, path))
    }

    /// The addresses that its name stands for, in the order of the system.
    ///
    /// # Errors
    ///
    /// [`LoadError::Name`] where the name is not known. Waits for the system's resolver.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>, LoadError> {
        let unknown = |source| LoadError::Name {
            host: self.host.clone(),
            source,
        };
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let found: Vec<_> = found.map_err(unknown)?.collect();
        if found.is_empty() {
            let none = std::io::Error::new(std::io::ErrorKind::NotFound, "it has no address");
            return Err(unknown(none));
        }
        Ok(found)
    }

    /// What stands in a request's `Host` header: with the port where it is not the usual one.
    pub fn authority(&self) -> String {
        let host = match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(_)) => format!("[{}]", self.host),
            _ => self.host.clone(),
        };
        let usual = if self.secure { 443 } else { 80 };
        if self.port == usual {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_in_an_address_is_added() {
        for (typed, whole, path) in [
            ("127.0.0.1:8000", "http://127.0.0.1:8000", "/"),
            ("shop", "http://shop", "/"),
            ("https://shop/a/b?c=d", "https://shop", "/a/b?c=d"),
            ("https://shop:443", "https://shop", "/"),
            ("http://[::1]:80/x", "http://[::1]", "/x"),
            ("[::1]:14159", "http://[::1]:14159", "/"),
            ("http://shop?x=1", "http://shop", "/?x=1"),
        ] {
            let (address, at) = Address::parse(typed).unwrap();
            assert_eq!((address.to_string().as_str(), at.as_str()), (whole, path));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for typed in [
            "",
            "http://",
            "ftp://shop",
            "http://me:pw@shop",
            "a b",
            "http://:80",
            "shop:99999",
            "shop:",
        ] {
            assert!(Address::parse(typed).is_err(), "{typed}");
        }
    }
}
