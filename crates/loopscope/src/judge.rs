//! Who judges what is recorded: the supervisor, this process itself, or nobody.

#[cfg(feature = "axum")]
mod elsewhere;

use std::io;
use std::net::SocketAddr;

use loopscope_recorder::environment;
#[cfg(feature = "monitor")]
use loopscope_server::{Answer, Question};

use crate::config::Config;

/// Who judges.
#[derive(Debug)]
pub(crate) enum Judge {
    /// `loopscope run`, which answers there.
    Supervisor {
        address: Option<SocketAddr>,
        /// What it wants to be presented.
        #[cfg(feature = "axum")]
        token: Option<String>,
    },
    /// This process.
    #[cfg(feature = "monitor")]
    Own(loopscope_monitor::Monitor),
    /// Nobody.
    Nobody(Vec<String>),
}

impl Judge {
    #[cfg_attr(
        not(feature = "axum"),
        expect(unused_variables, reason = "only routes ask the supervisor")
    )]
    pub(crate) fn supervisor(config: &Config) -> Self {
        let endpoint = std::env::var(environment::ENDPOINT).ok();
        let address = endpoint.and_then(|endpoint| endpoint.parse().ok());
        Self::Supervisor {
            address,
            #[cfg(feature = "axum")]
            token: config.token.clone(),
        }
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Supervisor { address, .. } => *address,
            #[cfg(feature = "monitor")]
            Self::Own(monitor) => monitor.address,
            Self::Nobody(_) => None,
        }
    }

    pub(crate) fn problems(&self) -> &[String] {
        match self {
            Self::Supervisor { .. } => &[],
            #[cfg(feature = "monitor")]
            Self::Own(monitor) => &monitor.problems,
            Self::Nobody(problems) => problems,
        }
    }
}

#[cfg(feature = "axum")]
impl Judge {
    /// The same from whoever judges. Waits for that.
    pub(crate) fn ask_elsewhere(&self, question: Question, accept: &str) -> Answer {
        let reason = match self {
            Self::Supervisor {
                address: Some(address),
                token,
            } => match elsewhere::ask(*address, token.as_deref(), question, accept) {
                Ok(answer) => return answer,
                Err(error) => {
                    format!("`loopscope run` does not answer at {address}: {error}")
                }
            },
            Self::Supervisor { address: None, .. } => {
                "`loopscope run` watches this process, and listens nowhere".to_owned()
            }
            Self::Own(_) | Self::Nobody(_) => NOBODY.to_owned(),
        };
        elsewhere::without_judge(question, accept, &reason)
    }

    /// In a process that is not watched.
    pub(crate) fn without(question: Question, accept: &str) -> Answer {
        elsewhere::without_judge(question, accept, NOBODY)
    }
}

#[cfg(feature = "axum")]
const NOBODY: &str =
    "nobody judges this process: `loopscope::install` was not called in it, or without its monitor";

#[cfg(feature = "monitor")]
impl Judge {
    pub(crate) fn start(config: Config, run_id: u64) -> io::Result<Self> {
        use loopscope_engine::time::Nanos;
        use loopscope_monitor::{Monitor, Settings};
        use loopscope_recorder::folder::RuntimeFolder;

        if !config.monitor {
            return Ok(Self::Nobody(Vec::new()));
        }
        let nanos = |threshold: std::time::Duration| {
            Nanos(u64::try_from(threshold.as_nanos()).unwrap_or(u64::MAX))
        };
        let settings = Settings {
            service: config.service,
            run_id,
            listen: config.listen,
            token: config.token,
            stall_threshold: nanos(config.stall_threshold),
            blocked_threshold: nanos(config.blocked_threshold),
            unwatched: None,
            own_descriptors: false,
            folder: RuntimeFolder::open_default().ok(),
            #[cfg(feature = "tracing")]
            changes: Some(crate::events::start()?),
            #[cfg(not(feature = "tracing"))]
            changes: None,
        };
        let monitor = Monitor::start(Monitor::begin(settings)?)?;
        #[cfg(feature = "metrics")]
        crate::metrics::start(std::sync::Arc::clone(&monitor.cell))?;
        Ok(Self::Own(monitor))
    }

    pub(crate) fn health(&self) -> Option<(u16, String)> {
        let answer = self.answer(Question::Health, "application/json")?;
        Some((
            answer.code,
            String::from_utf8_lossy(&answer.body).into_owned(),
        ))
    }

    /// `None` where another process judges, or none.
    pub(crate) fn answer(&self, question: Question, accept: &str) -> Option<Answer> {
        let Self::Own(monitor) = self else {
            return None;
        };
        Some(monitor.cell.answer(question, accept))
    }
}

#[cfg(not(feature = "monitor"))]
impl Judge {
    pub(crate) fn start(config: Config, _run_id: u64) -> io::Result<Self> {
        let asked = config.monitor && config.listen.is_some();
        let problem = "no health endpoint: build `loopscope` with its feature `monitor`".to_owned();
        Ok(Self::Nobody(asked.then_some(problem).into_iter().collect()))
    }

    pub(crate) fn health(&self) -> Option<(u16, String)> {
        None
    }
}
