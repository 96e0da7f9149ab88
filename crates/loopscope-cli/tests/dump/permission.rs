//! A kernel that refuses: each refusal is real, made by the kernel for the command that asks.

use std::process::Command;

use rustix::process::geteuid;

use crate::command::{Ran, finish, plain, program, run};
use crate::target::{Target, fixture, marked, python, unpacked};

const PTRACE: &str = "101";
const PROCESS_VM_READV: &str = "310";

/// The command in a sandbox that refuses these system calls.
fn filtered(refused: &[&str], arguments: &[&str]) -> Ran {
    let mut command = Command::new(python());
    command.arg(fixture().with_file_name("filtered.py"));
    command.arg(refused.join(",")).arg(program()).arg("dump");
    command.args(arguments);
    plain(&mut command);
    finish(command)
}

/// Others than root may be refused by more than the filter.
fn is_root() -> bool {
    if !geteuid().is_root() {
        eprintln!("SKIPPED: needs root, whom nothing but the filter refuses");
    }
    geteuid().is_root()
}

#[test]
fn a_filter_that_refuses_to_read_is_named_with_what_lifts_it() {
    if !is_root() {
        return;
    }
    let service = Target::service(&["service"]);
    for refused in [&[PROCESS_VM_READV][..], &[PTRACE, PROCESS_VM_READV]] {
        let ran = filtered(refused, &[&service.pid()]);
        ran.refused(
            77,
            "a seccomp filter forbids it",
            "`--security-opt seccomp=unconfined`",
        );
        // What the kernel tells everybody is shown all the same.
        assert!(ran.stdout.contains("Threads\n"), "{ran:?}");
    }
}

#[test]
fn a_filter_that_refuses_to_stop_leaves_a_way_and_names_it() {
    if !is_root() {
        return;
    }
    let service = Target::service(&["service"]);
    let pid = service.pid();
    let ran = filtered(&[PTRACE], &[&pid]);
    let command = format!("dump {pid} --mode live");
    ran.refused(77, "permission to stop the process refused", &command);
    let ran = filtered(&[PTRACE], &[&pid, "--mode", "live"]);
    let line = format!("dump_service.py:{}", marked("CONSUMER"));
    assert!(ran.code == Some(0) && ran.stdout.contains(&line), "{ran:?}");
}

#[test]
fn a_build_without_the_interpreters_lock_is_refused_by_name() {
    // Such builds are rare, and they say so in the table that describes them: this one says so, too.
    let program = "\
import ctypes, sys, time
if sys.version_info < (3, 13):
    print('too old', flush=True)
else:
    runtime = (ctypes.c_uint64 * 3).in_dll(ctypes.pythonapi, '_PyRuntime')
    assert bytes(runtime)[:8] == b'xdebugpy'
    runtime[2] = 1
    print('ready', flush=True)
time.sleep(3600)";
    let mut command = Command::new(python());
    command.args(["-c", program]);
    let Some(target) = Target::ready_or_not(command) else {
        eprintln!("SKIPPED: needs Python 3.13 or later");
        return;
    };
    let pid = target.pid();
    let ran = run(&[&pid]);
    ran.refused(
        69,
        "free-threaded builds of Python are not supported: 3.",
        &format!("`gdb -p {pid} -batch"),
    );
    assert!(ran.stdout.contains("Threads\n"), "{ran:?}");
}

#[test]
fn pypy_is_shown_as_the_kernel_knows_it() {
    let program = "import time; print('ready', flush=True); time.sleep(3600)";
    let pypy = unpacked("pypy3.11").unwrap_or_else(|| "pypy3".into());
    if Command::new(&pypy).arg("--version").output().is_err() {
        eprintln!("SKIPPED: pypy3 is not installed");
        return;
    }
    let mut command = Command::new(pypy);
    command.args(["-c", program]);
    let target = Target::ready(command);
    let ran = run(&[&target.pid()]);
    ran.refused(69, "not CPython: ", "`loopscope run -- ");
    assert!(ran.stdout.contains("Threads\n"), "{ran:?}");
}
