//! Why the server could not start, each with the next command to try.
//!
//! Errors of single requests are answers, not values: see `routes` and `guard`.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use crate::config::Token;

/// Why the server could not start.
#[derive(Debug, Error)]
pub enum ServerError {
    /// Other hosts could read the report, and nothing would keep them from it.
    #[error("a token is required to listen wider than loopback: {listen}")]
    TokenRequired {
        /// The address that was asked for.
        listen: SocketAddr,
    },
    /// The address could not be taken.
    #[error("cannot listen: {source}: {listen}")]
    Bind {
        /// The address that was asked for.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The runtime or its thread could not be made.
    #[error("cannot start the thread that serves http: {0}")]
    Thread(#[source] io::Error),
}

impl ServerError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::TokenRequired { listen } => format!(
                "set LOOPSCOPE_TOKEN to a secret (`openssl rand -hex 32`), or listen on 127.0.0.1:{}",
                listen.port()
            ),
            Self::Bind { listen, source } => bind_hint(*listen, source.kind()),
            Self::Thread(_) => {
                "check the limits on processes and descriptors with `ulimit -u -n`".to_owned()
            }
        }
    }
}

fn bind_hint(listen: SocketAddr, kind: io::ErrorKind) -> String {
    match kind {
        io::ErrorKind::AddrInUse => format!(
            "see who has it with `ss -ltnp 'sport = :{}'`, or pass `--listen {}`",
            listen.port(),
            SocketAddr::new(listen.ip(), 0)
        ),
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege; pass `--listen 127.0.0.1:14159`".to_owned()
        }
        _ => "list this host's addresses with `ip -brief address`".to_owned(),
    }
}

/// Why a token is not taken.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It cannot travel in an `Authorization` header.
    #[error("a token holds only letters, digits and -._~+/=, found {found:?}")]
    Character {
        /// The first character that is not allowed.
        found: char,
    },
    /// It could be guessed.
    #[error(
        "a token needs at least {} characters, found {length}",
        Token::MIN_LENGTH
    )]
    TooShort {
        /// How long it is.
        length: usize,
    },
}

impl TokenError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        "make one with `openssl rand -hex 32`"
    }
}
