//! The task of an incident, and the tasks that wait for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ReportFrame;

/// The task of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskRef {
    /// Its name.
    pub name: String,
    /// From the task's first coroutine to the innermost one.
    pub await_chain: Vec<ReportFrame>,
    /// The tasks that waited for it, those that waited for these, and so on: the nearest first, at most 16.
    /// Empty where nobody waited or it could not be read.
    #[serde(default)]
    pub awaited_by: Vec<AwaitingTask>,
}

/// A task that waits for another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AwaitingTask {
    /// Its name; empty where it could not be read.
    pub name: String,
    /// How many waits it is away: 1 where it waits for the task of the incident.
    pub level: u32,
    /// From its first coroutine to the one that waits.
    pub await_chain: Vec<ReportFrame>,
}

impl AwaitingTask {
    /// Where it waits: the innermost frame of the application's own code, else the innermost.
    pub fn waits_at(&self) -> Option<&ReportFrame> {
        let own = self.await_chain.iter().rev().find(|frame| frame.in_app);
        own.or(self.await_chain.last())
    }
}
