//! Processes that the agent stays out of, under the supervisor: said once, held against nobody.

use std::fs;
use std::path::Path;
use std::process::Command;

use loopscope_engine::report::{Report, Status};

use crate::harness::{pythons, text};

/// Long enough for a look at a process that has had a loop for two seconds.
const LOOP: &str = "import asyncio; asyncio.run(asyncio.sleep(4))";
const NO_LOOP: &str = "import time; time.sleep(4)";

/// A loop of the process's first interpreter, and after it one of another: before 3.12 they could not run at once.
const TWO_INTERPRETERS: &str = r#"
import asyncio
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

asyncio.run(asyncio.sleep(0.1))
other = interpreters.create()
interpreters.run_string(other, "import asyncio; asyncio.run(asyncio.sleep(4))")
"#;

/// Runs a program of one line; returns what was said on stderr, and the report.
fn run(python: &Path, options: &[&str], line: &str) -> (String, Report) {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let output = Command::new(env!("CARGO_BIN_EXE_loopscope"))
        .args(["run", "--listen", "off", "--report"])
        .arg(&report)
        .arg("--")
        .arg(python)
        .args(options)
        .args(["-c", line])
        .env_remove("LD_PRELOAD")
        .env("LOOPSCOPE_RUNTIME_DIR", folder.path().join("runtime"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let report = fs::read_to_string(report).unwrap();
    (text(&output.stderr), serde_json::from_str(&report).unwrap())
}

#[test]
fn an_interpreter_that_takes_nothing_from_outside_is_said_to_be_watched_by_its_loops_alone() {
    let Some(python) = pythons().pop() else {
        return;
    };
    for option in ["-I", "-E", "-S"] {
        let (said, report) = run(&python, &[option], LOOP);
        let sentence = format!("are not watched, only its loops: it was started with {option}");
        let told: Vec<_> = report.incidents.iter().map(|one| &one.summary).collect();
        assert!(
            told.len() == 1 && told[0].contains(&sentence),
            "{told:?} on {option}"
        );
        assert_eq!(report.status, Status::Healthy);
        assert!(report.detailed_health.tasks.is_none());
        assert!(said.contains(&sentence), "{said}");
    }
}

#[test]
fn a_loop_of_another_interpreter_in_the_process_is_said_to_be_watched_alone() {
    for python in pythons() {
        let (said, report) = run(&python, &[], TWO_INTERPRETERS);
        let told: Vec<_> = report.incidents.iter().map(|one| &one.summary).collect();
        let is_told = |one: &String| {
            one.starts_with("tasks and calls of subinterpreters of ")
                && one.ends_with("the agent stays in the first interpreter of a process")
        };
        assert!(
            told.len() == 1 && is_told(told[0]),
            "{told:?} on {}: {said}",
            python.display()
        );
        assert_eq!(report.status, Status::Healthy);
        let tasks = report.detailed_health.tasks.unwrap();
        let sleeps = tasks.sites.iter().filter(|site| site.coroutine == "sleep");
        let sleeps: u64 = sleeps.map(|site| site.spawned).sum();
        assert_eq!(sleeps, 1, "that of the first interpreter");
    }
}

#[test]
fn a_process_with_its_agent_and_one_without_a_loop_are_passed_over() {
    let Some(python) = pythons().pop() else {
        return;
    };
    for (options, line) in [(&[][..], LOOP), (&[][..], NO_LOOP), (&["-I"][..], NO_LOOP)] {
        let (said, report) = run(&python, options, line);
        assert!(report.incidents.is_empty(), "{said}");
    }
}
