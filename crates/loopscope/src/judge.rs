//! Who judges what is recorded: the supervisor, this process itself, or nobody.

use std::io;
use std::net::SocketAddr;

use loopscope_recorder::environment;

use crate::config::Config;

/// Who judges.
#[derive(Debug)]
pub(crate) enum Judge {
    /// `loopscope run`, which answers there.
    Supervisor(Option<SocketAddr>),
    /// This process.
    #[cfg(feature = "monitor")]
    Own(loopscope_monitor::Monitor),
    /// Nobody.
    Nobody(Vec<String>),
}

impl Judge {
    pub(crate) fn supervisor() -> Self {
        let endpoint = std::env::var(environment::ENDPOINT).ok();
        Self::Supervisor(endpoint.and_then(|endpoint| endpoint.parse().ok()))
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Supervisor(address) => *address,
            #[cfg(feature = "monitor")]
            Self::Own(monitor) => monitor.address,
            Self::Nobody(_) => None,
        }
    }

    pub(crate) fn problems(&self) -> &[String] {
        match self {
            Self::Supervisor(_) => &[],
            #[cfg(feature = "monitor")]
            Self::Own(monitor) => &monitor.problems,
            Self::Nobody(problems) => problems,
        }
    }
}

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
        };
        Monitor::start(Monitor::begin(settings)?).map(Self::Own)
    }

    pub(crate) fn health(&self) -> Option<(u16, String)> {
        use loopscope_server::Question;

        let Self::Own(monitor) = self else {
            return None;
        };
        let answer = monitor.cell.answer(Question::Health, "application/json");
        Some((
            answer.code,
            String::from_utf8_lossy(&answer.body).into_owned(),
        ))
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
