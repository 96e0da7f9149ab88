//! Why a look brought no report, each with the next command to try.

use std::io;
use std::time::Duration;

use thiserror::Error;
use ureq::http::StatusCode;

use super::look::MAX_BODY_BYTES;
use super::target::Target;
use crate::screen::Text;
use crate::screen::format;

/// Why a look brought no report.
#[derive(Debug, Error)]
#[error("{problem}: {target}")]
pub(crate) struct LookError {
    pub(crate) problem: Problem,
    pub(crate) target: Target,
}

/// What went wrong.
#[derive(Debug, Error)]
pub(crate) enum Problem {
    #[error("connection refused")]
    Refused,
    #[error("no answer within {}", format::seconds(.0.as_secs_f64()))]
    TimedOut(Duration),
    #[error("the host's name is not known")]
    UnknownHost,
    #[error("no secure connection ({0})")]
    Tls(Text),
    #[error("the connection failed ({0})")]
    Broken(Text),
    #[error("the server wants a token")]
    TokenWanted,
    #[error("the server does not take this token")]
    TokenRefused,
    #[error("the token holds characters that no header can carry")]
    TokenUnusable,
    #[error("the server answered {status} instead of a report ({says})")]
    Status { status: StatusCode, says: Text },
    #[error("the answer is not JSON (it begins with {0})")]
    NotJson(Text),
    #[error("the answer is JSON, but not a Loopscope report ({0})")]
    NotLoopscope(Text),
    #[error("the answer is larger than {} MiB", MAX_BODY_BYTES / (1024 * 1024))]
    TooLarge,
}

impl Problem {
    /// Sorts what the HTTP client says.
    pub(crate) fn of(error: ureq::Error, timeout: Duration) -> Self {
        match error {
            ureq::Error::Timeout(_) => Self::TimedOut(timeout),
            ureq::Error::HostNotFound => Self::UnknownHost,
            ureq::Error::BodyExceedsLimit(_) => Self::TooLarge,
            ureq::Error::Tls(reason) => Self::Tls(Text::new(reason)),
            ureq::Error::Rustls(reason) => Self::Tls(Text::new(&reason.to_string())),
            // The address was checked before, so only the token can be what makes no request.
            ureq::Error::Http(_) => Self::TokenUnusable,
            ureq::Error::Io(error) => Self::of_io(&error, timeout),
            other => Self::Broken(Text::new(&other.to_string())),
        }
    }

    /// The TLS library hands its errors on inside of the system's.
    fn of_io(error: &io::Error, timeout: Duration) -> Self {
        let says = Text::new(&error.to_string());
        let is_tls = error
            .get_ref()
            .is_some_and(|inner| inner.is::<rustls::Error>());
        match error.kind() {
            _ if is_tls => Self::Tls(says),
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::TimedOut(timeout),
            _ => Self::Broken(says),
        }
    }
}

impl LookError {
    /// What to do next.
    pub(crate) fn hint(&self) -> String {
        match &self.problem {
            Problem::Refused if self.target.is_loopback() => {
                "start the service with `loopscope run -- COMMAND`, or name the address that it \
                 listens on: `loopscope health HOST:PORT`"
                    .to_owned()
            }
            Problem::Refused | Problem::Broken(_) => format!(
                "see whether anything listens there with `curl -v {}`",
                self.target
            ),
            Problem::TimedOut(_) => format!(
                "wait longer with `loopscope health {} --timeout 30`, or see where it hangs with \
                 `curl -v {0}`",
                self.target
            ),
            Problem::UnknownHost => {
                format!(
                    "look the name up with `getent hosts {}`",
                    self.target.host()
                )
            }
            Problem::Tls(_) => format!(
                "if the server speaks plain HTTP, try `loopscope health {}`; if its certificate is \
                 your own, name its authority: `SSL_CERT_FILE=ca.pem loopscope health {}`",
                self.target.with_scheme("http"),
                self.target
            ),
            Problem::TokenWanted | Problem::TokenRefused | Problem::TokenUnusable => {
                format!("try `LOOPSCOPE_TOKEN=… loopscope health {}`", self.target)
            }
            Problem::Status { .. } | Problem::NotJson(_) | Problem::NotLoopscope(_) => format!(
                "see what answers there with `curl -i {}`; Loopscope's own path is /health",
                self.target
            ),
            Problem::TooLarge => {
                format!(
                    "see what answers there with `curl -s {} | head -c 1000`",
                    self.target
                )
            }
        }
    }
}
