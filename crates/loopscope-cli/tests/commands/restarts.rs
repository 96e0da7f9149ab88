//! A program whose loop is blocked for too long is ended and started again where that was asked for, and only there;
//! systemd gets its signs of life only while the loops turn.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use loopscope_engine::report::{Incident, IncidentKind, Report};
use tempfile::TempDir;

use crate::loopscope;

/// What a program does: `BLOCK SECONDS` in `handler`, and then `END` with that code. On its later starts it does the
/// last two words alone. Each start adds a line to a file.
const PROGRAM: &str = r#"
import asyncio, os, signal, sys, time
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "starts"), "a") as starts:
    print(os.getpid(), file=starts)
with open(os.path.join(here, "starts")) as starts:
    is_first = len(starts.readlines()) == 1
seconds, code, *deaf = sys.argv[1:]
if deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

async def handler():
    time.sleep(float(seconds))

async def main():
    for _ in range(40):
        await asyncio.sleep(0.01)
    if is_first:
        await handler()
    for _ in range(40):
        await asyncio.sleep(0.01)
    sys.exit(int(code))

asyncio.run(main())
"#;

/// Runs the first worker, and another one after it.
const MANAGER: &str = r#"
import os, subprocess, sys
worker = os.path.join(os.path.dirname(os.path.abspath(__file__)), "program.py")
codes = [subprocess.run([sys.executable, worker, *sys.argv[1:]]).returncode for _ in range(2)]
print(codes)
"#;

struct Ran {
    output: Output,
    report: Report,
    starts: usize,
    _folder: TempDir,
}

impl Ran {
    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    fn of_kind(&self, kind: IncidentKind) -> Vec<&Incident> {
        let incidents = self.report.incidents.iter();
        incidents.filter(|incident| incident.kind == kind).collect()
    }
}

fn written(folder: &Path) -> (PathBuf, PathBuf) {
    let (program, manager) = (folder.join("program.py"), folder.join("manager.py"));
    fs::write(&program, PROGRAM).unwrap();
    fs::write(&manager, MANAGER).unwrap();
    (program, manager)
}

fn command(folder: &Path, options: &[&str]) -> Command {
    let mut command = loopscope(&folder.join("rt"));
    command
        .args(["run", "--listen", "off", "--blocked-threshold-ms", "400"])
        .args(options)
        .arg("--report")
        .arg(folder.join("report.json"))
        .args(["--", "python3"]);
    command
}

fn run(is_managed: bool, options: &[&str], words: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let (program, manager) = written(folder.path());
    let mut command = command(folder.path(), options);
    command.arg(if is_managed { manager } else { program });
    let output = command.args(words).output().unwrap();
    let text = fs::read_to_string(folder.path().join("report.json")).unwrap();
    let starts = fs::read_to_string(folder.path().join("starts")).unwrap();
    Ran {
        output,
        report: serde_json::from_str(&text).unwrap(),
        starts: starts.lines().count(),
        _folder: folder,
    }
}

const RESTART: &[&str] = &["--restart-when-blocked", "800ms"];

#[test]
fn a_program_that_is_blocked_is_started_again_and_its_stacks_are_written_first() {
    let ran = run(false, RESTART, &["60", "7"]);
    let said = ran.stderr();
    assert_eq!(
        (ran.starts, ran.output.status.code()),
        (2, Some(7)),
        "{said}"
    );
    let place = |what: &str| {
        said.find(what)
            .unwrap_or_else(|| panic!("no {what} in {said}"))
    };
    let line = PROGRAM
        .lines()
        .position(|line| line.contains("time.sleep("))
        .unwrap()
        + 1;
    let stack = place(&format!("program.py:{line})"));
    // Nothing of ours is in it.
    place("1 loop · 1 task (1 running)");
    assert!(place("its process is ended, to be started again") < stack);
    assert!(stack < place("started again as pid"));
    let stalls = ran.of_kind(IncidentKind::LoopStall);
    assert_eq!(stalls.len(), 1, "{:#?}", ran.report.incidents);
    let restarts = ran.of_kind(IncidentKind::ProcessRestarted);
    assert_eq!(restarts.len(), 1, "{:#?}", ran.report.incidents);
    assert_eq!(restarts[0].origin.as_ref(), Some(&stalls[0].id));
    // It ends with 7, which is told; that it was ended before is not.
    let deaths = ran.of_kind(IncidentKind::ProcessDied);
    assert_eq!(deaths.len(), 1, "{deaths:#?}");
    assert!(
        deaths[0].summary.contains("exited with code 7"),
        "{deaths:#?}"
    );
    assert_eq!(ran.report.monitoring.processes_count, 0);
}

