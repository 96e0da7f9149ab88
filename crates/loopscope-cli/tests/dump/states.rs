//! Processes in unusual states: stopped, and in a pid namespace of their own.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use loopscope_engine::dump::DumpFindingKind;
use nix::sys::ptrace;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::command::{dump, finish, program, run};
use crate::target::{Target, fixture, python};

#[test]
fn a_stopped_process_is_dumped_said_to_be_stopped_and_stays_so() {
    let service = Target::service(&["service"]);
    let pid = Pid::from_raw(service.id() as i32).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    waitpid(Some(pid), WaitOptions::UNTRACED).unwrap();
    let report = run(&[&service.pid(), "--json"]).report();
    assert_eq!(report.findings[0].kind, DumpFindingKind::ProcessStopped);
    assert_eq!(report.counts.tasks_pending, 13);
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.id())).unwrap();
    assert!(status.contains("State:\tT (stopped)"), "{status}");
    assert!(status.contains("TracerPid:\t0"), "{status}");
}

#[test]
fn a_process_that_a_debugger_has_is_read_while_it_runs() {
    let service = Target::service(&["service"]);
    let pid = nix::unistd::Pid::from_raw(service.id() as i32);
    ptrace::seize(pid, ptrace::Options::empty()).unwrap();
    let refused = run(&[&service.pid()]);
    let next = format!("`loopscope dump {} --mode live`", service.id());
    refused.refused(69, "is traced by process", &next);
    let report = run(&[&service.pid(), "--json", "--mode", "live"]).report();
    assert_eq!(report.process.traced_by, Some(std::process::id()));
    assert_eq!(report.counts.tasks_pending, 13);
    assert_eq!(report.reading.unwrap().approximate.len(), 1);
}

#[test]
fn each_mode_says_the_same_of_a_process_that_waits() {
    let service = Target::service(&["service"]);
    for (mode, is_exact) in [("stop", true), ("snapshot", true), ("live", false)] {
        let report = run(&[&service.pid(), "--json", "--mode", mode]).report();
        assert_eq!(report.counts.tasks_pending, 13, "{mode}");
        let reading = report.reading.unwrap();
        assert_eq!(reading.pause_seconds.is_some(), is_exact, "{mode}");
        assert_eq!(reading.approximate.is_empty(), is_exact, "{mode}");
    }
}

#[test]
fn a_recording_tells_exactly_for_how_long_a_loop_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = folder.path().join("runtime");
    let mut command = Command::new(program());
    command.args(["run", "--listen", "off", "--", &python()]);
    command.arg(fixture()).arg("gil");
    command
        .env("LOOPSCOPE_RUNTIME_DIR", &runtime)
        .stderr(Stdio::null());
    let supervisor = Target::ready(command);
    let pid = supervisor.child_pid();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let mut command = dump(&[&pid, "--json"]);
        command.env("LOOPSCOPE_RUNTIME_DIR", &runtime);
        let report = finish(command).report();
        let found = &report.loops[0];
        if found.busy_is_exact && found.busy_seconds.is_some_and(|seconds| seconds > 0.1) {
            assert_eq!(report.findings[0].kind, DumpFindingKind::LoopStalled);
            break;
        }
        assert!(Instant::now() < deadline, "{report:#?}");
    }
}

#[test]
fn a_process_of_another_pid_namespace_is_shown_with_both_ids() {
    let mut command = Command::new("unshare");
    let namespaces = [
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--kill-child",
    ];
    command
        .args(namespaces)
        .arg(python())
        .arg(fixture())
        .arg("service");
    let is_possible = Command::new("unshare")
        .args(namespaces)
        .arg("true")
        .status();
    if !is_possible.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no pid namespace can be made here");
        return;
    }
    let outer = Target::ready(command);
    let inner = outer.child_pid();
    let shown = run(&[&inner]).shown();
    assert!(
        shown.contains(&format!("pid {} (1 inside its container)", &inner)),
        "{shown}"
    );
    assert!(shown.contains("13 pending"), "{shown}");
}
