//! Ground truth: a real service under `loopscope run`, once with a blocking handler that leaves tasks behind, once
//! without. The verdicts differ as they must, and the line is named.

#[path = "../support/listed.rs"]
mod listed;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use listed::listed_pythons;
use loopscope_load::results::{Provoked, Results, Verdict};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::command::{Ran, finish, results, stress, verdicts};

use Verdict::{Failed, NotMeasured, Passed};

const PROGRAM: &str = "tests/stress/programs/shop.py";

/// A service under `loopscope run`. It ends with this.
struct Service {
    supervisor: Child,
    /// Where Loopscope answers, and where the service does.
    health: String,
    base: String,
    _folder: TempDir,
}

impl Service {
    fn start(python: &Path, kind: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROGRAM);
        let mut supervisor = Command::new(env!("CARGO_BIN_EXE_loopscope"))
            .args(["run", "--listen", "127.0.0.1:0", "--service", "shop", "--"])
            .arg(python)
            .arg(program)
            .arg(kind)
            .env("LOOPSCOPE_RUNTIME_DIR", folder.path().join("runtime"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(supervisor.stderr.take().unwrap()).lines();
        let health = said.find_map(|line| {
            let line = line.unwrap();
            let (_, rest) = line.split_once("listening on ")?;
            Some(rest.split_whitespace().next()?.to_owned())
        });
        // Findings keep coming; nobody reading them would fill the pipe.
        std::thread::spawn(move || said.for_each(drop));
        let mut port = String::new();
        let mut stdout = BufReader::new(supervisor.stdout.take().unwrap());
        stdout.read_line(&mut port).unwrap();
        Self {
            supervisor,
            health: health.unwrap(),
            base: format!("http://127.0.0.1:{}", port.trim()),
            _folder: folder,
        }
    }

    fn stress(&self) -> (Ran, Results) {
        let home = TempDir::new().unwrap();
        let file = home.path().join("results.json");
        let words = [
            &self.health,
            "--base",
            &self.base,
            "--endpoint",
            "GET",
            "/orders",
            "--call",
            "POST",
            "/run",
            "--body",
            r#"{"prompt": "hello"}"#,
            "--rounds",
            "1",
            "--duration",
            "1500ms",
            "--concurrency",
            "5",
            "--callers",
            "2",
            "--settle",
            "2s",
            "--output",
            file.to_str().unwrap(),
        ];
        let ran = finish(stress(home.path(), &words.map(|word| word as &str)));
        let results = results(&file, &ran);
        (ran, results)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Passed on to the service; failing means that it has ended, which is what is wanted.
        let _ = kill_process(Pid::from_child(&self.supervisor), Signal::TERM);
        let _ = self.supervisor.wait();
    }
}

/// The newest interpreter that has the packages.
fn python() -> PathBuf {
    let found = listed_pythons().into_iter().rfind(|python| {
        let import = Command::new(python)
            .args(["-c", "import fastapi, uvicorn"])
            .output();
        import.is_ok_and(|output| output.status.success())
    });
    found.unwrap_or_else(|| {
        panic!("no interpreter with fastapi and uvicorn; `cargo xtask test` prepares them")
    })
}

#[test]
fn a_blocking_handler_fails_its_tests_and_is_named() {
    let (ran, results) = Service::start(&python(), "faulty").stress();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(
        verdicts(&results),
        [Passed, Failed, NotMeasured, Failed],
        "{}",
        ran.stdout
    );
    let source = include_str!("programs/shop.py");
    let line = source
        .lines()
        .position(|line| line.contains("# BLAME"))
        .unwrap()
        + 1;
    let place = format!("shop.py:{line} in ask_model");
    let is_there = |one: &&Provoked| {
        one.culprit
            .as_deref()
            .is_some_and(|at| at.ends_with(&place))
    };
    let stall = results.incidents.iter().find(is_there);
    let stall = stall.unwrap_or_else(|| panic!("{place}: {:?}", results.incidents));
    assert_eq!(
        (stall.kind.as_str(), stall.cause.as_deref()),
        ("loop_stall", Some("blocking_call"))
    );
    assert!(
        stall.fix.as_deref().unwrap().contains("asyncio.sleep"),
        "{stall:?}"
    );
    assert!(ran.stdout.contains(&place), "{}", ran.stdout);
    let round = &results.rounds[0];
    assert!(
        round.stalls > 0 && round.lag_ms.unwrap() >= 150.0,
        "{round:?}"
    );
    assert!(round.tasks.unwrap().left_over > 2, "{round:?}");
}

#[test]
fn its_healthy_twin_passes() {
    let (ran, results) = Service::start(&python(), "healthy").stress();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        verdicts(&results),
        [Passed, Passed, NotMeasured, Passed],
        "{}",
        ran.stdout
    );
    assert_eq!(results.rounds[0].stalls, 0, "{:?}", results.incidents);
    let tasks = results.rounds[0].tasks.unwrap();
    assert!(tasks.spawned > 0 && tasks.left_over <= 2, "{tasks:?}");
}
