//! Passing signals on to the target.
//!
//! The target shares our process group, so what the terminal sends (Ctrl-C, a hang-up) reaches it
//! directly; passing that on would deliver it twice. What another process sends to us alone (`kill`, a
//! container runtime, a service manager) is passed on. Stop and continue are left as they are: the
//! terminal stops both.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::thread;

use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use signal_hook::consts::signal as number;
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;

/// Signals that are passed on; each would end a program that does not handle it.
const PASSED_ON: [(i32, Signal); 6] = [
    (number::SIGTERM, Signal::TERM),
    (number::SIGINT, Signal::INT),
    (number::SIGHUP, Signal::HUP),
    (number::SIGQUIT, Signal::QUIT),
    (number::SIGUSR1, Signal::USR1),
    (number::SIGUSR2, Signal::USR2),
];

/// Signals after which the target is expected to end.
const ENDING: [i32; 4] = [
    number::SIGTERM,
    number::SIGINT,
    number::SIGHUP,
    number::SIGQUIT,
];

/// Begins to listen. Must come before the target starts, so that no signal finds nobody.
pub(crate) fn listen() -> io::Result<SignalsInfo<WithOrigin>> {
    let ignored = ignored_signals();
    // What we were started to ignore (`nohup`) the target inherits as ignored, if we leave it alone.
    let wanted = PASSED_ON.iter().map(|(number, _)| *number);
    SignalsInfo::<WithOrigin>::new(wanted.filter(|number| ignored & (1 << (number - 1)) == 0))
}

/// Passes signals on for as long as the program runs. `ending` is called when the target was told to end.
pub(crate) fn pass_on(
    mut signals: SignalsInfo<WithOrigin>,
    target: rustix::process::Pid,
    ending: impl Fn() + Send + 'static,
) -> io::Result<()> {
    // A descriptor, not a number: it can never mean a later process.
    let target = pidfd_open(target, PidfdFlags::empty())?;
    let work = move || {
        for origin in &mut signals {
            if ENDING.contains(&origin.signal) {
                ending();
            }
            // No process behind it: the kernel sent it on behalf of the terminal, to the whole group.
            if origin.process.is_none() {
                continue;
            }
            let passed = PASSED_ON
                .iter()
                .find(|(number, _)| *number == origin.signal);
            if let Some((_, signal)) = passed {
                // Fails only when the target has ended.
                let _ = pidfd_send_signal(target.as_fd(), *signal);
            }
        }
    };
    thread::Builder::new()
        .name("loopscope-signal".into())
        .spawn(work)
        .map(drop)
}

/// The set of signals that this process was started to ignore, one bit each.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
