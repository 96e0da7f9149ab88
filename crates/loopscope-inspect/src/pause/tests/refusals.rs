//! Processes that cannot be held, and those that go away.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::STOPPING;
use super::dumper::Dumpers;
use super::support::{Target, children, until};
use crate::dump::DumpMode;
use crate::error::DumpError;
use crate::kernel::{self, RunState};
use crate::pause::hold;

#[test]
fn a_process_that_does_not_exist_is_gone() {
    for mode in STOPPING {
        let outcome = hold(4_194_304 + 7, mode);
        assert!(
            matches!(outcome, Err(DumpError::Gone { .. })),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_process_that_has_ended_is_gone() {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id();
    until("it has ended", || {
        kernel::thread_state(pid, pid).run_state == RunState::Zombie
    });
    for mode in STOPPING {
        let outcome = hold(pid, mode);
        assert!(
            matches!(outcome, Err(DumpError::Gone { .. })),
            "{outcome:?}"
        );
    }
    child.wait().unwrap();
}

#[test]
fn a_process_does_not_stop_itself() {
    let pid = std::process::id();
    for mode in STOPPING {
        let outcome = hold(pid, mode);
        assert!(
            matches!(outcome, Err(DumpError::OwnProcess { .. })),
            "{outcome:?}"
        );
        assert!(outcome.unwrap_err().hint().is_some());
    }
    let held = hold(pid, DumpMode::Live).unwrap();
    assert_eq!((held.memory_pid(), held.thread_before(pid)), (pid, None));
    assert_eq!(held.release(), None);
}

#[test]
fn a_process_of_another_user_is_refused() {
    if rustix::process::geteuid().is_root() {
        println!("skipped: nothing is refused to this user");
        return;
    }
    for mode in STOPPING {
        let outcome = hold(1, mode);
        assert!(
            matches!(outcome, Err(DumpError::StopDenied { .. })),
            "{outcome:?}"
        );
        assert!(outcome.unwrap_err().hint().is_some());
    }
}

#[test]
fn a_process_that_is_traced_is_left_to_its_tracer() {
    let target = Target::start("pause_work.py", &[]);
    let mut dumpers = Dumpers::start();
    let dumper = dumpers.dumps_on(target.pid(), DumpMode::Stop);
    let mut found = None;
    until("it is found to be traced", || {
        match hold(target.pid(), DumpMode::Stop) {
            Ok(held) => drop(held.release()),
            Err(DumpError::Traced { tracer, .. }) => found = Some(tracer),
            Err(error) => panic!("{error:?}"),
        }
        found.is_some()
    });
    assert_eq!(found, Some(dumper.pid()));
    dumper.kill();
    target.assert_unharmed();
}

#[test]
fn a_process_that_ends_while_it_is_held_has_ended_for_its_parent_too() {
    for turn in 0..120 {
        let mode = STOPPING[turn % 2];
        let mut child = Command::new("sh")
            .args(["-c", "read line"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id();
        let killer = thread::spawn(move || {
            thread::sleep(Duration::from_micros(turn as u64 * 50));
            child.kill().unwrap();
            child
        });
        until("it is gone", || match hold(pid, mode) {
            Ok(held) => held.release().is_none(),
            Err(DumpError::Gone { .. }) => true,
            // Killed when something was to be read of it.
            Err(DumpError::NoSnapshot { .. }) => false,
            Err(error) => panic!("{error:?}"),
        });
        let mut child = killer.join().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
}

/// Starts a child, and tells how it ended.
const PARENT: &str = "
import subprocess
child = subprocess.Popen(['sleep', '3600'])
print('ready', child.pid, flush=True)
print(child.wait(), flush=True)
";

#[test]
fn the_parent_of_a_process_that_ends_while_it_is_held_hears_of_it() {
    for mode in STOPPING {
        let mut parent = Target::script(PARENT);
        let pid = u32::try_from(parent.fact(0)).unwrap();
        let held = hold(pid, mode).unwrap();
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).unwrap();
        held.release();
        assert_eq!(parent.line(), "-9", "{mode:?}");
    }
}

#[test]
fn a_process_that_runs_other_programs_again_and_again_is_unharmed() {
    // From a thread that is not the main thread, now and then.
    const AGAIN: &str = "
import os, sys, threading, time
count = int(sys.argv[1]) + 1
if count == 1:
    print('ready', flush=True)
if count == 20:
    print('done', flush=True)
    sys.stdin.read()
again = lambda: os.execv(sys.executable, [sys.executable, '-SE', '-c', os.environ['AGAIN'], str(count)])
if count % 2:
    threading.Thread(target=again).start()
    while True:
        time.sleep(0.001)
again()
";
    for mode in STOPPING {
        let python = &crate::pythons::all()[0].path;
        let mut command = Command::new(python);
        command.env("AGAIN", AGAIN).args(["-SE", "-c", AGAIN, "0"]);
        let mut target = Target::spawn(&mut command);
        let pid = target.pid();
        let holder = thread::spawn(move || {
            let mut holds = 0;
            for _ in 0..400 {
                match hold(pid, mode) {
                    Ok(held) => drop(held.release()),
                    Err(DumpError::NoSnapshot { .. } | DumpError::NotStopped { .. }) => {}
                    Err(error) => panic!("{error:?}"),
                }
                holds += 1;
            }
            holds
        });
        assert_eq!(target.line(), "done");
        holder.join().unwrap();
        target.assert_free();
    }
}

/// Sets a limit or a filter on itself, and then works.
fn limited(setup: &str) -> Target {
    let work = "
import ctypes
pages = (ctypes.c_uint64 * 1)()
print('ready', ctypes.addressof(pages), flush=True)
while True:
    pages[0] += 1
";
    Target::script(&format!("{setup}{work}"))
}

#[test]
fn there_is_no_snapshot_where_there_may_be_no_further_process() {
    let target = limited(
        "
import ctypes, os, resource
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
",
    );
    for _ in 0..20 {
        match hold(target.pid(), DumpMode::Snapshot) {
            Err(DumpError::NoSnapshot { source, .. }) => {
                assert_eq!(source.raw_os_error(), Some(nix::libc::EAGAIN));
            }
            outcome => panic!("{outcome:?}"),
        }
        target.assert_unharmed();
    }
}

/// A filter that kills the process for any call that makes a process.
const FILTER: &str = "
import ctypes, struct
LOAD, EQUAL, RETURN, ALLOW, KILL = 0x20, 0x15, 0x06, 0x7fff0000, 0x80000000
CALLS = (56, 57, 58, 435)
rules = [struct.pack('HBBI', LOAD, 0, 0, 0)]
for index, call in enumerate(CALLS):
    rules.append(struct.pack('HBBI', EQUAL, len(CALLS) - index, 0, call))
rules += [struct.pack('HBBI', RETURN, 0, 0, ALLOW), struct.pack('HBBI', RETURN, 0, 0, KILL)]
program = ctypes.create_string_buffer(b''.join(rules))
head = struct.pack('HxxxxxxQ', len(rules), ctypes.addressof(program))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.c_char_p(head), 0, 0) == 0
";

#[test]
fn a_filter_of_system_calls_does_not_kill_for_a_snapshot() {
    let target = limited(FILTER);
    for mode in STOPPING {
        match hold(target.pid(), mode) {
            Ok(held) => drop(held.release()),
            // Only an administrator may suspend a filter.
            Err(DumpError::NoSnapshot { source, .. }) => {
                assert_eq!(source.raw_os_error(), Some(nix::libc::EPERM));
            }
            Err(error) => panic!("{error:?}"),
        }
        target.assert_unharmed();
        assert_eq!(children(target.pid()), Vec::<u32>::new());
        let filter = kernel::thread_status(target.pid(), target.pid(), "Seccomp");
        assert_eq!(filter.as_deref(), Some("2"));
    }
}
