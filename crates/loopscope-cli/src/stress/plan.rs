//! What will be sent: the command line made whole, checked before the first request.

use std::thread;
use std::time::Duration;

use loopscope_load::results::{Conditions, Target};
use loopscope_load::{Address, LoadError, Request, Shape, Stream};

use super::requests::Written;
use super::{Refusal, StressArgs};
use crate::exit_codes;
use crate::health::look::{Looker, Seen};
use crate::health::look_error::{LookError, Problem};

/// How long a look at the inside may take: an answer that takes longer is none for a picture of each second.
pub(super) const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// Connections of an open loop: as many as a service of one process takes with the usual 1,024 descriptors.
const MOST_CONNECTIONS: usize = 500;

/// A run, ready to be sent.
pub(super) struct Plan {
    pub(super) target: Target,
    pub(super) conditions: Conditions,
    /// What is loaded in the first test; the health endpoint first, where it answers.
    pub(super) endpoints: Vec<Named>,
    pub(super) calls: Vec<Named>,
    pub(super) probe: Option<Named>,
    /// Whether anything but the health endpoint is asked.
    pub(super) asks_service: bool,
    pub(super) duration: Duration,
    pub(super) settle: Duration,
    pub(super) rounds: u64,
    pub(super) notes: Vec<String>,
    timeout: Duration,
}

/// A request with its name for results.
#[derive(Clone)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) request: Request,
}

impl Plan {
    /// Asks once for the inside, and makes sure that somebody is there.
    pub(super) fn new(args: &StressArgs, looker: &Looker) -> Result<Self, Refusal> {
        let (url, path) = Address::parse(&args.url.to_string()).map_err(refused)?;
        let base = match &args.base {
            Some(text) => Address::parse(text).map_err(refused)?.0,
            None => url.clone(),
        };
        let named = |written: &Written| named(written, &base, &args.headers);
        let all = |written: &[Written]| written.iter().map(named).collect::<Result<Vec<_>, _>>();
        let mut endpoints = all(&args.asked.endpoints).map_err(refused)?;
        let calls = all(&args.asked.calls).map_err(refused)?;
        let asks_service = !endpoints.is_empty() || !calls.is_empty();
        let look = looker.look();
        let mut notes = Vec::new();
        if let Err(error) = &look {
            notes.push(format!(
                "the inside of the service was not seen: {error}; start it with `loopscope run -- COMMAND`, and name \
                 the address that it says"
            ));
        }
        if let Err(error) = &look
            && !is_answered(error)
            && !asks_service
        {
            return Err(Refusal::new(exit_codes::UNREACHABLE, error, error.hint()));
        }
        let probe = args.asked.probe.as_ref().map(named).transpose();
        let probe = probe
            .map_err(refused)?
            .or_else(|| first_get(args, &endpoints));
        if is_loadable(&look) {
            let health = health(&url, &path, args.token.as_deref()).map_err(refused)?;
            endpoints.insert(0, health);
        }
        if endpoints.is_empty() && calls.is_empty() {
            let hint = "name something to ask it for: --endpoint GET /PATH";
            return Err(Refusal::new(
                exit_codes::USAGE,
                format!("there is no health endpoint at {url}{path}, and no --endpoint"),
                hint,
            ));
        }
        let plan = Self {
            target: Target {
                url: args.url.to_string(),
                base: base.to_string(),
                service: look.as_ref().ok().map(|seen| seen.view.service.to_string()),
                inside: look.is_ok(),
            },
            conditions: conditions(args, &endpoints, &calls, probe.as_ref()),
            endpoints,
            calls,
            probe,
            asks_service,
            duration: args.duration,
            settle: args.settle,
            rounds: args.rounds,
            notes,
            timeout: args.timeout,
        };
        plan.check()
    }

    /// Whether somebody listens where requests go; numbers are checked when they are sent.
    fn check(self) -> Result<Self, Refusal> {
        let all = self.endpoints.iter().chain(&self.calls).chain(&self.probe);
        for one in all {
            let addresses = one
                .request
                .address
                .resolve()
                .map_err(|error| Refusal::new(exit_codes::UNREACHABLE, &error, error.hint()))?;
            let is_there = addresses
                .iter()
                .any(|at| std::net::TcpStream::connect_timeout(at, LOOK_TIMEOUT).is_ok());
            if !is_there {
                return Err(Refusal::new(
                    exit_codes::UNREACHABLE,
                    format!("nobody listens at {}: {}", one.request.address, one.name),
                    "start the service, or name its address with --base HOST:PORT",
                ));
            }
        }
        Ok(self)
    }

