//! Signals that reach a program through `run`, and those that must not.

use std::io::{BufRead, BufReader, Lines, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::loopscope;

/// Tells what it was started to ignore, then each signal that it takes; ends on SIGTERM with 7.
const TELLS: &str = "
import signal, sys
ignored = [s.name for s in (signal.SIGINT, signal.SIGQUIT) if signal.getsignal(s) == signal.SIG_IGN]
print('ignored', *ignored, flush=True)
names = 'INT TERM ALRM VTALRM PROF TTIN TTOU WINCH'.split()
wanted = [getattr(signal, 'SIG' + name) for name in names]
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
print('ready', flush=True)
taken = None
while taken != signal.SIGTERM:
    taken = signal.sigwait(wanted)
    print(taken.name, flush=True)
sys.exit(7)
";

struct Run {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
    _folder: tempfile::TempDir,
}

impl Run {
    /// Starts `loopscope run ARGUMENTS` through a shell that does this first, whatever signals the tests
    /// themselves were started to ignore.
    fn start(first: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP,INT,QUIT,PIPE,TERM", "sh"]);
        let script = format!("{first} exec \"$@\"");
        command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_loopscope"), "run"]);
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        command.env("LOOPSCOPE_RUNTIME_DIR", folder.path().join("rt"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            stdout: BufReader::new(child.stdout.take().unwrap()).lines(),
            stderr: BufReader::new(child.stderr.take().unwrap()).lines(),
            child,
            _folder: folder,
        }
    }

    fn line(&mut self) -> String {
        self.stdout.next().unwrap().unwrap()
    }

    /// Waits until Loopscope says this.
    fn until_said(&mut self, what: &str) {
        let found = self.stderr.any(|line| line.unwrap().contains(what));
        assert!(found, "never said: {what}");
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

#[test]
fn orders_that_a_server_takes_by_signal_reach_it() {
    let mut run = Run::start("", &["--", "python3", "-c", TELLS]);
    run.until_said("listening on");
    assert_eq!((run.line(), run.line()), ("ignored".into(), "ready".into()));
    for (signal, name) in [
        (Signal::TTIN, "SIGTTIN"),
        (Signal::TTOU, "SIGTTOU"),
        (Signal::WINCH, "SIGWINCH"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::VTALARM, "SIGVTALRM"),
        (Signal::PROF, "SIGPROF"),
        (Signal::TERM, "SIGTERM"),
    ] {
        run.send(signal);
        assert_eq!(run.line(), name);
    }
    assert_eq!(run.child.wait().unwrap().code(), Some(7));
}

#[test]
fn a_signal_ignored_from_the_start_stays_ignored_in_the_target_and_is_passed_on_when_sent() {
    let mut run = Run::start("trap '' INT QUIT;", &["--", "python3", "-c", TELLS]);
    run.until_said("listening on");
    assert_eq!(run.line(), "ignored SIGINT SIGQUIT");
    assert_eq!(run.line(), "ready");
    run.send(Signal::INT);
    assert_eq!(run.line(), "SIGINT");
    run.send(Signal::TERM);
    assert_eq!(run.line(), "SIGTERM");
    assert_eq!(run.child.wait().unwrap().code(), Some(7));
}

#[test]
fn a_parent_that_wants_to_hear_of_no_child_still_gets_the_exit_code() {
    let mut run = Run::start("trap '' CHLD;", &["--", "sh", "-c", "exit 5"]);
    assert_eq!(run.child.wait().unwrap().code(), Some(5));
}

#[test]
fn lingering_ends_when_we_are_told_to_end() {
    // An hour: were it waited for, this test would not end.
    let mut run = Run::start("", &["--linger", "60m", "--", "sh", "-c", "exit 5"]);
    run.until_said("serving the last state");
    run.send(Signal::TERM);
    assert_eq!(run.child.wait().unwrap().code(), Some(5));
}

/// Starts a command as the leader of a session with a terminal of its own, hangs up once it is ready, and
/// prints its exit code.
const HANGS_UP: &str = r"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = b''
while b'ready\r\n' not in seen or b'listening on' not in seen:
    seen += os.read(terminal, 4096)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

const TAKES_HANG_UP: &str = "
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
print('ready', flush=True)
signal.sigwait([signal.SIGHUP])
os._exit(9)
";

#[test]
fn a_hang_up_of_the_terminal_reaches_the_target_of_a_session_leader() {
    let runtime = tempfile::tempdir().unwrap();
    let bare = loopscope(&runtime.path().join("rt"));
    // Tests that were started to outlive their terminal ignore its end, and so would all they start.
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP", "python3", "-c", HANGS_UP]);
    command.arg(bare.get_program());
    command.args(["run", "--listen", "127.0.0.1:0", "--"]);
    command.args(["python3", "-c", TAKES_HANG_UP]);
    command.env("LOOPSCOPE_RUNTIME_DIR", runtime.path().join("rt"));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut printed = String::new();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut printed).unwrap();
    child.wait().unwrap();
    assert_eq!(printed.trim(), "9");
}
