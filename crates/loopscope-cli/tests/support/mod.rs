//! Ground truth, driven for real: starts the built `loopscope` with a fixture program, asks `/health`
//! all the while, and compares everything that Loopscope said with what the program declared.
//!
//! The fixtures (`tests/fixtures`) print when each of their stalls began and ended; all times are
//! `CLOCK_MONOTONIC` of one host. Nothing here retries, and nothing compares against a guess of how fast
//! the machine is. What it deliberately does not do: measure speed, which `cargo xtask bench` does.
//!
//! `LOOPSCOPE_TRUTH_BARE=1` runs the fixtures without Loopscope and checks only their own declarations.

mod clock;
mod compare;
mod declared;
mod expect;
mod facts;
mod http;
mod launch;
mod pythons;
mod running;
mod scenario;

pub(crate) use expect::{During, Stall};
pub(crate) use http::get;
pub(crate) use launch::{Launch, fixture};
pub(crate) use pythons::{EventLoop, Python, on_every_loop, on_every_python, on_newest_python};
pub(crate) use running::{Answer, Running};
pub(crate) use scenario::{Scenario, exit_code};

use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long one HTTP answer may take before it counts as none.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Scenarios run one after another, also under a parallel test runner: several at once would starve
/// each other of processor time, and that is a stall, and Loopscope would be right to report it.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the fixtures run without Loopscope.
pub(crate) fn is_bare() -> bool {
    std::env::var_os("LOOPSCOPE_TRUTH_BARE").is_some()
}

/// Equality as a result, so that a failure can be told together with the interpreter that it came on.
pub(crate) fn same<T: PartialEq + Debug + ?Sized>(
    what: &str,
    expected: &T,
    found: &T,
) -> Result<(), String> {
    if expected == found {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, found {found:?}"))
    }
}
