//! What is drilled: the sample service, or a process of this user on this machine that was started with
//! `--allow-drill`, by its address or its number.

use std::str::FromStr;
use std::time::{Duration, Instant};

use loopscope_drill::report::Report;
use loopscope_drill::results;

use super::lease::Lease;
use super::refusal::Refusal;
use super::sample::Sample;
use crate::exit_codes::{UNREACHABLE, USAGE};
use crate::health::look::Looker;
use crate::health::target::{self, Target};

/// How long an answer of the surfaces may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How long the sample service has until its loop turns.
const TURNS_WITHIN: Duration = Duration::from_secs(20);

/// What a person names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A process.
    Pid(u32),
    /// Where a supervisor answers.
    At(Target),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(pid) => Ok(Self::Pid(pid)),
            Err(_) => target::parse(text).map(Self::At),
        }
    }
}

/// A process that can be drilled, and its supervisor.
pub(super) struct Reached {
    pub(super) lease: Lease,
    pub(super) looker: Looker,
    pub(super) url: Target,
    service: String,
    // Last: the lease ends before it does.
    sample: Option<Sample>,
}

impl Reached {
    /// Reaches it, or starts the sample service.
    pub(super) fn new(wanted: Option<&Wanted>, token: Option<&str>) -> Result<Self, Refusal> {
        match wanted {
            None => Self::sample(token),
            Some(Wanted::Pid(pid)) => Self::process(*pid, token),
            Some(Wanted::At(url)) => Self::at(url, token, None),
        }
    }

    /// What results say of it.
    pub(super) fn target(&self, pace: u32) -> results::Target {
        let introduction = &self.lease.introduction;
        results::Target {
            url: self.url.to_string(),
            service: self.service.clone(),
            pid: introduction.pid,
            python: introduction.python.clone(),
            r#loop: introduction.r#loop.clone().unwrap_or_default(),
            is_sample: self.sample.is_some(),
            growth_pace: pace,
        }
    }

    /// Whether it is the drill's own.
    pub(super) fn is_sample(&self) -> bool {
        self.sample.is_some()
    }

    fn sample(token: Option<&str>) -> Result<Self, Refusal> {
        let (sample, url) = Sample::start()?;
        let until = Instant::now() + TURNS_WITHIN;
        loop {
            // Its loop begins a moment after its supervisor listens.
            match Self::at(&url, token, None) {
                Ok(reached) => {
                    return Ok(Self {
                        sample: Some(sample),
                        ..reached
                    });
                }
                Err(refusal) if Instant::now() >= until => return Err(refusal),
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    fn process(pid: u32, token: Option<&str>) -> Result<Self, Refusal> {
        let lease = Lease::take(pid)?;
        let endpoint = lease.introduction.endpoint.clone();
        let url = endpoint.and_then(|endpoint| target::parse(&endpoint).ok());
        let url = url.ok_or_else(|| {
            Refusal::new(
                UNREACHABLE,
                format!("its supervisor has no health endpoint, which is what a drill looks at: pid {pid}"),
                "start it without `--listen off`: `loopscope run --allow-drill -- COMMAND`",
            )
        })?;
        Self::at(&url, token, Some(lease))
    }

    fn at(url: &Target, token: Option<&str>, lease: Option<Lease>) -> Result<Self, Refusal> {
        if !url.is_loopback() {
            return Err(Refusal::new(
                USAGE,
                format!("a drill reaches processes of this machine alone: {url}"),
                "run it on the machine of the service: `loopscope drill PID` there",
            ));
        }
        let looker = Looker::new(url.clone(), token.map(str::to_owned), TIMEOUT);
        let seen = looker
            .look()
            .map_err(|error| Refusal::new(UNREACHABLE, &error, error.hint()))?;
        let report: Report = serde_json::from_slice(&seen.body).unwrap_or_default();
        let lease = match lease {
            Some(lease) => lease,
            None => first(&report, url)?,
        };
        if lease.introduction.r#loop.is_none() {
            return Err(Refusal::new(
                UNREACHABLE,
                format!("no event loop turns in it: pid {}", lease.introduction.pid),
                "try again once it serves, or see where it stands: `loopscope dump --all`",
            ));
        }
        Ok(Self {
            lease,
            looker,
            url: url.clone(),
            service: report.service,
            sample: None,
        })
    }
}

/// A lease on the first process of a run that has a loop. Where there is none, the reason of the first one.
fn first(report: &Report, url: &Target) -> Result<Lease, Refusal> {
    let processes = report.detailed_health.processes.iter();
    let alive =
        processes.filter(|process| process.state == "running" && process.runtime == "python");
    let mut refusal = None;
    for process in alive {
        match Lease::take(process.pid) {
            Ok(lease) if lease.introduction.r#loop.is_some() => return Ok(lease),
            Ok(_) => {}
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(refusal.unwrap_or_else(|| {
        Refusal::new(
            UNREACHABLE,
            format!("no Python process with a loop runs there: {url}"),
            "see what runs there with `loopscope health`; faults can be brought into Python programs",
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_process_and_everything_else_an_address() {
        assert_eq!("41".parse(), Ok(Wanted::Pid(41)));
        let at = |text: &str| Ok(Wanted::At(target::parse(text).unwrap()));
        assert_eq!("localhost:41".parse(), at("localhost:41"));
        assert!("ftp://shop".parse::<Wanted>().is_err());
    }

    #[test]
    fn another_machine_is_refused_without_asking_it() {
        let url = target::parse("http://192.0.2.1:14159").unwrap();
        let refusal = Reached::new(Some(&Wanted::At(url)), None).err().unwrap();
        assert_eq!(refusal.code, USAGE);
        assert!(refusal.what.contains("this machine alone"), "{refusal:?}");
    }
}
