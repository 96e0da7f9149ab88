//! What `loopscope run` is told on its command line and by its environment.
//!
//! The command line must make sense. The environment may be meant for others or be left over: what is
//! empty counts as unset there, and what cannot be used is said and left out. It keeps no target from
//! starting.

use std::env;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use loopscope_engine::config::Config;
use loopscope_engine::time::Nanos;
use loopscope_postgres::Target;
use loopscope_recorder::environment::{SERVICE, STALL_THRESHOLD_MS};
use loopscope_server::{Token, parse_address};

use crate::health::duration;
use crate::messages::complain;

/// Where the health endpoint listens when nothing is said.
pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:14159";

const LISTEN: &str = "LOOPSCOPE_LISTEN";
const TOKEN: &str = "LOOPSCOPE_TOKEN";
const POSTGRES: &str = "LOOPSCOPE_POSTGRES";
const BLOCKED_THRESHOLD_MS: &str = "LOOPSCOPE_BLOCKED_THRESHOLD_MS";
const SLOW_MODEL_CALL_THRESHOLD_MS: &str = "LOOPSCOPE_SLOW_MODEL_CALL_THRESHOLD_MS";

/// Stall thresholds that make sense, in milliseconds; up to an hour.
const STALL_THRESHOLDS_MS: RangeInclusive<u64> = 1..=3_600_000;

/// Blocked thresholds that make sense, in milliseconds; up to a day.
const BLOCKED_THRESHOLDS_MS: RangeInclusive<u64> = 1..=86_400_000;

/// Thresholds for calls of models that make sense, in milliseconds; up to a day.
const SLOW_MODEL_CALL_THRESHOLDS_MS: RangeInclusive<u64> = 1..=86_400_000;

/// Run a program and watch its event loops.
///
/// Every epoll loop of the program and of all its descendants is watched, with no change to it. Findings
/// go to stderr, one line each. Signals are passed on, and so is the exit code.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Environment, where the command line says nothing:\n  \
    LOOPSCOPE_LISTEN                as --listen\n  \
    LOOPSCOPE_SERVICE               as --service\n  \
    LOOPSCOPE_TOKEN                 as --token\n  \
    LOOPSCOPE_STALL_THRESHOLD_MS    a busy period this long is a stall (default 100)\n  \
    LOOPSCOPE_BLOCKED_THRESHOLD_MS  a stall this long is a blocked loop (default 5000)\n  \
    LOOPSCOPE_UNTRACKED             as --untracked\n  \
    LOOPSCOPE_POSTGRES              as --postgres\n  \
    LOOPSCOPE_SLOW_CALL_THRESHOLD_MS\n                                  \
    a tracked call this long is slow (default 2000)\n  \
    LOOPSCOPE_SLOW_MODEL_CALL_THRESHOLD_MS\n                                  \
    the same for models, agents and HTTP requests (default 30000)\n  \
    LOOPSCOPE_RUNTIME_DIR           where recordings are kept\n\n\
    Exit codes: the target's own; 128+N when signal N killed it; 126 and 127 when it could not be started.")]
pub(crate) struct RunArgs {
    /// Where /health, /livez and /readyz are served, or `off` [default: 127.0.0.1:14159]
    #[arg(long)]
    pub(crate) listen: Option<Listen>,

    /// The service's name in reports [default: the program's]
    #[arg(long)]
    pub(crate) service: Option<String>,

    /// Write the final report, with every incident of the run, to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,

    /// Keep serving the last state for so long after the program ended: 10, 10s, 1m
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) linger: Option<Duration>,

    /// What a reader must present; needed to listen beyond this host
    #[arg(long)]
    pub(crate) token: Option<String>,

    /// End a process whose loop has been blocked for so long (5s at least), and start the program again; its stacks are
    /// written to stderr first. Not more than 5 times in 10 minutes
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) restart_when_blocked: Option<Duration>,

    /// Ask this PostgreSQL server, too, whom its sessions wait for and who has its connections:
    /// postgresql://USER:PASSWORD@HOST:5432/DATABASE. Others see a command line: better to set LOOPSCOPE_POSTGRES
    #[arg(long, value_name = "URL")]
    pub(crate) postgres: Option<String>,

    /// Let `loopscope drill` of the same user on this machine bring known faults into the program (Python), which then
    /// has one thread more and a socket in the folder for recordings
    #[arg(long)]
    pub(crate) allow_drill: bool,

    /// Libraries of a Python program that are not to be tracked, with commas between them: agno, aiohttp,
    /// asyncpg, http.client, httpx, openai, psycopg, psycopg2, psycopg_pool, requests, sqlalchemy, sqlite3,
    /// urllib; `all` for all
    #[arg(long, value_name = "NAMES")]
    pub(crate) untracked: Option<String>,

    /// A busy period this long is a stall
    #[arg(long, hide = true, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub(crate) stall_threshold_ms: Option<u64>,

    /// A stall this long is a blocked loop
    #[arg(long, hide = true, value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub(crate) blocked_threshold_ms: Option<u64>,

    /// A call of a model this long is slow
    #[arg(long, hide = true, value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub(crate) slow_model_call_threshold_ms: Option<u64>,

    /// Growth is judged so many times as fast as usual: for the sample service of a drill
    #[arg(long, hide = true, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(crate) trend_pace: Option<u64>,

    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

impl RunArgs {
    /// Takes from the environment what the command line leaves open.
    pub(crate) fn with_environment(self) -> Self {
        self.with_variables(&|name| {
            let value = env::var_os(name)?;
            Some(value.to_string_lossy().into_owned())
        })
    }

