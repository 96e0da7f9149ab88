//! Serves the health endpoints from snapshots.
//!
//! The last step of the data's way: the engine publishes a report into a [`SnapshotCell`], and one
//! native thread answers HTTP from whatever lies there. It deliberately knows no recording, no process
//! and no rule, and it never waits for the engine, so it answers while every loop under watch is blocked
//! and, saying so, when the observer itself stands still.

mod answer;
mod config;
mod connections;
mod draft;
mod error;
mod guard;
mod negotiate;
mod publish;
mod routes;
mod server;
mod snapshot;

pub use answer::{Answer, Question};
pub use config::{Limits, ServerConfig, Token, parse_address};
pub use error::{ServerError, TokenError};
pub use publish::Publisher;
pub use server::{Server, start};
pub use snapshot::{ProbeState, Probes, PublishedReport, STALE_AFTER, SnapshotCell};
