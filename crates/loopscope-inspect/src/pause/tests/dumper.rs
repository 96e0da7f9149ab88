//! Processes that hold a target, to be killed or to die by themselves.
//!
//! A server, which is this test program run once more for the test [`server`], forks them: starting this
//! program for each would take most of the tests' time.
#![expect(unsafe_code, reason = "a fork, and the end of its child")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};

use nix::libc;
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use super::mode_named;
use crate::dump::DumpMode;
use crate::error::DumpError;
use crate::pause::hold;

/// How many checkpoints this process still passes; it dies at the next. Negative in one that does not.
static CHECKPOINTS_LEFT: AtomicI64 = AtomicI64::new(-1);

/// What a dumper ends with that found an error.
const FAILED: i32 = 3;

pub(in super::super) fn checkpoint() {
    if CHECKPOINTS_LEFT.load(Ordering::SeqCst) >= 0
        && CHECKPOINTS_LEFT.fetch_sub(1, Ordering::SeqCst) == 0
    {
        raise(Signal::SIGKILL).unwrap();
    }
}

#[test]
#[ignore = "runs as a process of its own, for the other tests"]
fn server() {
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let [pid, mode, holds, checkpoints] = words[..] else {
            panic!("{line}")
        };
        let (pid, mode) = (pid.parse().unwrap(), mode_named(mode));
        let (holds, checkpoints) = (holds.parse().unwrap(), checkpoints.parse().unwrap());
        // SAFETY: the child has this one thread, and what it needs of the others is not locked: the
        // harness waits for this test to end.
        let forked = unsafe { fork() }.unwrap();
        match forked {
            ForkResult::Child => dump(pid, mode, holds, checkpoints),
            ForkResult::Parent { child } => {
                println!("dumper {child}");
                println!("{}", ending(child));
            }
        }
    }
}

fn dump(pid: u32, mode: DumpMode, holds: u64, checkpoints: i64) -> ! {
    CHECKPOINTS_LEFT.store(checkpoints, Ordering::SeqCst);
    for _ in 0..holds {
        match hold(pid, mode) {
            Ok(held) => drop(held.release()),
            // A test holds it too.
            Err(DumpError::Traced { .. }) => {}
            Err(error) => {
                eprintln!("{error:?}");
                end(FAILED);
            }
        }
    }
    end(0)
}

fn end(code: i32) -> ! {
    // SAFETY: ends this process at once; nothing of it is used any more.
    unsafe { libc::_exit(code) }
}

fn ending(child: Pid) -> &'static str {
    match waitpid(child, None).unwrap() {
        WaitStatus::Exited(_, 0) => "came through",
        WaitStatus::Signaled(_, Signal::SIGKILL, _) => "died",
        _ => "failed",
    }
}

/// The server, which has one dumper at a time.
pub(super) struct Dumpers {
    child: Child,
    output: BufReader<ChildStdout>,
    /// The one that dumps until it is killed.
    endless: Option<Pid>,
}

impl Dumpers {
    pub(super) fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture"])
            .arg("pause::tests::dumper::server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            output,
            endless: None,
        }
    }

    /// A dumper that dies after some checkpoints. Tells whether it did before it had come through.
    pub(super) fn dies_at(&mut self, pid: u32, mode: DumpMode, checkpoints: i64) -> bool {
        self.begin(pid, mode, 1, checkpoints);
        self.has_died()
    }

    /// A dumper that holds again and again until it is killed.
    pub(super) fn dumps_on(&mut self, pid: u32, mode: DumpMode) -> Dumper<'_> {
        let dumper = self.begin(pid, mode, u64::MAX, -1);
        self.endless = Some(dumper);
        Dumper {
            dumpers: self,
            pid: dumper,
        }
    }

    fn begin(&mut self, pid: u32, mode: DumpMode, holds: u64, checkpoints: i64) -> Pid {
        let input = self.child.stdin.as_mut().unwrap();
        writeln!(input, "{pid} {mode:?} {holds} {checkpoints}").unwrap();
        loop {
            // The harness has words of its own to say first.
            if let Some(pid) = self.line().strip_prefix("dumper ") {
                return Pid::from_raw(pid.parse().unwrap());
            }
        }
    }

    fn has_died(&mut self) -> bool {
        match &*self.line() {
            "died" => true,
            "came through" => false,
            ending => panic!("the dumper {ending}"),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.output.read_line(&mut line).unwrap(), 0);
        line.trim_end().to_owned()
    }
}

impl Drop for Dumpers {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if let Some(dumper) = self.endless {
            // The server ends after it.
            let _ = kill(dumper, Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// A process that holds a target again and again.
pub(super) struct Dumper<'server> {
    dumpers: &'server mut Dumpers,
    pid: Pid,
}

impl Dumper<'_> {
    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw().cast_unsigned()
    }

    pub(super) fn kill(self) {
        kill(self.pid, Signal::SIGKILL).unwrap();
        self.dumpers.endless = None;
        assert!(self.dumpers.has_died());
    }
}
