//! A service in Rust with a pool of deadpool: its calls, tasks and connections, watched by itself and by
//! `loopscope run`.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use loopscope_engine::report::{Incident, IncidentKind, LoopHealth, Report, Severity};
use tempfile::TempDir;

use crate::cargo;
use crate::cluster::Cluster;

/// Far beyond what any of these takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Itself,
    Run,
}

/// The service.
struct Service {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    address: String,
    /// Of its own route.
    route: String,
    /// What it said of what was found.
    events: Vec<String>,
    _folder: TempDir,
}

impl Service {
    fn start(by: By, what: &str, port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = match by {
            By::Itself => Command::new(program()),
            By::Run => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_loopscope"));
                command
                    .args(["run", "--listen", "127.0.0.1:0", "--"])
                    .arg(program());
                command
            }
        };
        let mut child = command
            .arg(what)
            .env("DB_PORT", port.to_string())
            .env("LOOPSCOPE_LISTEN", "127.0.0.1:0")
            .env("LOOPSCOPE_RUNTIME_DIR", folder.path().join("runtime"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.next().unwrap().unwrap();
        let route = lines.next().unwrap().unwrap();
        Self {
            child,
            lines,
            address,
            route,
            events: Vec::new(),
            _folder: folder,
        }
    }

    /// The line that it declares of something.
    fn declared(&mut self, what: &str) -> u32 {
        let mut lines = self.lines.by_ref().map_while(Result::ok);
        let line = lines.find_map(|line| line.strip_prefix(what)?.trim().parse().ok());
        line.unwrap_or_else(|| panic!("it does not declare {what}"))
    }

    fn is_done(&mut self) {
        while let Some(Ok(line)) = self.lines.next() {
            if line == "done" {
                return;
            }
            if line.starts_with("event ") {
                self.events.push(line);
            }
        }
        panic!("it ends before it is done");
    }

    fn report(&self) -> Report {
        let (_, body) = get(&self.address, "/health");
        serde_json::from_str(&body).unwrap()
    }

    /// The first report of which this holds.
    fn until<T>(&self, what: &str, found: impl Fn(&Report) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let report = self.report();
            if let Some(found) = found(&report) {
                return found;
            }
            assert!(Instant::now() < deadline, "not {what} in time: {report:#?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn incident(&self, kind: IncidentKind, says: &str) -> Incident {
        self.until(says, |report| {
            let mut incidents = report.incidents.iter();
            incidents
                .find(|one| one.kind == kind && one.summary.contains(says))
                .cloned()
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Its end of the pipe ends it, and the supervisor with it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The status line and the body.
fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

/// The example of this package, which is built with its tests, unless they alone are.
fn program() -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| cargo::build(&["--workspace", "--example=service"]));
    cargo::target_folder().join("debug/examples/service")
}

fn culprit(incident: &Incident) -> (bool, u32) {
    let culprit = incident
        .culprit
        .as_ref()
        .unwrap_or_else(|| panic!("{incident:#?}"));
    (culprit.file.ends_with("examples/service.rs"), culprit.line)
}

#[test]
fn calls_of_a_service_in_rust_that_fail_block_or_take_long_are_found_with_their_lines() {
    for by in [By::Itself, By::Run] {
        let mut service = Service::start(by, "calls", 0);
        let (ask, block, slow) = (
            service.declared("ask"),
            service.declared("blocks"),
            service.declared("is_slow"),
        );
        service.is_done();
        let failed = service.incident(IncidentKind::CallFailure, "faulty call ask failed with");
        assert_eq!(
            (culprit(&failed), failed.count),
            ((true, ask), 6),
            "{failed:#?}"
        );
        assert!(
            failed
                .summary
                .contains("service::NoAgent: no agent answers"),
            "{}",
            failed.summary
        );
        let stall = service.incident(IncidentKind::LoopStall, "std::thread::sleep");
        let blocked = service.incident(
            IncidentKind::BlockingCall,
            "faulty call blocks held the thread",
        );
        assert_eq!(culprit(&blocked), (true, block));
        assert_eq!(blocked.origin.as_ref(), Some(&stall.id), "one fault");
        assert!(
            blocked
                .advice
                .replacement
                .unwrap()
                .contains("spawn_blocking")
        );
        let late = service.incident(IncidentKind::SlowCall, "faulty call is_slow took 2.2 s");
        assert_eq!(culprit(&late), (true, slow));
        assert!(
            late.advice.steps[0].contains("tokio::time::timeout"),
            "{late:#?}"
        );
        check_routes(&service, &late);
        check_events(&service, by);
        let calls = service.report().detailed_health.calls.unwrap();
        let asked = calls.iter().find(|call| call.name == "ask").unwrap();
        assert_eq!(
            (asked.failed, asked.errors.get("service::NoAgent")),
            (6, Some(&6))
        );
    }
}

#[test]
fn work_that_waits_for_a_blocking_thread_is_told_with_the_line_that_keeps_them() {
    for by in [By::Itself, By::Run] {
        let mut service = Service::start(by, "blocking", 0);
        let line = service.declared("keep");
        let found = service.incident(IncidentKind::ExecutorSaturation, "executor main (blocking)");
        assert!(found.closed_at.is_none(), "while it lasts: {found:#?}");
        let said = format!("not done were 4 sent at service.rs:{line}");
        assert!(
            found.summary.contains("1 piece of work waits for a thread")
                && found.summary.contains(&said),
            "{}",
            found.summary
        );
        assert_eq!(
            found.culprit.as_ref().map(|culprit| culprit.line),
            Some(line)
        );
        service.is_done();
        let report = service.until("over", |report| {
            let mut incidents = report.incidents.iter();
            let is_over = incidents.all(|one| one.closed_at.is_some());
            is_over.then(|| report.clone())
        });
        assert_eq!(report.incidents.len(), 1, "nothing else: {report:#?}");
    }
}

/// Its own routes answer as the endpoint does, whoever judges.
fn check_routes(service: &Service, found: &Incident) {
    let (status, body) = get(&service.route, "/internal/health");
    let report: Report = serde_json::from_str(&body).unwrap();
    let knows = report.incidents.iter().any(|one| one.id == found.id);
    assert!(knows && status == "HTTP/1.1 200 OK", "{status} {report:#?}");
    let of_endpoint = get(&service.address, "/livez");
    assert_eq!(get(&service.route, "/internal/livez"), of_endpoint);
    let (status, _) = get(&service.route, "/internal/readyz");
    assert_eq!(status, "HTTP/1.1 200 OK");
}

/// A subscriber in the process is told by that process alone: `run` tells its own stderr.
fn check_events(service: &Service, by: By) {
    let is_told = |line: &&String| line.contains("loopscope.incident.kind=\"loop_stall\"");
    let told = service.events.iter().find(is_told);
    assert_eq!(told.is_some(), by == By::Itself, "{:#?}", service.events);
    if let Some(told) = told {
        for says in [
            "event WARN ",
            "loopscope.eventloop.name=\"main/",
            "code.file.path=",
            "code.function.name=",
        ] {
            assert!(told.contains(says), "{told}");
        }
    }
}

#[test]
fn a_task_whose_error_reaches_nobody_is_a_finding_and_one_that_is_awaited_none() {
    for by in [By::Itself, By::Run] {
        let mut service = Service::start(by, "tasks", 0);
        let line = service.declared("polls updates");
        service.is_done();
        let lost = service.incident(
            IncidentKind::TaskFailure,
            "polls updates ended with service::NoAgent",
        );
        assert_eq!((culprit(&lost), lost.count), ((true, line), 1), "{lost:#?}");
        assert!(lost.advice.steps[1].contains("JoinSet"), "{lost:#?}");
        // Another one would have been told by now.
        thread::sleep(Duration::from_millis(1_500));
        let report = service.report();
        let failures = report
            .incidents
            .iter()
            .filter(|one| one.kind == IncidentKind::TaskFailure);
        assert_eq!(failures.count(), 1, "{report:#?}");
        let tasks = report.detailed_health.tasks.unwrap();
        assert_eq!(
            (tasks.raised, tasks.failed, tasks.cancelled),
            (2, 1, 1),
            "{tasks:#?}"
        );
    }
}

#[test]
fn an_exhausted_pool_of_a_service_in_rust_names_the_line_that_holds_its_connections() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    for by in [By::Itself, By::Run] {
        let mut service = Service::start(by, "pool", cluster.port);
        let line = service.declared("held");
        let found = service.incident(
            IncidentKind::PoolExhaustion,
            "3 of them taken at service.rs",
        );
        assert_eq!(culprit(&found), (true, line), "{found:#?}");
        assert!(
            found
                .summary
                .contains("all 3 connections are taken and 1 caller waits"),
            "{}",
            found.summary
        );
        assert!(found.advice.steps[0].contains("wait_timeout"), "{found:#?}");
        let waits = service.declared("waits");
        let waiter = service.until("who waits", |report| {
            let pools = &report.detailed_health.database.as_ref()?.pools;
            pools.first()?.waiters.first().cloned()
        });
        assert!(waiter.oldest_seconds >= 1.0, "{waiter:#?}");
        assert_eq!((waiter.callers, waiter.line), (1, waits), "{waiter:#?}");
        let said = format!("1 caller waiting at service.rs:{waits}");
        service.incident(IncidentKind::PoolExhaustion, &said);
        service.is_done();
        let pool = service.until("over", |report| {
            let pools = report.detailed_health.database.clone()?.pools;
            let over = report.incidents.iter().all(|one| one.closed_at.is_some());
            pools.into_iter().find(|pool| over && pool.in_use == 0)
        });
        assert_eq!(
            (pool.name.as_str(), pool.driver.as_str()),
            ("db", "deadpool")
        );
        assert_eq!(
            (pool.acquires, pool.timeouts, pool.waiting),
            (5, 1, 0),
            "{pool:#?}"
        );
        assert_eq!(
            (pool.size, pool.max_size, pool.open),
            (3, 3, 3),
            "{pool:#?}"
        );
        assert!(
            pool.holders.is_empty() && pool.waiters.is_empty() && pool.max_use_seconds > 2.0,
            "{pool:#?}"
        );
    }
}

#[test]
fn a_healthy_service_in_rust_raises_nothing() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    for by in [By::Itself, By::Run] {
        let mut service = Service::start(by, "healthy", cluster.port);
        service.is_done();
        thread::sleep(Duration::from_millis(1_500));
        let report = service.report();
        // One failure is shown; where the machine has no processor to give, saying so is right.
        let is_fault =
            |one: &&Incident| one.severity > Severity::Info && !one.summary.contains("processor");
        let faults: Vec<_> = report.incidents.iter().filter(is_fault).collect();
        assert!(faults.is_empty(), "{faults:#?}");
        let loops = &report.detailed_health.event_loops;
        let tells = |one: &&LoopHealth| one.runtime_tasks.is_some_and(|tasks| tasks > 0);
        assert_eq!(loops.iter().filter(tells).count(), 2, "{loops:#?}");
        let database = report.detailed_health.database.unwrap();
        assert_eq!(
            (database.pools[0].acquires, database.pools[0].in_use),
            (600, 0),
            "{database:#?}"
        );
        assert!(database.pools[0].waiters.is_empty(), "{database:#?}");
    }
}
