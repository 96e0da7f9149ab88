//! Why a request got no answer, sorted.

use std::error::Error;
use std::io;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a request got no answer.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Nothing listens at the address.
    Refused,
    /// There is no way to the host.
    Unreachable,
    /// The connection was reset.
    Reset,
    /// The connection was closed before the answer was whole.
    Closed,
    /// The answer was not whole in time.
    TimedOut,
    /// There was no secure connection to be had.
    Tls,
    /// What came is no HTTP.
    Protocol,
    /// In open loop: it could not be sent within the time that an answer may take, since every connection was
    /// waiting for one.
    Dropped,
    /// This host gives no more files or ports: the sender's limit, not the service's.
    Local,
    /// Anything else.
    Other,
}

impl FailureKind {
    /// As people say it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Refused => "connection refused",
            Self::Unreachable => "host out of reach",
            Self::Reset => "connection reset",
            Self::Closed => "closed before the answer was whole",
            Self::TimedOut => "no answer in time",
            Self::Tls => "no secure connection",
            Self::Protocol => "no HTTP",
            Self::Dropped => "not sent in time",
            Self::Local => "no more files or ports on this host",
            Self::Other => "another error",
        }
    }

    /// Whether there was no connection to be had.
    pub(crate) fn is_of_connecting(self) -> bool {
        matches!(
            self,
            Self::Refused | Self::Unreachable | Self::Tls | Self::Local
        )
    }

    pub(crate) fn of_io(error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        let is_tls = error
            .get_ref()
            .is_some_and(|inner| inner.is::<rustls::Error>());
        match error.kind() {
            _ if is_tls => Self::Tls,
            Kind::ConnectionRefused => Self::Refused,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => {
                Self::Unreachable
            }
            Kind::ConnectionReset | Kind::BrokenPipe | Kind::ConnectionAborted => Self::Reset,
            Kind::UnexpectedEof | Kind::NotConnected => Self::Closed,
            Kind::TimedOut => Self::TimedOut,
            Kind::AddrNotAvailable | Kind::AddrInUse => Self::Local,
            _ if is_out_of_files(error) => Self::Local,
            _ => Self::Other,
        }
    }

    pub(crate) fn of_http(error: &hyper::Error) -> Self {
        let mut is_end = true;
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return Self::of_io(error);
            }
            if let Some(error) = error.downcast_ref::<hyper::Error>() {
                // What is cancelled for a reason has that for its source.
                is_end &= error.is_incomplete_message() || error.is_closed() || error.is_canceled();
            }
            cause = error.source();
        }
        // Else what came cannot be parsed, or came unasked.
        if is_end { Self::Closed } else { Self::Protocol }
    }
}

/// Neither this process nor this host has a descriptor left.
fn is_out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let limits = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error
        .raw_os_error()
        .is_some_and(|code| limits.iter().any(|limit| limit.raw_os_error() == code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_are_told_apart() {
        use rustix::io::Errno;
        for (errno, kind) in [
            (Errno::CONNREFUSED, FailureKind::Refused),
            (Errno::CONNRESET, FailureKind::Reset),
            (Errno::PIPE, FailureKind::Reset),
            (Errno::HOSTUNREACH, FailureKind::Unreachable),
            (Errno::TIMEDOUT, FailureKind::TimedOut),
            (Errno::MFILE, FailureKind::Local),
            (Errno::ADDRNOTAVAIL, FailureKind::Local),
            (Errno::IO, FailureKind::Other),
        ] {
            assert_eq!(FailureKind::of_io(&errno.into()), kind, "{errno:?}");
        }
    }
}
