//! What is said between a drill and the process that the fault is in: a line of JSON each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fault::{Fault, Plan};

/// The version of what is said. Rises with each change that an older side would not understand.
pub const PROTOCOL: u64 = 1;

/// The longest line that is read.
pub const MOST_BYTES: usize = 64 * 1024;

/// The first line: who is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Introduction {
    /// The version that it speaks.
    pub protocol: u64,
    /// The agent's version.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// The interpreter's version.
    pub python: String,
    /// What its loop is, `asyncio` or `uvloop`; `None` where none turns.
    pub r#loop: Option<String>,
    /// As the run allowed it: `RUN:STALL_MS:BLOCKED_MS:RESTART_MS:PACE`.
    pub allowed: String,
    /// Where its supervisor answers.
    pub endpoint: Option<String>,
    /// From when on a tracked call is slow, in milliseconds.
    pub slow_call_ms: Option<String>,
    /// The line of the drill's own file that each fault is to be found at.
    pub lines: BTreeMap<String, u32>,
}

/// What the drill asks for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Request {
    /// Bring it in.
    Begin {
        /// The fault's name.
        begin: &'static str,
        /// For how long at most.
        seconds: f64,
        /// As in [`Plan`].
        size: u64,
    },
    /// Take it away.
    End {
        /// The fault's name.
        end: &'static str,
    },
}

impl Request {
    /// Bring this in as planned.
    pub fn begin(fault: Fault, plan: &Plan) -> Self {
        Self::Begin {
            begin: fault.name(),
            seconds: plan.lasts.as_secs_f64(),
            size: plan.size,
        }
    }

    /// Take it away.
    pub fn end(fault: Fault) -> Self {
        Self::End { end: fault.name() }
    }
}

/// What the process says of a fault. Times are those of the monotonic clock, which is the same for all of a host.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Reply {
    /// It is in.
    Began {
        /// The fault's name.
        began: String,
        /// Since when.
        at_nanos: u64,
    },
    /// It is over, and undone.
    Over {
        /// The fault's name.
        over: String,
        /// Since when it was in.
        began_nanos: u64,
        /// When it was out.
        ended_nanos: u64,
        /// What was put right.
        undone: String,
        /// What went wrong with the fault itself.
        #[serde(default)]
        failure: Option<String>,
    },
    /// It cannot be brought in here.
    Missing {
        /// The fault's name.
        missing: String,
        /// What is missing.
        why: String,
    },
}

impl Reply {
    /// The fault that it is about.
    pub fn fault(&self) -> Option<Fault> {
        Fault::named(match self {
            Self::Began { began, .. } => began,
            Self::Over { over, .. } => over,
            Self::Missing { missing, .. } => missing,
        })
    }
}
