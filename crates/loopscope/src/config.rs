//! What is to be watched, and how.

use std::env;
use std::time::Duration;

use loopscope_recorder::environment;

/// Where to listen, such as `127.0.0.1:14159`; `off` for nowhere.
const LISTEN: &str = "LOOPSCOPE_LISTEN";

/// What a reader must present.
const TOKEN: &str = "LOOPSCOPE_TOKEN";

/// A stall from this many milliseconds on is a blocked loop.
const BLOCKED_THRESHOLD_MS: &str = "LOOPSCOPE_BLOCKED_THRESHOLD_MS";

const BLOCKED_THRESHOLD: Duration = Duration::from_secs(5);

/// What [`crate::install`] is told. The same names and defaults as for the Python package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) service: String,
    pub(crate) listen: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) monitor: bool,
    pub(crate) stall_threshold: Duration,
    pub(crate) blocked_threshold: Duration,
    pub(crate) slow_threshold: Duration,
}

impl Config {
    /// As the environment says: `LOOPSCOPE_SERVICE` (else the program's name), `LOOPSCOPE_LISTEN`,
    /// `LOOPSCOPE_TOKEN`, `LOOPSCOPE_STALL_THRESHOLD_MS` (100), `LOOPSCOPE_BLOCKED_THRESHOLD_MS` (5000),
    /// `LOOPSCOPE_SLOW_CALL_THRESHOLD_MS` (2000). A threshold that is no number of milliseconds between one and a
    /// day is left out. Reads the environment, so call it before other threads change that.
    pub fn from_env() -> Self {
        let millis = |name: &str, default: Duration| {
            let given = text(name).and_then(|value| value.parse::<u64>().ok());
            let given = given.filter(|millis| (1..=86_400_000).contains(millis));
            given.map_or(default, Duration::from_millis)
        };
        Self {
            service: text(environment::SERVICE).unwrap_or_else(program_name),
            listen: text(LISTEN).filter(|listen| listen != "off"),
            token: text(TOKEN),
            monitor: true,
            stall_threshold: millis(
                environment::STALL_THRESHOLD_MS,
                Duration::from_nanos(environment::DEFAULT_STALL_THRESHOLD_NANOS),
            ),
            blocked_threshold: millis(BLOCKED_THRESHOLD_MS, BLOCKED_THRESHOLD),
            slow_threshold: millis(
                environment::SLOW_CALL_THRESHOLD_MS,
                Duration::from_nanos(environment::DEFAULT_SLOW_CALL_THRESHOLD_NANOS),
            ),
        }
    }

    /// The service's name in reports.
    #[must_use]
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = name.into();
        self
    }

    /// Where a native thread answers `/health`, `/livez` and `/readyz`: an address and a port, 0 for any that is
    /// free. Wider than this host needs a [`Self::token`]. Under `loopscope run` the supervisor answers instead.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = Some(address.into());
        self
    }

    /// What a reader must present.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Whether this process judges what it records, on native threads of its own. With `false` it only records,
    /// for `loopscope recordings` and `postmortem`.
    #[must_use]
    pub fn monitor(mut self, judges: bool) -> Self {
        self.monitor = judges;
        self
    }

    /// From which time on a poll is a stall. Default 100 ms. Under `loopscope run` the supervisor's holds.
    #[must_use]
    pub fn stall_threshold(mut self, threshold: Duration) -> Self {
        self.stall_threshold = threshold;
        self
    }

    /// From which time on a stalled worker is blocked, which is critical. Default 5 s. Under `loopscope run` the
    /// supervisor's holds.
    #[must_use]
    pub fn blocked_threshold(mut self, threshold: Duration) -> Self {
        self.blocked_threshold = threshold;
        self
    }
}

fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn program_name() -> String {
    let program = env::current_exe().ok();
    let name = program.as_ref().and_then(|path| path.file_name());
    name.map_or_else(
        || "rust".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_stands_before_what_the_environment_says() {
        let config = Config::from_env()
            .service("bots")
            .listen("127.0.0.1:0")
            .stall_threshold(Duration::from_millis(50));
        assert_eq!(config.service, "bots");
        assert_eq!(config.listen.as_deref(), Some("127.0.0.1:0"));
        assert_eq!(config.stall_threshold, Duration::from_millis(50));
        assert_eq!(config.blocked_threshold, BLOCKED_THRESHOLD);
    }
}
