//! Why a load could not be started, each with the next step.

use std::io;

use thiserror::Error;

/// Why a load could not be started.
#[derive(Debug, Error)]
pub enum LoadError {
    /// What was given as an address is none.
    #[error("not an address ({why}): {address}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// The host's name is not known.
    #[error("the host's name is not known ({source}): {host}")]
    Name {
        /// The name.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// A method, path or header is none that HTTP can carry.
    #[error("HTTP cannot carry this {part} ({why}): {text}")]
    Request {
        /// `method`, `path` or `header`.
        part: &'static str,
        /// What is wrong with it.
        why: String,
        /// What was given.
        text: String,
    },
    /// A number of senders, a rate or a length of time is out of range.
    #[error("{what} must be between {least} and {most}, and is {given}")]
    Range {
        /// Which.
        what: &'static str,
        /// What was given.
        given: f64,
        /// The least.
        least: f64,
        /// The most.
        most: f64,
    },
    /// There is no way to encrypt a connection.
    #[error("cannot prepare encrypted connections ({0})")]
    Tls(String),
    /// The system gives no thread, timer or runtime.
    #[error("cannot start sending ({0})")]
    System(#[from] io::Error),
}

impl LoadError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Address { .. } => {
                "write it as http://HOST:PORT or https://HOST:PORT".to_owned()
            }
            Self::Name { host, .. } => format!("look the name up with `getent hosts {host}`"),
            Self::Request { part: "header", .. } => {
                "write a header as 'Name: value'".to_owned()
            }
            Self::Request { .. } => {
                "write a request as METHOD PATH, such as GET /orders; what HTTP does not allow in a path is \
                 written as %20 and the like"
                    .to_owned()
            }
            Self::Range { .. } => "give it a value in that range".to_owned(),
            Self::Tls(_) => {
                "name the authority of the certificate: SSL_CERT_FILE=ca.pem".to_owned()
            }
            Self::System(_) => "see what this user may use with `ulimit -a`".to_owned(),
        }
    }
}
