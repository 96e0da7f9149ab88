//! What of a run goes unwatched is said: folders in which nothing can be made, processes without a recording.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use loopscope_engine::report::{Report, Status};

use crate::loopscope;

/// Turns its loop until its stdin ends.
const LOOP: &str = "
import asyncio, sys
async def main():
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
";

/// The same for a program without a loop.
const NO_LOOP: &str = "int main(void) { char c; while (read(0, &c, 1) > 0); return 0; }";

/// The end of a run: everything on stderr, and the report.
struct Outcome {
    said: String,
    report: Report,
}

/// Runs a shell's command line, whose programs run until their stdin ends: once `expected` was said.
fn until_said(folder: &Path, command: &str, expected: &str) -> Outcome {
    let mut child = start(folder, command, Stdio::piped());
    let stdin = child.stdin.take();
    let mut said = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    while !said.contains(expected) {
        let read = stderr.read_line(&mut said).unwrap();
        assert!(read > 0, "it never said {expected:?}:\n{said}");
    }
    drop(stdin);
    stderr.read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    outcome(folder, said)
}

/// Runs a command line that ends by itself.
fn to_the_end(folder: &Path, command: &str) -> Outcome {
    let child = start(folder, command, Stdio::null());
    let output = child.wait_with_output().unwrap();
    outcome(folder, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn start(folder: &Path, command: &str, stdin: Stdio) -> Child {
    loopscope(&folder.join("rt"))
        .args(["run", "--listen", "off", "--report"])
        .arg(folder.join("report.json"))
        .args(["--", "sh", "-c", command])
        .env("LOOP", LOOP)
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn outcome(folder: &Path, said: String) -> Outcome {
    let report = fs::read_to_string(folder.join("report.json")).unwrap();
    let report = serde_json::from_str(&report).unwrap();
    Outcome { said, report }
}

fn lost(outcome: &Outcome) -> u64 {
    let dropped = &outcome.report.detailed_health.agent.dropped;
    dropped.get("processes").copied().unwrap_or(0)
}

#[test]
fn a_worker_that_finds_no_room_for_its_recording_is_a_loss_that_every_surface_shows() {
    let folder = tempfile::tempdir().unwrap();
    let command = "ulimit -f 100; python3 -c \"$LOOP\"; true";
    let outcome = until_said(folder.path(), command, "no room for its recording");
    assert!(
        outcome.said.contains("LOOPSCOPE_RUNTIME_DIR"),
        "{}",
        outcome.said
    );
    assert_eq!(
        (outcome.report.status, lost(&outcome)),
        (Status::Degraded, 1)
    );
    let processes = &outcome.report.detailed_health.processes;
    assert!(
        processes.iter().any(|one| one.name.starts_with("python")),
        "{processes:?}"
    );
    let summary = outcome.said.rsplit("no event loop was seen").next();
    assert!(
        summary.is_some_and(|end| end.contains("no room")),
        "{}",
        outcome.said
    );
}

#[test]
fn a_program_that_was_started_with_a_wiped_environment_and_has_a_loop_is_a_loss() {
    let folder = tempfile::tempdir().unwrap();
    let command = "env -i PATH=\"$PATH\" python3 -c \"$LOOP\"; true";
    let outcome = until_said(folder.path(), command, "started without the pulse");
    assert_eq!(
        (outcome.report.status, lost(&outcome)),
        (Status::Degraded, 1)
    );
}

#[test]
fn a_program_without_the_pulse_or_a_loop_is_said_and_held_against_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = until_said(
        folder.path(),
        "env -i cat; true",
        "started without the pulse",
    );
    assert!(outcome.said.contains("note: cat (pid "), "{}", outcome.said);
    assert_eq!(
        (outcome.report.status, lost(&outcome)),
        (Status::Healthy, 0)
    );
}

#[test]
fn a_static_program_further_down_the_tree_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (
        folder.path().join("app.c"),
        folder.path().join("static-app"),
    );
    fs::write(&source, format!("#include <unistd.h>\n{NO_LOOP}\n")).unwrap();
    let mut cc = Command::new("cc");
    cc.arg("-static").arg("-o").arg(&program).arg(&source);
    assert!(cc.status().unwrap().success(), "{cc:?}");
    let command = format!("{}; true", program.display());
    let outcome = until_said(folder.path(), &command, "statically linked");
    assert!(
        outcome.said.contains("note: static-app (pid "),
        "{}",
        outcome.said
    );
    assert_eq!(
        (outcome.report.status, lost(&outcome)),
        (Status::Healthy, 0)
    );
}

#[test]
fn processes_that_are_watched_or_have_no_loop_are_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    let command = "python3 -c 'import asyncio; asyncio.run(asyncio.sleep(2.5))' & sleep 2.5; wait";
    let outcome = to_the_end(folder.path(), command);
    assert_eq!(lost(&outcome), 0, "{}", outcome.said);
    assert_eq!(outcome.report.incidents, [], "{}", outcome.said);
}

#[test]
fn where_no_recording_can_be_made_at_all_the_program_runs_unwatched_and_that_is_said() {
    let runtime = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 100; exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_loopscope"));
    command.args(["run", "--listen", "off", "--", "sh", "-c", "exit 3"]);
    command.env("LOOPSCOPE_RUNTIME_DIR", runtime.path().join("rt"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("running unwatched: files may not grow"),
        "{said}"
    );
    assert!(said.contains("hint: raise the limit"), "{said}");
    assert!(said.contains("lost to the watching: 1 processes"), "{said}");
}

/// As root nothing is closed: the program then runs as a user who is nobody in particular.
const NOBODY: u32 = 65_534;

#[test]
fn a_folder_that_its_owner_cannot_write_to_is_left_out_and_said() {
    let base = tempfile::tempdir().unwrap();
    let program = base.path().join("loopscope");
    let (closed, cache) = (base.path().join("closed"), base.path().join("cache"));
    fs::copy(env!("CARGO_BIN_EXE_loopscope"), &program).unwrap();
    fs::create_dir(&closed).unwrap();
    fs::create_dir(&cache).unwrap();
    let mut command = Command::new(&program);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
        for path in [&closed, &cache] {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    command
        .args(["run", "--listen", "off", "--", "python3", "-c"])
        .arg("import asyncio; asyncio.run(asyncio.sleep(1))")
        .env("LOOPSCOPE_RUNTIME_DIR", &closed)
        .env("XDG_CACHE_HOME", &cache)
        .env_remove("XDG_RUNTIME_DIR")
        .current_dir("/");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("LOOPSCOPE_RUNTIME_DIR is left out"), "{said}");
    assert!(said.contains("Permission denied"), "{said}");
    assert!(said.contains("watched 1 loop"), "{said}");
}
