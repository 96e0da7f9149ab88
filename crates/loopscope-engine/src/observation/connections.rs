//! Connections of databases that somebody has.

use serde::{Deserialize, Serialize};

use super::EventFrame;
use crate::time::Nanos;

/// A connection that somebody has had, or has waited for, for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldConnection {
    /// The slot of its pool, or of the server that it leads to without one.
    pub pool: u32,
    /// The process id of its session on the server, where that is known.
    pub backend: Option<u32>,
    /// Since when.
    pub since: Nanos,
    /// The line of the program that asked for it, where that is known.
    pub asked_at: Option<EventFrame>,
    /// The name of the task that has it; `None` where no task has it, or its name is not known.
    pub task: Option<String>,
    /// Where its holder stands now, where that was looked up and is surely the same holder.
    pub stands_at: Option<EventFrame>,
    /// Nobody has it: this is one who waits for any.
    #[serde(default)]
    pub waits: bool,
}
