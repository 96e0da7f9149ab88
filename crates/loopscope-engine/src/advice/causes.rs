//! Advice where no single call of the loop's own thread is to blame.

use super::VERIFY;
use crate::report::{Advice, StallCause};

/// The advice for a cause.
pub(crate) fn for_cause(cause: StallCause) -> Advice {
    match cause {
        StallCause::Overload => advice(OVERLOAD, VERIFY),
        StallCause::CpuStarved => advice(STARVED, STARVED_VERIFY),
        StallCause::Suspended => advice(SUSPENDED, SUSPENDED_VERIFY),
        StallCause::GcPause => advice(GC_PAUSE, VERIFY),
        StallCause::BlockingCall | StallCause::Unknown => advice(UNKNOWN, VERIFY),
    }
}

/// The advice where another thread holds the interpreter's lock.
pub(super) fn for_lock_wait() -> Advice {
    Advice {
        replacement: None,
        ..advice(LOCK_WAIT, VERIFY)
    }
}

fn advice(steps: &[&str], verify: &str) -> Advice {
    Advice {
        replacement: None,
        steps: steps.iter().map(ToString::to_string).collect(),
        verify: Some(verify.to_owned()),
        rule: None,
    }
}

const OVERLOAD: &[&str] = &[
    "stop the bleeding: admit less at once, `semaphore = asyncio.Semaphore(100)` around what creates \
     the callbacks with the largest share",
    "spread the load: more worker processes, each with a loop of its own",
    "fix: let long series of ready callbacks breathe with `await asyncio.sleep(0)` every few hundred \
     items, and batch what is scheduled one by one",
];

const STARVED: &[&str] = &[
    "stop the bleeding: free a processor; `top` shows who uses it, `cat /proc/pressure/cpu` how short \
     it is",
    "in a container, read `nr_throttled` in `/sys/fs/cgroup/cpu.stat`: where it grows, raise the \
     processor limit",
    "fix: run fewer busy workers than there are processors, or give this service a higher weight",
];
const STARVED_VERIFY: &str = "under the same load, `cat /proc/pressure/cpu` falls and this incident's count stays at {count}";

const SUSPENDED: &[&str] = &[
    "find out who stopped it: job control (Ctrl-Z), SIGSTOP, a debugger, a frozen cgroup, a paused \
     machine",
    "let it go on: `kill -CONT PID`, or detach the debugger",
];
const SUSPENDED_VERIFY: &str =
    "`ps -o stat= -p PID` shows no T, and `loopscope health` shows the loop idle or busy again";

const GC_PAUSE: &[&str] = &[
    "stop the bleeding: `gc.freeze()` after start-up, so that long-lived objects are not walked again",
    "fix: create fewer objects in cycles, and raise the threshold with `gc.set_threshold(50_000, 20, 20)`",
];

const UNKNOWN: &[&str] = &[
    "look while it lasts: `loopscope health` names the line as soon as the stack can be read",
    "where it cannot be read, follow the note in `detailed_health.agent.notes`",
];

const LOCK_WAIT: &[&str] = &[
    "stop the bleeding: take the work that holds the lock out of this process, or do less of it at once",
    "fix: run it with `loop.run_in_executor(ProcessPoolExecutor(), ...)`; a thread does not help, since \
     the lock is what the loop waits for",
    "where the code is an extension, use a version of it that releases the lock around its work",
];
