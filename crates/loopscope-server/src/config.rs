//! What the server is told before it starts: where to listen, who may read, and its limits.
//!
//! Plain values, checked where they are made. Nothing here opens a socket.

use std::fmt;
use std::net::{AddrParseError, SocketAddr};
use std::time::Duration;

use subtle::ConstantTimeEq;

use crate::error::TokenError;

/// Where to listen and who may read.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The address; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// What a reader must present. Required when `listen` is reachable from other hosts.
    pub token: Option<Token>,
    /// How much one client, or all of them, may use.
    pub limits: Limits,
}

impl ServerConfig {
    /// A configuration without a token and with the default limits.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            token: None,
            limits: Limits::default(),
        }
    }

    /// Whether only this host can reach the address. `::ffff:127.0.0.1` is loopback too.
    pub(crate) fn is_loopback(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback()
    }
}

/// The address that a person wrote: `127.0.0.1:80`, `[::1]:80`, `localhost:80`, or `:80` for loopback.
///
/// # Errors
/// Where it is none.
pub fn parse_address(text: &str) -> Result<SocketAddr, AddrParseError> {
    let with_host = if text.starts_with(':') {
        format!("127.0.0.1{text}")
    } else {
        text.to_owned()
    };
    with_host.replacen("localhost:", "127.0.0.1:", 1).parse()
}

/// How much the clients may use, so that none of them can exhaust the process that serves them.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time. One more closes the oldest: a request is answered in well under a
    /// millisecond, so the oldest connection is idle or a client that withholds its request.
    pub max_connections: usize,
    /// How long a client may take to send the head of a request, and how long a kept connection may
    /// stay silent.
    pub header_read: Duration,
    /// How long one connection may last. Ends clients that send requests and never read the answers.
    pub connection_lifetime: Duration,
}

impl Default for Limits {
    /// 512 connections leave half of the usual 1,024 descriptors to the rest of the process.
    fn default() -> Self {
        Self {
            max_connections: 512,
            header_read: Duration::from_secs(5),
            connection_lifetime: Duration::from_secs(60),
        }
    }
}

/// A bearer token. Never shown by `Debug`.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The shortest token that is taken. The server does not slow down guessing, so the token has to
    /// withstand it.
    pub const MIN_LENGTH: usize = 16;

    /// Checks that `value` can travel in an `Authorization` header (RFC 6750, section 2.1) and is long
    /// enough.
    pub fn new(value: impl Into<String>) -> Result<Self, TokenError> {
        let value = value.into();
        if let Some(found) = value.chars().find(|&c| !is_token_char(c)) {
            return Err(TokenError::Character { found });
        }
        if value.len() < Self::MIN_LENGTH {
            return Err(TokenError::TooShort {
                length: value.len(),
            });
        }
        Ok(Self(value))
    }

    /// Compares in a time that does not depend on where the two differ.
    pub(crate) fn matches(&self, presented: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(presented).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~+/=".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_shown() {
        let token = Token::new("0123456789abcdef").unwrap();
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn a_token_that_cannot_travel_or_can_be_guessed_is_refused() {
        assert_eq!(
            Token::new("short").unwrap_err(),
            TokenError::TooShort { length: 5 }
        );
        assert_eq!(
            Token::new("0123456789 abcdef").unwrap_err(),
            TokenError::Character { found: ' ' }
        );
        assert_eq!(
            Token::new("").unwrap_err(),
            TokenError::TooShort { length: 0 }
        );
    }

    #[test]
    fn only_the_same_token_matches() {
        let token = Token::new("0123456789abcdef").unwrap();
        assert!(token.matches(b"0123456789abcdef"));
        assert!(!token.matches(b"0123456789abcdeF"));
        assert!(!token.matches(b"0123456789abcde"));
        assert!(!token.matches(b""));
    }

    #[test]
    fn a_mapped_loopback_address_is_loopback() {
        let loopback = |listen: &str| ServerConfig::new(listen.parse().unwrap()).is_loopback();
        assert!(loopback("127.0.0.1:0") && loopback("[::1]:0") && loopback("[::ffff:127.0.0.1]:0"));
        assert!(!loopback("0.0.0.0:0") && !loopback("[::]:0") && !loopback("10.0.0.1:0"));
    }
}