    fn with_variables(mut self, variable: Variables<'_>) -> Self {
        self.listen = self
            .listen
            .or_else(|| usable(variable, LISTEN, |text| text.parse()));
        self.service = self
            .service
            .or_else(|| usable(variable, SERVICE, |text| Ok(text.to_owned())));
        self.stall_threshold_ms = self.stall_threshold_ms.or_else(|| {
            usable(variable, STALL_THRESHOLD_MS, |text| {
                milliseconds(text, STALL_THRESHOLDS_MS)
            })
        });
        self.blocked_threshold_ms = self.blocked_threshold_ms.or_else(|| {
            usable(variable, BLOCKED_THRESHOLD_MS, |text| {
                milliseconds(text, BLOCKED_THRESHOLDS_MS)
            })
        });
        self.slow_model_call_threshold_ms = self.slow_model_call_threshold_ms.or_else(|| {
            usable(variable, SLOW_MODEL_CALL_THRESHOLD_MS, |text| {
                milliseconds(text, SLOW_MODEL_CALL_THRESHOLDS_MS)
            })
        });
        self.postgres = self
            .postgres
            .or_else(|| usable(variable, POSTGRES, address));
        let is_set = variable(TOKEN).is_some_and(|text| !text.is_empty());
        if self.token.is_none() && is_set {
            self.token = usable(variable, TOKEN, token);
            // Whoever set a token wants no endpoint that is open to everybody.
            if self.token.is_none() {
                self.listen = Some(Listen::Off);
            }
        }
        self
    }

    /// A busy period this long is a stall.
    pub(crate) fn stall_threshold(&self) -> Nanos {
        Nanos::from_millis(self.stall_threshold_ms.unwrap_or(100))
    }

    /// A stall this long is a blocked loop.
    pub(crate) fn blocked_threshold(&self) -> Nanos {
        Nanos::from_millis(self.blocked_threshold_ms.unwrap_or(5_000))
    }

    /// A call of a model this long is slow.
    pub(crate) fn slow_model_call_threshold(&self) -> Nanos {
        let given = self.slow_model_call_threshold_ms.map(Nanos::from_millis);
        given.unwrap_or(Config::default().slow_model_call_threshold)
    }
}

/// The value of an environment variable, `None` where it is not set.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A variable's value; says why where one was given that cannot be used.
fn usable<T>(
    variable: Variables<'_>,
    name: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let text = variable(name).filter(|text| !text.is_empty())?;
    let unusable = |reason: &String| {
        complain(
            &format!("{name} is left out: {reason}"),
            &format!("set another {name}, or `unset {name}`"),
        );
    };
    read(&text).inspect_err(unusable).ok()
}

fn milliseconds(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let number = text.trim().parse().ok();
    number
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            format!(
                "not a number of milliseconds between {} and {}: {text}",
                range.start(),
                range.end()
            )
        })
}

/// The token's text is never repeated: it is a secret.
fn token(text: &str) -> Result<String, String> {
    Token::new(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("there will be no health endpoint: {error}"))
}

/// Nor is this, which may hold a password.
fn address(text: &str) -> Result<String, String> {
    let target: Result<Target, _> = text.parse();
    target
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
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
        parse_address(text).map(Self::At).map_err(|_| {
            format!("not an address and port, such as {DEFAULT_LISTEN}, and not `off`: {text}")
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        run: RunArgs,
    }

    fn line(words: &[&str]) -> Result<RunArgs, clap::Error> {
        let words = ["run"].iter().chain(words);
        Line::try_parse_from(words).map(|line| line.run)
    }

    fn set(name: &str, value: &str) -> RunArgs {
        let variable = |asked: &str| (asked == name).then(|| value.to_owned());
        line(&["true"]).unwrap().with_variables(&variable)
    }

    #[test]
    fn what_the_environment_says_holds_where_the_command_line_says_nothing() {
        assert_eq!(set(LISTEN, "off").listen, Some(Listen::Off));
        assert_eq!(set(SERVICE, "shop").service.as_deref(), Some("shop"));
        let stall = |args: RunArgs| args.stall_threshold();
        assert_eq!(stall(set(STALL_THRESHOLD_MS, "20")), Nanos::from_millis(20));
        let given = line(&["--stall-threshold-ms", "30", "true"]).unwrap();
        let variable = |_: &str| Some("40".to_owned());
        assert_eq!(
            stall(given.with_variables(&variable)),
            Nanos::from_millis(30)
        );
    }

    #[test]
    fn an_unusable_token_opens_no_endpoint_to_everybody() {
        let args = set(TOKEN, "short");
        assert_eq!((args.token, args.listen), (None, Some(Listen::Off)));
        let args = set(TOKEN, "");
        assert_eq!((args.token, args.listen), (None, None));
    }

    #[test]
    fn the_target_s_arguments_are_its_own_from_its_name_on() {
        let command = |words| line(words).unwrap().command;
        assert_eq!(command(&["python", "-c", "x"]), ["python", "-c", "x"]);
        assert_eq!(
            command(&["--listen", "off", "python", "--listen", "y"]),
            ["python", "--listen", "y"]
        );
        assert_eq!(command(&["--", "-odd", "--", "z"]), ["-odd", "--", "z"]);
        assert_eq!(command(&["sh", "--", "z"]), ["sh", "--", "z"]);
        assert!(line(&["--lisen", "foo", "--", "true"]).is_err());
    }

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
