//! What a run leaves behind when its program is killed, and that it leaves nothing otherwise.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::loopscope;

/// Stalls once, then blocks its loop for good.
const BLOCKED: &str = "
import asyncio, os, time
async def main():
    for _ in range(20):
        await asyncio.sleep(0.01)
    time.sleep(0.2)
    await asyncio.sleep(0.3)
    print(os.getpid(), flush=True)
    time.sleep(600)
asyncio.run(main())
";

const ORDERLY: &str = "
import asyncio
async def main():
    for _ in range(50):
        await asyncio.sleep(0.01)
asyncio.run(main())
";

fn run(runtime: &Path, program: &str) -> Child {
    start(runtime, program, Stdio::inherit())
}

fn start(runtime: &Path, program: &str, stdin: Stdio) -> Child {
    let mut command = loopscope(runtime);
    command.args([
        "run",
        "--listen",
        "off",
        "--service",
        "bots",
        "--",
        "python3",
        "-c",
        program,
    ]);
    command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn recordings(runtime: &Path) -> Vec<PathBuf> {
    fs::read_dir(runtime)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

fn said_by(runtime: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = loopscope(runtime).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn a_killed_process_leaves_a_recording_that_tells_what_its_loop_did_last() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = folder.path().join("rt");
    let mut supervisor = run(&runtime, BLOCKED);
    let mut line = String::new();
    BufReader::new(supervisor.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let pid = line.trim().to_owned();
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    let output = supervisor.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(128 + 9), "{said}");
    assert!(said.contains("was killed by signal 9"), "{said}");
    assert!(said.contains("loopscope postmortem"), "{said}");

    let (code, listed, _) = said_by(&runtime, &["recordings"]);
    assert_eq!(code, Some(0));
    let row = listed
        .lines()
        .find(|row| row.contains(&pid))
        .unwrap_or_default();
    assert!(
        row.starts_with("left behind") && row.contains("bots"),
        "{listed}"
    );

    let (code, told, _) = said_by(&runtime, &["postmortem", &pid]);
    assert_eq!(code, Some(0));
    assert!(told.contains("was killed"), "{told}");
    assert!(
        told.contains("busy since") && told.contains("never came back to its poll"),
        "{told}"
    );
    assert!(told.contains("stalls      1, 0.2"), "{told}");

    let (code, ..) = said_by(&runtime, &["recordings", "--delete-left-behind"]);
    assert_eq!((code, recordings(&runtime).len()), (Some(0), 0));
}

#[test]
fn a_process_that_ends_in_order_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = folder.path().join("rt");
    let output = run(&runtime, ORDERLY).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("watched 1 loop"), "{said}");
    assert_eq!(recordings(&runtime), Vec::<PathBuf>::new());
}

#[test]
fn what_is_no_recording_is_refused_with_the_next_command() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("notes.loopscope");
    fs::write(
        &foreign,
        "not a recording at all, but longer than eight bytes",
    )
    .unwrap();
    for target in [foreign.to_str().unwrap(), "4194303", "/no/such/file"] {
        let (code, told, said) = said_by(&folder.path().join("rt"), &["postmortem", target]);
        assert_eq!((code, told.as_str()), (Some(69), ""), "{target}: {said}");
        assert!(
            said.contains(target) && said.contains("hint: "),
            "{target}: {said}"
        );
    }
}

#[test]
fn nobody_is_told_to_delete_a_file_that_is_no_recording() {
    let folder = tempfile::tempdir().unwrap();
    for target in ["/etc/passwd", "/dev/null"] {
        let (code, _, said) = said_by(&folder.path().join("rt"), &["postmortem", target]);
        assert_eq!(code, Some(69), "{said}");
        assert!(!said.contains("delete"), "{said}");
        assert!(said.contains("`loopscope recordings` lists"), "{said}");
    }
}

/// Two workers, each of which says that its loop turns. They are collected only when stdin ends.
const PREFORK: &str = "
import asyncio, os, sys
async def work():
    os.write(1, b'%d\\n' % os.getpid())
    await asyncio.sleep(600)
pids = []
for _ in range(2):
    pids.append(os.fork())
    if pids[-1] == 0:
        asyncio.run(work())
sys.stdin.read()
for pid in pids:
    os.waitpid(pid, 0)
";

#[test]
fn how_workers_ended_is_told_before_their_parent_asks() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = folder.path().join("rt");
    let mut supervisor = start(&runtime, PREFORK, Stdio::piped());
    let stdin = supervisor.stdin.take();
    let mut lines = BufReader::new(supervisor.stdout.take().unwrap()).lines();
    let mut pid = || lines.next().unwrap().unwrap();
    let (asked, killed) = (pid(), pid());
    kill_process(Pid::from_raw(asked.parse().unwrap()).unwrap(), Signal::TERM).unwrap();
    kill_process(
        Pid::from_raw(killed.parse().unwrap()).unwrap(),
        Signal::KILL,
    )
    .unwrap();
    let mut said = String::new();
    let mut stderr = BufReader::new(supervisor.stderr.take().unwrap());
    while !said.contains(&format!("(pid {killed}) was killed by signal 9")) {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
    }
    drop(stdin);
    stderr.read_to_string(&mut said).unwrap();
    assert!(!said.contains("vanished"), "{said}");
    assert!(!said.contains(&format!("(pid {asked})")), "{said}");
    let left: Vec<_> = recordings(&runtime);
    let named = |path: &PathBuf| path.to_string_lossy().contains(&format!("/{killed}-"));
    assert!(left.len() == 1 && left.iter().all(named), "{left:?}");
    assert!(supervisor.wait().unwrap().success());
}
