//! Makes blocked and stalled tokio runtimes visible while they are blocked, with the line to blame.
//!
//! One synchronous call in an `async fn` keeps a worker from all other tasks, and the `/health` route of the
//! service with it. Loopscope watches from a thread that no runtime can block:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = loopscope::install(loopscope::Config::from_env().service("bots").listen("127.0.0.1:14159"))?;
//! let runtime = scope.runtime_builder("main").enable_all().build()?;
//! runtime.block_on(async {
//!     scope.spawn("poll updates", async { /* … */ });
//! });
//! # Ok(())
//! # }
//! ```
//!
//! Each worker of a watched runtime is a loop of the report: busy or parked, since when, stalled, blocked. One
//! that is stuck in a poll is explained while it is stuck: the stack of its thread with file, line and inlined
//! functions, and what to write instead. Under `loopscope run` the supervisor does the explaining, and a service
//! needs no change at all to be watched; with this crate its runtimes have names, its tasks are counted, and a
//! stall is known by tokio's own figures.
//!
//! # What it costs
//! Nothing on the way of a task that is not spawned by [`Scope::spawn`]. One thread reads two numbers of each
//! worker a hundred times a second; with the `monitor` feature engine and endpoint are five more. No
//! `tokio_unstable` is needed.
//!
//! # Forks
//! A child that the service forks has none of these threads, and records nothing.

mod adapter;
mod calls;
mod config;
mod judge;
mod location;
mod pools;
mod process;
mod runtime;
mod scope;
mod tasks;
mod watchdog;

pub use calls::Call;
pub use config::Config;
pub use loopscope_macros::track_call;
pub use pools::{Acquired, Pool, PoolState, WatchedPool};
pub use runtime::RuntimeBuilder;
pub use scope::{InstallError, Scope, install};
pub use tasks::FallibleHandle;

/// What `#[track_call]` expands to. Not to be used otherwise; it changes as it must.
#[doc(hidden)]
pub mod __private {
    pub use crate::calls::{CallSite, Failure, Name, OfAny, OfDisplay, OfResult, Output};

    /// Runs a function's body.
    #[inline]
    pub fn run<R>(body: impl FnOnce() -> R) -> R {
        body()
    }
}
