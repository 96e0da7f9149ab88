//! Targets to hold, and what is asked of them afterwards.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kernel::{self, RunState};
use crate::memory::{Memory, ProcessMemory};
use crate::pythons;

/// How long something may take that must come about, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that was started and has said that it is ready.
pub(super) struct Target {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// What it said behind `ready`.
    facts: Vec<u64>,
}

impl Target {
    /// A program of `tests/programs`.
    pub(super) fn start(name: &str, arguments: &[&str]) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs");
        let mut command = Command::new(&pythons::all()[0].path);
        Self::spawn(command.arg(source.join(name)).args(arguments))
    }

    /// A program that is given as text.
    pub(super) fn script(text: &str) -> Self {
        Self::spawn(Command::new(&pythons::all()[0].path).args(["-c", text]))
    }

    pub(super) fn spawn(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut target = Self {
            input: child.stdin.take(),
            child,
            output,
            facts: Vec::new(),
        };
        let line = target.line();
        let facts = line.strip_prefix("ready").expect("it is ready");
        target.facts = facts
            .split_ascii_whitespace()
            .map(|fact| fact.parse().unwrap())
            .collect();
        target
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn fact(&self, index: usize) -> u64 {
        self.facts[index]
    }

    /// The next line that it says.
    pub(super) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Tells it to go on.
    pub(super) fn tell(&mut self) {
        self.input.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).unwrap();
    }

    /// A counter whose address it told, read from a process with its memory.
    pub(super) fn counter(&self, memory_pid: u32, fact: usize) -> u64 {
        let mut bytes = [0; 8];
        let memory = ProcessMemory::new(memory_pid);
        memory.read(self.fact(fact), &mut bytes).unwrap();
        u64::from_le_bytes(bytes)
    }

    pub(super) fn state(&self) -> RunState {
        kernel::thread_state(self.pid(), self.pid()).run_state
    }

    /// That nothing of a hold is left and its own work goes on, and rightly so.
    pub(super) fn assert_unharmed(&self) {
        self.assert_free();
        let pid = self.pid();
        let first = self.counter(pid, 0);
        // One that has found a wrong result counts no more.
        until("it works on", || self.counter(pid, 0) > first);
    }

    /// That nothing traces or stops a thread of it, and no copy of it is left.
    pub(super) fn assert_free(&self) {
        let pid = self.pid();
        for tid in kernel::thread_ids(pid) {
            until("it is traced by nobody", || {
                matches!(
                    kernel::thread_status(pid, tid, "TracerPid").as_deref(),
                    None | Some("0")
                )
            });
            // A thread that is on its way back gets there once it has a processor.
            until("it is as it was", || {
                let state = kernel::thread_state(pid, tid).run_state;
                let blocked = kernel::thread_status(pid, tid, "SigBlk").unwrap_or_default();
                state != RunState::Stopped && !blocked.starts_with("ffff")
            });
        }
        until("no copy is left", || {
            children(pid)
                .iter()
                .all(|child| kernel::thread_state(*child, *child).run_state == RunState::Zombie)
        });
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The children of every thread of a process, those that have ended and were not collected included.
pub(super) fn children(pid: u32) -> Vec<u32> {
    kernel::thread_ids(pid)
        .iter()
        .filter_map(|tid| std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/children")).ok())
        .flat_map(|text| {
            let ids = text.split_ascii_whitespace();
            ids.map(|id| id.parse().unwrap()).collect::<Vec<u32>>()
        })
        .collect()
}

/// Waits for something that must come about.
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}
