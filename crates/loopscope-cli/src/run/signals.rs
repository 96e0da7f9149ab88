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
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use loopscope_recorder::identity::ProcessIdentity;
use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, getsid, kill_process, pidfd_open, pidfd_send_signal,
};
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

/// Whether a program that is told this is not to be started again; a hang-up asks many to read their settings anew.
pub(crate) fn means_the_end(signal: i32) -> bool {
    ENDING.contains(&signal) && signal != number::SIGHUP
}

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

    /// Passes signals on for as long as the program runs. `ending` is called with the signal when the target was told
    /// to end; `stop` takes every word that we ourselves are to end.
    pub(crate) fn pass_on(
        mut self,
        aim: Arc<Aim>,
        ending: impl Fn(i32) + Send + 'static,
        stop: Sender<()>,
    ) -> io::Result<()> {
        let passing = Passing {
            aim,
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

/// Where signals go: to the target, which may be started again.
pub(crate) struct Aim(Mutex<(Pid, Way)>);

impl Aim {
    /// At this process.
    pub(crate) fn at(target: Pid) -> Self {
        Self(Mutex::new((target, Way::to(target))))
    }

    /// From now on at this one.
    pub(crate) fn turn_to(&self, target: Pid) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (target, Way::to(target));
    }

    fn send(&self, signal: Signal) {
        let aim = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        aim.1.send(signal);
    }

    fn ignored(&self) -> u64 {
        let aim = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ignored_by(&aim.0.as_raw_nonzero().to_string())
    }
}

/// How a process is reached.
pub(crate) enum Way {
    /// By a descriptor, which can never mean a later process.
    Descriptor(OwnedFd),
    /// By its number, where the kernel gives no descriptor, or there is none left. It is the target as long
    /// as it began when the target did.
    Number(Pid, Option<ProcessIdentity>),
}

impl Way {
    /// The way to a process that runs.
    pub(crate) fn to(target: Pid) -> Self {
        pidfd_open(target, PidfdFlags::empty())
            .map_or_else(|_| Self::by_number(target), Self::Descriptor)
    }

    fn by_number(target: Pid) -> Self {
        Self::Number(target, identity(target))
    }

    /// Fails only when the target has ended.
    pub(crate) fn send(&self, signal: Signal) {
        let _ = match self {
            Self::Descriptor(descriptor) => pidfd_send_signal(descriptor.as_fd(), signal),
            Self::Number(target, begun) if identity(*target) == *begun => {
                kill_process(*target, signal)
            }
            Self::Number(..) => Ok(()),
        };
    }
}

fn identity(process: Pid) -> Option<ProcessIdentity> {
    ProcessIdentity::of(process.as_raw_nonzero().get().cast_unsigned())
}

/// Where signals go.
struct Passing<F> {
    aim: Arc<Aim>,
    ignored: u64,
    ending: F,
    stop: Sender<()>,
}

impl<F: Fn(i32)> Passing<F> {
    fn take(&self, origin: &Origin) {
        // No process behind it: the kernel sent it, on behalf of the terminal.
        let from_kernel = origin.process.is_none();
        let number = origin.signal;
        if from_kernel && self.ignored & bit(number) != 0 {
            return;
        }
        if ENDING.contains(&number) {
            if self.aim.ignored() & bit(number) == 0 {
                (self.ending)(number);
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
            self.aim.send(*signal);
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

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn waiting() -> Child {
        Command::new("cat").stdin(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn a_target_is_reached_by_its_number_where_there_is_no_descriptor_for_it() {
        let pid = |child: &Child| Pid::from_child(child);
        for way in [Way::to, Way::by_number] {
            let mut child = waiting();
            way(pid(&child)).send(Signal::TERM);
            assert_eq!(child.wait().unwrap().signal(), Some(15));
        }
    }

    #[test]
    fn a_later_process_with_the_number_of_the_target_is_not_meant() {
        let mut child = waiting();
        let target = Pid::from_child(&child);
        let begun = identity(target).map(|identity| ProcessIdentity {
            start_ticks: identity.start_ticks + 1,
            ..identity
        });
        Way::Number(target, begun).send(Signal::KILL);
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}
