//! Passing signals on to the target.
//!
//! The target shares our process group. What the kernel sends on behalf of the terminal (Ctrl-C, Ctrl-\, a
//! new window size) goes to the whole group and reaches the target directly; passing that on would deliver
//! it twice. A hang-up is the exception: the kernel sends it to the leader of the session alone, so where
//! we are that leader it is passed on. What another process sends to us (`kill`, a container runtime, a
//! service manager) is passed on. Stop and continue are left as they are: the terminal stops both.
//!
//! What we were started to ignore (`nohup`, a script's `command &`) the target inherits as ignored: we
//! listen to those signals only after it was started.
//!
//! Known limit: a signal that another process sends to the whole group (`timeout -s TERM`, `kill -- -PGID`)
//! reaches the target twice, once directly and once through us. Nothing in a signal tells whether its
//! sender meant the group or us alone.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;

use rustix::process::{Pid, PidfdFlags, Signal, getpid, getsid, pidfd_open, pidfd_send_signal};
use signal_hook::consts::signal as number;
use signal_hook::flag;
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::{Origin, WithOrigin};
use signal_hook::low_level::emulate_default_handler;

/// Signals that are passed on: what asks programs to end, and what servers take orders by (gunicorn:
/// `TTIN`, `TTOU` and `WINCH` for its number of workers).
const PASSED_ON: [(i32, Signal); 12] = [
    (number::SIGTERM, Signal::TERM),
    (number::SIGINT, Signal::INT),
    (number::SIGHUP, Signal::HUP),
    (number::SIGQUIT, Signal::QUIT),
    (number::SIGUSR1, Signal::USR1),
    (number::SIGUSR2, Signal::USR2),
    (number::SIGALRM, Signal::ALARM),
    (number::SIGVTALRM, Signal::VTALARM),
    (number::SIGPROF, Signal::PROF),
    (number::SIGTTIN, Signal::TTIN),
    (number::SIGTTOU, Signal::TTOU),
    (number::SIGWINCH, Signal::WINCH),
];

/// Signals after which the target is expected to end.
const ENDING: [i32; 4] = [
    number::SIGTERM,
    number::SIGINT,
    number::SIGHUP,
    number::SIGQUIT,
];

/// From the kernel these stop a program in the background that uses its terminal.
const STOPPING: [i32; 2] = [number::SIGTTIN, number::SIGTTOU];

/// Lets the kernel keep how children ended. Where we were started to ignore that, as by a parent that wants
/// to hear of no child, it keeps nothing, and the target's exit code would be lost. The target then starts
/// with the default, the one thing that it would find otherwise without us.
pub(crate) fn keep_endings() -> io::Result<()> {
    if ignored_by("self") & bit(number::SIGCHLD) == 0 {
        return Ok(());
    }
    flag::register(number::SIGCHLD, Arc::default()).map(drop)
}

/// Signals heard since the listening began.
pub(crate) struct Heard {
    signals: SignalsInfo<WithOrigin>,
    /// What we were started to ignore, one bit each.
    ignored: u64,
}

impl Heard {
    /// Begins to listen. Must come before the target starts, so that no signal finds nobody.
    pub(crate) fn listen() -> io::Result<Self> {
        let ignored = ignored_by("self");
        let wanted = PASSED_ON.iter().map(|(number, _)| *number);
        let signals = SignalsInfo::<WithOrigin>::new(wanted.filter(|n| ignored & bit(*n) == 0))?;
        Ok(Self { signals, ignored })
    }

    /// Listens to the others too, once the target was started to ignore them.
    pub(crate) fn listen_to_ignored(&self) -> io::Result<()> {
        // Listening to a stop that was ignored would begin to stop us.
        let wanted = |n: &i32| self.ignored & bit(*n) != 0 && !STOPPING.contains(n);
        let mut numbers = PASSED_ON.iter().map(|(number, _)| *number).filter(wanted);
        numbers.try_for_each(|number| self.signals.handle().add_signal(number))
    }

    /// Passes signals on for as long as the program runs. `ending` is called when the target was told to
    /// end; `stop` takes every word that we ourselves are to end.
    pub(crate) fn pass_on(
        mut self,
        target: Pid,
        ending: impl Fn() + Send + 'static,
        stop: Sender<()>,
    ) -> io::Result<()> {
        let passing = Passing {
            // A descriptor, not a number: it can never mean a later process.
            descriptor: pidfd_open(target, PidfdFlags::empty())?,
            target: target.as_raw_nonzero().to_string(),
            ignored: self.ignored,
            ending,
            stop,
        };
        let work = move || {
            for origin in &mut self.signals {
                passing.take(&origin);
            }
        };
        thread::Builder::new()
            .name("loopscope-signal".into())
            .spawn(work)
            .map(drop)
    }
}

/// Where signals go.
struct Passing<F> {
    target: String,
    descriptor: OwnedFd,
    ignored: u64,
    ending: F,
    stop: Sender<()>,
}

impl<F: Fn()> Passing<F> {
    fn take(&self, origin: &Origin) {
        // No process behind it: the kernel sent it, on behalf of the terminal.
        let from_kernel = origin.process.is_none();
        let number = origin.signal;
        if from_kernel && self.ignored & bit(number) != 0 {
            return;
        }
        if ENDING.contains(&number) {
            if ignored_by(&self.target) & bit(number) == 0 {
                (self.ending)();
            }
            // Nobody may be waiting for it yet, or any more.
            let _ = self.stop.send(());
        }
        if !from_kernel || is_sent_to_us_alone(number) {
            self.pass(number);
        } else if STOPPING.contains(&number) {
            let _ = emulate_default_handler(number);
        }
    }

    fn pass(&self, number: i32) {
        let known = PASSED_ON.iter().find(|(known, _)| *known == number);
        if let Some((_, signal)) = known {
            // Fails only when the target has ended.
            let _ = pidfd_send_signal(self.descriptor.as_fd(), *signal);
        }
    }
}

/// Whether the kernel sends this signal to us and not to the rest of our group.
fn is_sent_to_us_alone(number: i32) -> bool {
    number == number::SIGHUP && getsid(None).is_ok_and(|leader| leader == getpid())
}

/// The signals that a process ignores, one bit each; none when there is no such process.
fn ignored_by(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

fn bit(number: i32) -> u64 {
    1 << (number - 1)
}
