//! The service of this example: what is found before, and that nothing is found after.
//!
//! Under the traffic of the bot factory, its sister in Python: `show.py` starts a PostgreSQL, a model provider and a
//! Telegram on this host. The interpreters are those of `LOOPSCOPE_TEST_PYTHONS` that have what these need.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const SECONDS: &str = "6";
const PEOPLE: &str = "8";

/// On a machine with other work a thread may wait for a processor for a tenth of a second, and be told of. What is wrong
/// here takes at least three.
const THRESHOLD_MS: &str = "250";

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder with everything that is built.
fn built() -> &'static Path {
    let own = Path::new(env!("CARGO_BIN_EXE_bot-service-before"));
    own.parent().unwrap()
}

/// The newest interpreter that has what the stage and the people need; `None`, and said, where there is none.
fn python() -> Option<PathBuf> {
    let listed = std::env::var_os("LOOPSCOPE_TEST_PYTHONS").unwrap_or_default();
    let has_all = |python: &PathBuf| {
        let import = Command::new(python).args(["-c", "import aiohttp"]).output();
        import.is_ok_and(|output| output.status.success())
    };
    let mut newest_first = std::env::split_paths(&listed)
        .collect::<Vec<_>>()
        .into_iter()
        .rev();
    let found = newest_first.find(has_all);
    let program = built().join("loopscope");
    if found.is_none() || !program.exists() {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: it takes an interpreter with aiohttp in LOOPSCOPE_TEST_PYTHONS, and {}",
            program.display()
        );
        return None;
    }
    found
}

/// One version under traffic, as `show.py` tells it.
fn seen(python: &Path, version: &str) -> Value {
    let recordings = tempfile::tempdir().unwrap();
    let output = Command::new(python)
        .arg(package().join("../bot-factory/show.py"))
        .args(["--json", "--only", version, "--rust"])
        .arg(built())
        .args(["--seconds", SECONDS, "--people", PEOPLE, "--loopscope"])
        .arg(built().join("loopscope"))
        .env("LOOPSCOPE_RUNTIME_DIR", recordings.path().join("runtime"))
        .env("LOOPSCOPE_STALL_THRESHOLD_MS", THRESHOLD_MS)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    all[0].clone()
}

/// The line of a version's program that has this text.
fn line_of(version: &str, text: &str) -> u64 {
    let program = fs::read_to_string(package().join(version).join("main.rs")).unwrap();
    let place = program.lines().position(|line| line.contains(text));
    place.unwrap() as u64 + 1
}

fn incidents(seen: &Value) -> &[Value] {
    seen["report"]["incidents"].as_array().unwrap()
}

fn is_at(incident: &Value, line: u64) -> bool {
    let culprit = &incident["culprit"];
    let file = culprit["file"].as_str().unwrap_or_default();
    culprit["line"] == line && file.ends_with("before/main.rs")
}

/// What keeps a worker, and what is to be written instead.
const BLOCKING: [(&str, &str); 3] = [
    ("thread::sleep(TYPING)", "tokio::time::sleep"),
    ("self.memory.lock()", "tokio::sync::Mutex"),
    ("request.send(question)", "reqwest::Client"),
];

#[test]
fn before_each_fault_is_found_with_its_line_and_nothing_else() {
    let Some(python) = python() else { return };
    let seen = seen(&python, "before");
    let of_kind = |kind: &'static str| {
        incidents(&seen)
            .iter()
            .filter(move |one| one["kind"] == kind)
    };
    for (text, replacement) in BLOCKING {
        let line = line_of("before", text);
        let is_found = |one: &&Value| {
            let advised = one["advice"]["replacement"].as_str();
            is_at(one, line) && advised.is_some_and(|advised| advised.contains(replacement))
        };
        assert!(
            of_kind("loop_stall").any(|one| is_found(&one)),
            "{text}: {seen:#}"
        );
    }
    // The bot with the revoked token is said to be starting, and nobody waits for its task.
    let [dead] = of_kind("task_failure").collect::<Vec<_>>()[..] else {
        panic!("{seen:#}");
    };
    let spawned = line_of("before", "spawn_fallible(\"bot\"");
    assert!(is_at(dead, spawned), "{dead:#}");
    assert!(dead.to_string().contains("Unauthorized"), "{dead:#}");
    // Whoever has a connection keeps it while others are asked.
    let [exhausted] = of_kind("pool_exhaustion").collect::<Vec<_>>()[..] else {
        panic!("{seen:#}");
    };
    // Who has them is told with their lines where that is known; while they are being made it is not.
    let summary = exhausted["summary"].as_str().unwrap();
    assert!(summary.contains("pool said"), "{exhausted:#}");
    let blocking = seen["report"]["monitoring"]["model_blocking_calls"].as_u64();
    assert!(blocking.is_some_and(|calls| calls >= 3), "{seen:#}");
    let known = BLOCKING.map(|(text, _)| line_of("before", text));
    for one in incidents(&seen) {
        let is_known = known.iter().any(|line| is_at(one, *line))
            || one["kind"] == "task_failure"
            || one["kind"] == "pool_exhaustion"
            // The tracked call says once more what its stalls say.
            || one["culprit"]["function"] == "Service::ask"
            || one["cause"] == "cpu_starved"
            // One that was over before it was looked at blames nobody.
            || one["cause"] == "unknown";
        assert!(is_known, "{one:#}");
    }
}

#[test]
fn after_the_same_traffic_finds_nothing_and_everybody_is_answered() {
    let Some(python) = python() else { return };
    let seen = seen(&python, "after");
    // That of a machine with other work is no disease of the program.
    let own: Vec<_> = incidents(&seen)
        .iter()
        .filter(|one| one["cause"] != "cpu_starved")
        .collect();
    assert!(own.is_empty(), "{own:#?}");
    let figure = |name: &str| seen["people"][name].as_f64().unwrap();
    assert!(
        figure("answers") / figure("messages") > 0.7,
        "{:#}",
        seen["people"]
    );
}