#[test]
fn a_program_that_does_not_hear_is_killed() {
    let ran = run(false, RESTART, &["60", "0", "deaf"]);
    assert_eq!(
        (ran.starts, ran.output.status.code()),
        (2, Some(0)),
        "{}",
        ran.stderr()
    );
    assert!(
        ran.of_kind(IncidentKind::ProcessDied).is_empty(),
        "{:#?}",
        ran.report.incidents
    );
}

#[test]
fn a_worker_is_ended_and_started_again_by_its_own_manager() {
    let ran = run(true, RESTART, &["60", "3"]);
    let printed = String::from_utf8_lossy(&ran.output.stdout).into_owned();
    assert_eq!(
        (ran.starts, printed.as_str()),
        (2, "[-15, 3]\n"),
        "{}",
        ran.stderr()
    );
    assert!(
        !ran.stderr().contains("started again as pid"),
        "{}",
        ran.stderr()
    );
    assert!(
        ran.of_kind(IncidentKind::ProcessDied).is_empty(),
        "{:#?}",
        ran.report.incidents
    );
}

#[test]
fn a_program_that_is_free_again_in_time_or_that_nobody_wants_restarted_runs_on() {
    let in_time = run(false, &["--restart-when-blocked", "60s"], &["1.2", "0"]);
    let not_asked = run(false, &[], &["1.6", "0"]);
    for ran in [in_time, not_asked] {
        assert_eq!(
            (ran.starts, ran.output.status.code()),
            (1, Some(0)),
            "{}",
            ran.stderr()
        );
        assert_eq!(ran.of_kind(IncidentKind::LoopStall).len(), 1);
        assert!(ran.of_kind(IncidentKind::ProcessRestarted).is_empty());
    }
}

#[test]
fn a_program_that_ends_by_itself_is_not_started_again() {
    let ran = run(false, RESTART, &["0", "9"]);
    assert_eq!(
        (ran.starts, ran.output.status.code()),
        (1, Some(9)),
        "{}",
        ran.stderr()
    );
}

#[test]
fn signs_of_life_come_while_the_loop_turns_and_not_while_it_is_blocked() {
    let folder = tempfile::tempdir().unwrap();
    let (program, _) = written(folder.path());
    let text = PROGRAM.replace(
        "time.sleep(float(seconds))",
        "print('in', flush=True); time.sleep(float(seconds)); print('out', flush=True)",
    );
    // Long enough for several signs on either side.
    fs::write(&program, text.replace("range(40)", "range(150)")).unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut child = command(folder.path(), &[])
        .arg(&program)
        .args(["3", "0"])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "300000")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let steps = thread::spawn(move || lines.map(|_| Instant::now()).collect::<Vec<_>>());
    let (end, ended) = mpsc::channel();
    let signs = thread::spawn(move || {
        let mut signs = Vec::new();
        let mut buffer = [0; 64];
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) {
            match socket.recv(&mut buffer) {
                Ok(length) => {
                    assert_eq!(&buffer[..length], b"WATCHDOG=1\n");
                    signs.push(Instant::now());
                }
                Err(_) if signs.is_empty() => {}
                Err(_) if ended.try_recv().is_ok() => break,
                Err(_) => {}
            }
        }
        signs
    });
    child.wait().unwrap();
    end.send(()).unwrap();
    let (steps, signs) = (steps.join().unwrap(), signs.join().unwrap());
    let [blocked, free] = steps[..] else {
        panic!("{steps:?}")
    };
    // Blocked from 0.4 s on, and told at the next of four reports a second.
    let known = blocked + Duration::from_millis(900);
    let between = |from: Instant, until: Instant| {
        signs
            .iter()
            .filter(|at| (from..until).contains(*at))
            .count()
    };
    assert!(
        between(blocked - Duration::from_secs(1), blocked) >= 3,
        "{signs:?}"
    );
    assert_eq!(between(known, free), 0, "{signs:?} in {known:?}..{free:?}");
    assert!(
        between(free, free + Duration::from_secs(1)) >= 1,
        "{signs:?}"
    );
}
