//! What `loopscope run` is told on its command line and by its environment.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::health::duration;

/// Where the health endpoint listens when nothing is said.
pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:14159";

/// Run a program and watch its event loops.
///
/// Every epoll loop of the program and of all its descendants is watched, with no change to it. Findings
/// go to stderr, one line each. Signals are passed on, and so is the exit code.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Environment:\n  \
    LOOPSCOPE_STALL_THRESHOLD_MS    a busy period this long is a stall (default 100)\n  \
    LOOPSCOPE_BLOCKED_THRESHOLD_MS  a stall this long is a blocked loop (default 5000)\n  \
    LOOPSCOPE_RUNTIME_DIR           where recordings are kept\n\n\
    Exit codes: the target's own; 128+N when signal N killed it; 126 and 127 when it could not be started.")]
pub(crate) struct RunArgs {
    /// Where /health, /livez and /readyz are served, or `off` [default: 127.0.0.1:14159]
    #[arg(long, env = "LOOPSCOPE_LISTEN")]
    pub(crate) listen: Option<Listen>,

    /// The service's name in reports [default: the program's]
    #[arg(long, env = "LOOPSCOPE_SERVICE")]
    pub(crate) service: Option<String>,

    /// Write the final report, with every incident of the run, to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,

    /// Keep serving the last state for so long after the program ended: 10, 10s, 1m
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) linger: Option<Duration>,

    /// What a reader must present; needed to listen beyond this host
    #[arg(long, env = "LOOPSCOPE_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,

    /// A busy period this long is a stall
    #[arg(long, env = "LOOPSCOPE_STALL_THRESHOLD_MS", default_value_t = 100, hide = true, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub(crate) stall_threshold_ms: u64,

    /// A stall this long is a blocked loop
    #[arg(long, env = "LOOPSCOPE_BLOCKED_THRESHOLD_MS", default_value_t = 5_000, hide = true, value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub(crate) blocked_threshold_ms: u64,

    /// The program and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    pub(crate) command: Vec<OsString>,
}

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    /// Nowhere.
    Off,
    /// There.
    At(SocketAddr),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let with_host = if text.starts_with(':') {
            format!("127.0.0.1{text}")
        } else {
            text.to_owned()
        };
        let address = with_host.replacen("localhost:", "127.0.0.1:", 1);
        address.parse().map(Self::At).map_err(|_| {
            format!("not an address and port, such as {DEFAULT_LISTEN}, and not `off`: {text}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_takes_an_address_a_port_or_off() {
        assert_eq!("off".parse(), Ok(Listen::Off));
        assert_eq!(
            ":80".parse(),
            Ok(Listen::At("127.0.0.1:80".parse().unwrap()))
        );
        assert_eq!(
            "localhost:81".parse(),
            Ok(Listen::At("127.0.0.1:81".parse().unwrap()))
        );
        assert_eq!(
            "[::1]:82".parse(),
            Ok(Listen::At("[::1]:82".parse().unwrap()))
        );
        assert!(
            "everywhere"
                .parse::<Listen>()
                .unwrap_err()
                .ends_with("everywhere")
        );
    }
}
