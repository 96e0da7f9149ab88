//! The endpoint answers while the program cannot, and names the line.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use loopscope_engine::report::{Incident, Report, StallCause};

use crate::harness::{Talking, on_every_python, program};
use crate::http;

const PATIENCE: Duration = Duration::from_secs(5);

/// What was seen while a program was blocked.
struct Seen {
    /// How long each answer took.
    took: Vec<Duration>,
    /// The first open incident with a line to blame.
    incident: Option<Incident>,
}

/// Asks without a pause until told to stop.
fn ask(address: SocketAddr, stop: &AtomicBool) -> Seen {
    let mut seen = Seen {
        took: Vec::new(),
        incident: None,
    };
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let answer = http::get(address, "/health", PATIENCE).unwrap();
        seen.took.push(begun.elapsed());
        let report: Report = serde_json::from_str(&answer.body).unwrap();
        let open = report.incidents.into_iter().find(is_open_and_blamed);
        seen.incident = seen.incident.or(open);
        thread::sleep(Duration::from_millis(2));
    }
    seen
}

fn is_open_and_blamed(incident: &Incident) -> bool {
    incident.closed_at.is_none() && incident.culprit.is_some()
}

/// Returns when the last block is told to be over.
fn until_nothing_is_open(address: SocketAddr) {
    let begun = Instant::now();
    loop {
        let answer = http::get(address, "/health", PATIENCE).unwrap();
        let report: Report = serde_json::from_str(&answer.body).unwrap();
        let Some(open) = report.incidents.into_iter().find(is_open_and_blamed) else {
            return;
        };
        assert!(begun.elapsed() < PATIENCE, "still open: {open:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Lets the program block itself in this way, and asks all the while.
fn while_blocked(talking: &mut Talking, address: SocketAddr, way: &str) -> Seen {
    until_nothing_is_open(address);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| ask(address, &stop));
        talking.tell(way);
        talking.told("over");
        stop.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    })
}

fn print_latency(python: &str, way: &str, took: &mut [Duration]) {
    took.sort();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    let _ = writeln!(
        std::io::stderr(),
        "{python}, {way}: {} answers while blocked, p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        took.len(),
        at(0.5).as_secs_f64() * 1e3,
        at(0.99).as_secs_f64() * 1e3,
        at(1.0).as_secs_f64() * 1e3,
    );
}

#[test]
fn the_endpoint_answers_while_the_loop_is_blocked_and_names_the_line() {
    let ways = [
        ("sleep", "rest", false),
        ("regex", "search", true),
        ("power", "raise_power", true),
    ];
    on_every_python(|python| {
        let python = python.display().to_string();
        let path = program("blocks.py").display().to_string();
        let mut talking = Talking::start(&[&python, &path]);
        let address = talking.address("address ");
        for (way, function, holds_lock) in ways {
            let mut seen = while_blocked(&mut talking, address, way);
            print_latency(&python, way, &mut seen.took);
            let incident = seen.incident.unwrap();
            let culprit = incident.culprit.unwrap();
            assert_eq!(
                culprit.function.rsplit('.').next(),
                Some(function),
                "{python}"
            );
            assert!(culprit.file.ends_with("blocks.py"), "{culprit:?}");
            // One that gets no processor is shown where it stands, and not asked for the lock.
            if incident.cause == Some(StallCause::BlockingCall) {
                assert_eq!(incident.gil_held, Some(holds_lock), "{python} {way}");
            }
        }
        let (status, _) = talking.end();
        assert!(status.success(), "{python}: {status}");
    });
}

#[test]
fn a_busy_healthy_program_stays_healthy() {
    on_every_python(|python| {
        let python = python.display().to_string();
        let path = program("healthy.py").display().to_string();
        let mut talking = Talking::start(&[&python, &path]);
        let address = talking.address("address ");
        let stop = AtomicBool::new(false);
        let seen = thread::scope(|scope| {
            let asking = scope.spawn(|| ask(address, &stop));
            talking.told("over");
            stop.store(true, Ordering::Relaxed);
            asking.join().unwrap()
        });
        // A busy machine's own doing is not the program's.
        let found = seen
            .incident
            .filter(|one| one.cause != Some(StallCause::CpuStarved));
        assert!(found.is_none(), "{python}: {found:?}");
        assert!(!seen.took.is_empty());
    });
}
