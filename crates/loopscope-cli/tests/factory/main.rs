//! The bot factory of `examples/`: what is found before, and that nothing is found after.
//!
//! The real stack against a PostgreSQL, a model provider and a Telegram on this host, which the example starts.
//! The interpreters are those of `LOOPSCOPE_TEST_PYTHONS` that have what it needs.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "../support/listed.rs"]
mod listed;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use listed::listed_pythons;

const SECONDS: &str = "12";
const PEOPLE: &str = "8";

/// On a slow machine the libraries compute for a tenth of a second here and there, which is a stall, and theirs. An
/// answer of the model takes three.
const THRESHOLD_MS: &str = "250";

fn example() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    workspace
        .canonicalize()
        .unwrap()
        .join("examples/bot-factory")
}

/// The newest interpreter that has what the example needs; `None`, and said, where there is none.
fn python() -> Option<PathBuf> {
    let needed = "import agno, aiohttp, fastapi, openai, psycopg, sqlalchemy, telegram, uvicorn";
    let has_all = |python: &PathBuf| {
        let import = Command::new(python).args(["-c", needed]).output();
        import.is_ok_and(|output| output.status.success())
    };
    let found = listed_pythons().into_iter().rev().find(has_all);
    if found.is_none() {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: no interpreter has what the example needs"
        );
    }
    found
}

/// One version under traffic, as `show.py` tells it.
fn seen(python: &Path, version: &str) -> Value {
    let recordings = tempfile::tempdir().unwrap();
    let output = Command::new(python)
        .arg(example().join("show.py"))
        .args([
            "--json",
            "--stress",
            "--only",
            version,
            "--seconds",
            SECONDS,
            "--people",
            PEOPLE,
        ])
        .args(["--loopscope", env!("CARGO_BIN_EXE_loopscope")])
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
    let program = fs::read_to_string(example().join(version).join("main.py")).unwrap();
    let place = program.lines().position(|line| line.contains(text));
    place.unwrap() as u64 + 1
}

/// The incidents of a kind.
fn incidents<'a>(seen: &'a Value, kind: &str) -> Vec<&'a Value> {
    let all = seen["report"]["incidents"].as_array().unwrap();
    all.iter().filter(|one| one["kind"] == kind).collect()
}

fn is_at(incident: &Value, version: &str, line: u64) -> bool {
    let culprit = &incident["culprit"];
    let file = culprit["file"].as_str().unwrap_or_default();
    culprit["line"] == line && file.ends_with(&format!("{version}/main.py"))
}

/// The verdict of `loopscope stress` on the requests that it sent while people chatted.
fn verdict(seen: &Value) -> &str {
    let tests = seen["stress"]["results"]["tests"].as_array().unwrap();
    let health = tests.iter().find(|test| test["name"] == "health");
    health.unwrap()["verdict"].as_str().unwrap()
}

#[test]
fn before_every_disease_is_named_with_its_line_and_nothing_else() {
    let Some(python) = python() else { return };
    let seen = seen(&python, "before");
    let run = line_of("before", "self.agent.run(");
    for kind in ["loop_stall", "blocking_call"] {
        let found = incidents(&seen, kind);
        let blamed = found.iter().filter(|one| is_at(one, "before", run));
        let advised = blamed.filter(|one| {
            let replacement = one["advice"]["replacement"].as_str();
            replacement.is_some_and(|text| text.contains("arun"))
        });
        assert!(advised.count() > 0, "{kind}: {seen:#}");
    }
    let calls = seen["report"]["monitoring"]["agno_blocking_calls"].as_u64();
    assert!(calls.is_some_and(|calls| calls >= 5), "{seen:#}");
    let [dead] = incidents(&seen, "task_failure")[..] else {
        panic!("{seen:#}");
    };
    let summary = dead["summary"].as_str().unwrap();
    assert!(summary.contains("InvalidToken"), "{summary}");
    let awaited = line_of("before", "await self.application.initialize()");
    assert!(is_at(dead, "before", awaited), "{dead:#}");
    let created = line_of("before", "asyncio.create_task(bot.start())");
    assert!(
        dead.to_string()
            .contains(&format!("created at main.py:{created}")),
        "{dead:#}"
    );
    // One connection a second from the statistics alone, and none of them closed.
    let open = seen["report"]["detailed_health"]["database"]["connections_open"].as_u64();
    assert!(open.is_some_and(|open| open >= 10), "{seen:#}");
    // The server counts them, too, and knows whose they are.
    let server = &seen["report"]["detailed_health"]["database_servers"][0];
    let largest = &server["clients"][0];
    assert!(largest["pid"] == dead["process"]["pid"], "{server:#}");
    assert!(
        largest["connections"]
            .as_u64()
            .is_some_and(|open| open >= 10),
        "{server:#}"
    );
    assert_eq!(verdict(&seen), "failed", "{:#}", seen["stress"]);
    assert_eq!(seen["stress"]["exit_code"], 1);
    // What is left: each bot makes its own clients, on the loop, and that takes as long as it looks.
    let builds = line_of("before", "Application.builder()");
    let database = line_of("before", "db=PostgresDb(");
    for one in seen["report"]["incidents"].as_array().unwrap() {
        let is_known = one["kind"] == "task_failure"
            || [run, builds, database]
                .iter()
                .any(|line| is_at(one, "before", *line))
            || one["cause"] == "cpu_starved"
            // One that was over before it was looked at blames nobody.
            || one["cause"] == "unknown";
        assert!(is_known, "{one:#}");
    }
}

#[test]
fn after_the_same_traffic_finds_nothing_and_people_wait_for_less() {
    let Some(python) = python() else { return };
    let after = seen(&python, "after");
    // That of a machine with other work is no disease of the program.
    let is_own = |one: &&Value| one["cause"] != "cpu_starved";
    let found = after["report"]["incidents"].as_array().unwrap();
    let own: Vec<_> = found.iter().filter(is_own).collect();
    assert!(own.is_empty(), "{own:#?}");
    assert_eq!(verdict(&after), "passed", "{:#}", after["stress"]);
    let before = seen(&python, "before");
    let slowest = |seen: &Value| seen["people"]["dashboard_seconds"]["p95"].as_f64().unwrap();
    assert!(
        slowest(&after) * 3.0 < slowest(&before),
        "{} {}",
        slowest(&after),
        slowest(&before)
    );
    let share = |seen: &Value| {
        let figure = |name: &str| seen["people"][name].as_f64().unwrap();
        figure("answers") / figure("messages")
    };
    assert!(share(&after) > 0.8, "{after:#}");
}