    /// A stream of one of its requests in closed loop.
    pub(super) fn closed(&self, named: &Named, senders: u64) -> Stream {
        let senders = usize::try_from(senders).unwrap_or(usize::MAX);
        self.stream(named, Shape::Closed { senders })
    }

    /// A stream of one of its requests in open loop.
    pub(super) fn open(&self, named: &Named) -> Stream {
        let shape = Shape::Open {
            rate: self.conditions.rate,
            connections: MOST_CONNECTIONS,
        };
        self.stream(named, shape)
    }

    fn stream(&self, named: &Named, shape: Shape) -> Stream {
        Stream {
            name: named.name.clone(),
            request: named.request.clone(),
            shape,
            timeout: self.timeout,
        }
    }
}

fn refused(error: LoadError) -> Refusal {
    let code = match error {
        LoadError::Name { .. } => exit_codes::UNREACHABLE,
        _ => exit_codes::USAGE,
    };
    Refusal::new(code, &error, error.hint())
}

/// Whether somebody answered, if not Loopscope.
fn is_answered(error: &LookError) -> bool {
    matches!(
        error.problem,
        Problem::Status { .. }
            | Problem::NotJson(_)
            | Problem::NotLoopscope(_)
            | Problem::TooLarge
            | Problem::TokenWanted
            | Problem::TokenRefused
    )
}

/// Whether there is a health endpoint to load, Loopscope's or the service's own.
fn is_loadable(look: &Result<Seen, LookError>) -> bool {
    look.as_ref().map_or_else(
        |error| {
            matches!(
                error.problem,
                Problem::NotJson(_) | Problem::NotLoopscope(_)
            )
        },
        |_| true,
    )
}

fn first_get(args: &StressArgs, endpoints: &[Named]) -> Option<Named> {
    let first = args
        .asked
        .endpoints
        .iter()
        .position(|one| one.method == "GET")?;
    endpoints.get(first).cloned()
}

fn named(
    written: &Written,
    base: &Address,
    headers: &[(String, String)],
) -> Result<Named, LoadError> {
    let (address, path) = if written.path.contains("://") {
        Address::parse(&written.path)?
    } else {
        (base.clone(), written.path.clone())
    };
    let mut headers = headers.to_vec();
    let has_type = headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if !written.body.is_empty() && !has_type {
        headers.push(("content-type".into(), kind_of(&written.body).into()));
    }
    let body = written.body.clone();
    Ok(Named {
        name: format!("{} {}", written.method, written.path),
        request: Request::new(address, &written.method, &path, &headers, body)?,
    })
}

fn kind_of(body: &[u8]) -> &'static str {
    if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() {
        "application/json"
    } else {
        "text/plain"
    }
}

fn health(address: &Address, path: &str, token: Option<&str>) -> Result<Named, LoadError> {
    let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
    let token = token.map(str::trim).filter(|token| !token.is_empty());
    headers.extend(token.map(|token| ("authorization".to_owned(), format!("Bearer {token}"))));
    let request = Request::new(address.clone(), "GET", path, &headers, Vec::new())?;
    Ok(Named {
        name: format!("GET {path}"),
        request: request.taking_unavailable(),
    })
}

fn conditions(
    args: &StressArgs,
    endpoints: &[Named],
    calls: &[Named],
    probe: Option<&Named>,
) -> Conditions {
    let names = |all: &[Named]| all.iter().map(|one| one.name.clone()).collect();
    let cores = thread::available_parallelism().map_or(0, |cores| cores.get() as u64);
    Conditions {
        cores,
        concurrency: args.concurrency,
        rate: args.rate,
        callers: args.callers,
        duration_seconds: args.duration.as_secs_f64(),
        rounds: args.rounds,
        timeout_seconds: args.timeout.as_secs_f64(),
        endpoints: names(endpoints),
        calls: names(calls),
        probe: probe.map(|one| one.name.clone()),
    }
}
