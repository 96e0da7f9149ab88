//! What shows that a process was not harmed: its work goes on and comes out right, and nobody holds it.

use std::fs;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::pythons::Python;
use crate::support::Program;
use crate::told::start;

/// How long a killed process may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// `busy.py`, and how far it was when it last said so.
pub(crate) struct Busy {
    pub(crate) program: Program,
    last: Work,
}

/// What each worker has done.
#[derive(Clone, Debug, Deserialize)]
struct Work {
    rounds: Vec<u64>,
    numbers: Vec<u64>,
}

impl Busy {
    /// Starts it with so many parked tasks and workers.
    pub(crate) fn start(python: &Python, parked: usize, workers: usize) -> Self {
        let arguments = [parked.to_string(), workers.to_string()];
        let arguments = arguments.each_ref().map(String::as_str);
        let mut program = start(python, &[], "busy.py", &arguments);
        let last = work(&program.go_on());
        Self { program, last }
    }

    /// Fails unless every worker has gone on since it was last asked.
    pub(crate) fn assert_works(&mut self) {
        let now = work(&self.program.go_on());
        let mut pairs = self.last.rounds.iter().zip(&now.rounds);
        let all_went_on = pairs.all(|(before, now)| before < now);
        assert!(all_went_on, "{:?} before {now:?}", self.last);
        self.last = now;
    }

    /// Lets it end, and fails unless all its work came out right.
    pub(crate) fn assert_ends_well(mut self) {
        assert_is_free(self.program.pid());
        let work = work(&self.program.ask("end"));
        for (rounds, number) in work.rounds.iter().zip(&work.numbers) {
            let expected = (0..*rounds).fold(0, |number, _| next(number));
            assert_eq!(*number, expected, "after {rounds} rounds");
        }
        assert!(self.program.child.wait().unwrap().success());
    }
}

fn work(line: &str) -> Work {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
}

/// As `busy.py` has it.
fn next(number: u64) -> u64 {
    number
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
}

/// Fails if a thread of a process is stopped or traced, or if the process has a child that has not ended: a
/// copy made to be read would be one. The entry of an ended one is left where its dumper was killed.
pub(crate) fn assert_is_free(pid: u32) {
    for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let folder = thread.unwrap().path();
        // A thread may end meanwhile.
        let Ok(status) = fs::read_to_string(folder.join("status")) else {
            continue;
        };
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name}")).trim()
        };
        assert_eq!(field("TracerPid:"), "0", "traced: {}", folder.display());
        let is_stopped = field("State:").to_ascii_lowercase().starts_with('t');
        assert!(!is_stopped, "stopped: {}", folder.display());
        let children = fs::read_to_string(folder.join("children")).unwrap_or_default();
        children.split_ascii_whitespace().for_each(assert_ends);
    }
}

/// Waits for a process to end; the kernel has been told to kill it.
fn assert_ends(pid: &str) {
    let began = Instant::now();
    let runs = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, fields)| !fields.starts_with(['Z', 'X']))
    };
    while runs() {
        assert!(began.elapsed() < PATIENCE, "child {pid} lives on");
        std::thread::yield_now();
    }
}
