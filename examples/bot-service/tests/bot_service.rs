//! The service of this example: what is found before, and that nothing is found after.
//!
//! Under the traffic of the bot factory, its sister in Python: `show.py` starts a PostgreSQL, a model provider and a
//! Telegram on this host. The interpreters are those of `LOOPSCOPE_TEST_PYTHONS` that have what these need.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

const SECONDS: &str = "6";
/// Far longer than it takes until each fault was told.
const LONGEST_SECONDS: &str = "90";
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

/// `show.py` with one version, under traffic for so many seconds.
fn show(python: &Path, version: &str, seconds: &str, recordings: &Path) -> Command {
    let mut command = Command::new(python);
    command
        .arg(package().join("../bot-factory/show.py"))
        .args(["--json", "--only", version, "--rust"])
        .arg(built())
        .args(["--seconds", seconds, "--people", PEOPLE, "--loopscope"])
        .arg(built().join("loopscope"))
        .env("LOOPSCOPE_RUNTIME_DIR", recordings.join("runtime"))
        .env("LOOPSCOPE_STALL_THRESHOLD_MS", THRESHOLD_MS)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A version under traffic, and whoever asks for its report all the while.
struct Watched {
    show: Child,
    port: u16,
    /// Where it records; gone with it.
    _recordings: TempDir,
}

impl Watched {
    fn start(python: &Path, version: &str) -> Self {
        let recordings = tempfile::tempdir().unwrap();
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let show = show(python, version, LONGEST_SECONDS, recordings.path())
            .args(["--port", &port.to_string()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            show,
            port,
            _recordings: recordings,
        }
    }

    /// The report of this moment; `None` while nobody serves it.
    fn report(&self) -> Option<Value> {
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder()
                // 503 is what a balancer is to see of a critical service; the report comes with it.
                .http_status_as_error(false)
                .timeout_global(Some(Duration::from_secs(5)))
                .build(),
        );
        let url = format!("http://127.0.0.1:{}/health?format=full", self.port);
        let mut answer = agent.get(url).call().ok()?;
        let body = answer.body_mut().read_to_string().ok()?;
        Some(serde_json::from_str(&body).unwrap())
    }

    /// What was told until that was all, or until the traffic was over.
    fn until(mut self, is_all: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = Seen::default();
        while !is_all(&seen) && self.show.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_millis(250));
            if let Some(report) = self.report() {
                seen.add(report);
            }
        }
        seen
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let pid = self.show.id().to_string();
        // It ends what it has started.
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.show.wait();
    }
}

/// What was told of a version.
#[derive(Debug, Default)]
struct Seen {
    /// Each incident as it was told last, or last with a line to blame.
    incidents: BTreeMap<String, Value>,
    monitoring: Value,
}

impl Seen {
    fn add(&mut self, mut report: Value) {
        for told in report["incidents"].as_array().unwrap() {
            let id = told["id"].as_str().unwrap().to_owned();
            let known = self.incidents.get(&id);
            let is_blamed = known.is_some_and(|known| !known["culprit"].is_null());
            if !is_blamed || !told["culprit"].is_null() {
                self.incidents.insert(id, told.clone());
            }
        }
        self.monitoring = report["monitoring"].take();
    }

    fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        let all = self.incidents.values();
        all.filter(move |one| one["kind"] == kind)
    }
}

/// The line of a version's program that has this text.
fn line_of(version: &str, text: &str) -> u64 {
    let program = fs::read_to_string(package().join(version).join("main.rs")).unwrap();
    let place = program.lines().position(|line| line.contains(text));
    place.unwrap() as u64 + 1
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

fn is_stall_of(incident: &Value, (text, replacement): (&str, &str)) -> bool {
    let advised = incident["advice"]["replacement"].as_str();
    is_at(incident, line_of("before", text))
        && advised.is_some_and(|advised| advised.contains(replacement))
}

/// The bot with the revoked token is said to be starting, and nobody waits for its task.
fn is_dead_bot(incident: &Value) -> bool {
    is_at(incident, line_of("before", "spawn_fallible(\"bot\""))
        && incident.to_string().contains("Unauthorized")
}

/// Whoever has a connection keeps it while others are asked.
fn is_exhausted_pool(incident: &Value) -> bool {
    let summary = incident["summary"].as_str().unwrap();
    summary.contains("pool said") && is_at(incident, line_of("before", "self.pool.acquire()"))
}

#[test]
fn before_each_fault_is_found_with_its_line_and_nothing_else() {
    let Some(python) = python() else { return };
    let has_all = |seen: &Seen| {
        let is_stall =
            |of: (&str, &str)| seen.of_kind("loop_stall").any(|one| is_stall_of(one, of));
        let blocking = seen.monitoring["model_blocking_calls"].as_u64();
        BLOCKING.into_iter().all(is_stall)
            && seen.of_kind("task_failure").any(is_dead_bot)
            && seen.of_kind("pool_exhaustion").any(is_exhausted_pool)
            && blocking.is_some_and(|calls| calls >= 3)
    };
    let seen = Watched::start(&python, "before").until(has_all);
    assert!(has_all(&seen), "{seen:#?}");
    assert_eq!(seen.of_kind("task_failure").count(), 1, "{seen:#?}");
    for one in seen.incidents.values() {
        let is_known = BLOCKING.iter().any(|(text, _)| is_at(one, line_of("before", text)))
            || is_dead_bot(one)
            || is_exhausted_pool(one)
            // While the pool makes its connections nobody has them.
            || one["kind"] == "pool_exhaustion" && one["culprit"].is_null()
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
    let recordings = tempfile::tempdir().unwrap();
    let output = show(&python, "after", SECONDS, recordings.path())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let seen = &all[0];
    // That of a machine with other work is no disease of the program.
    let told = seen["report"]["incidents"].as_array().unwrap();
    let own: Vec<_> = told
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
