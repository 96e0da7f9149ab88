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
//! # Calls, tasks and pools
//! [`track_call`] counts the calls of a function, [`Scope::spawn`] and [`Scope::spawn_fallible`] tasks,
//! [`Scope::watch_pool`] connections:
//!
//! ```no_run
//! # #[derive(Debug)] struct AgentError;
//! # impl std::fmt::Display for AgentError { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("") } }
//! #[loopscope::track_call("agent")]
//! async fn ask(prompt: &str) -> Result<String, AgentError> {
//!     # let _ = prompt; Err(AgentError)
//!     /* … */
//! }
//!
//! # fn main() {
//! # let scope = loopscope::Scope::unwatched();
//! // Nobody awaits it: an error that it ends with is a finding.
//! drop(scope.spawn_fallible("greet", async { ask("hello").await.map(drop) }));
//! # }
//! ```
//!
//! # What it costs
//! Nothing on the way of a task that is not spawned by a [`Scope`], or tracked by one. One thread reads two numbers of each
//! worker a hundred times a second; with the `monitor` feature engine and endpoint are five more. No
//! `tokio_unstable` is needed. Built with it, the report has the size and the queue of each runtime's pool of blocking
//! threads; else what was sent by [`Scope::spawn_blocking`] and waits for one.
//!
//! # Features
//! - `monitor`, on by default: engine and endpoint.
//! - `axum`: `Scope::health_routes`, for a router of the service's own.
//! - `tracing`: each finding as an event of the service's subscriber, where the process judges itself: of target
//!   `loopscope`, on the level `ERROR`, `WARN` or `INFO` by how bad it is, when it opens, gets worse, is known better and
//!   closes. Fields: `loopscope.incident.{id, kind, change, cause, duration, count}` (seconds),
//!   `loopscope.eventloop.name`, `thread.id`, `code.{file.path, line.number, function.name}`, `loopscope.advice`. Under
//!   `loopscope run` the supervisor tells, on its stderr.
//! - `metrics`: the report's figures, once a second, as metrics of the `metrics` crate, where the process judges itself:
//!   `loopscope.health.status` (0 healthy, 1 degraded, 2 critical), `loopscope.incident.active`,
//!   `loopscope.eventloop.{busy, heartbeat.age, utilization, queue.length, blocks}` (seconds),
//!   `loopscope.task.{active, created, finished}`, `loopscope.call.{active, started, failed, cancelled, slow, blocking}`,
//!   `loopscope.executor.{busy, queue.length}`, `loopscope.agent.dropped`, and by their OpenTelemetry names
//!   `db.client.connection.{count, max, pending_requests, timeouts}`, `process.memory.usage` (bytes),
//!   `process.thread.count`, `process.unix.file_descriptor.count`. What is gone is 0.
//! - `sqlx`, `deadpool`, `bb8`: pools of these crates.
//!
//! # Forks
//! A child that the service forks has none of these threads, and records nothing.

mod adapter;
mod blocking;
mod calls;
mod config;
#[cfg(feature = "tracing")]
mod events;
mod judge;
mod location;
#[cfg(feature = "metrics")]
mod metrics;
mod pools;
mod process;
#[cfg(feature = "axum")]
mod routes;
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
