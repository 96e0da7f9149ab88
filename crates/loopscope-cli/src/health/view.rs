//! The part of a report that is shown, read tolerantly.
//!
//! A client meets servers older and newer than itself, so only what makes a report a report must be
//! there; everything else may be absent, null or unknown. Words of an enumeration stay words, so that a
//! kind of incident which this version does not know is still shown.

use std::collections::BTreeMap;

use loopscope_engine::report::{SCHEMA_VERSION, Status};
use serde::Deserialize;

use crate::screen::Text;

/// A report.
#[derive(Clone, Debug, Deserialize)]
#[serde(expecting = "a report")]
pub(crate) struct View {
    pub(crate) schema_version: u64,
    pub(crate) status: Status,
    pub(crate) service: Text,
    #[serde(default)]
    pub(crate) timestamp: Option<Text>,
    #[serde(default)]
    pub(crate) uptime_seconds: Option<f64>,
    #[serde(default)]
    pub(crate) monitoring: Monitoring,
    #[serde(default)]
    pub(crate) issues: Vec<Text>,
    #[serde(default)]
    pub(crate) incidents: Vec<Incident>,
    #[serde(default)]
    pub(crate) detailed_health: Detail,
}

impl View {
    /// Whether the report was made by a later schema than this program knows.
    pub(crate) fn is_newer(&self) -> bool {
        self.schema_version > u64::from(SCHEMA_VERSION)
    }
}

/// The flat figures.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Monitoring {
    pub(crate) processes_count: Option<u64>,
    pub(crate) event_loops_count: Option<u64>,
    pub(crate) blocked_loops: Option<u64>,
    pub(crate) total_stalls: Option<u64>,
    pub(crate) longest_stall_seconds: Option<f64>,
    pub(crate) pending_tasks: Option<u64>,
    pub(crate) failed_tasks: Option<u64>,
    pub(crate) memory_mb: Option<f64>,
    pub(crate) cpu_percent: Option<f64>,
    pub(crate) open_fds: Option<u64>,
}

/// The figures behind the status.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Detail {
    pub(crate) event_loops: Vec<Loop>,
    pub(crate) database_servers: Vec<DatabaseServer>,
    pub(crate) agent: Agent,
}

/// One database server that was asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DatabaseServer {
    pub(crate) server: Text,
    pub(crate) age_seconds: Option<f64>,
    pub(crate) connections: u64,
    pub(crate) max_connections: u64,
    pub(crate) reserved_connections: u64,
    pub(crate) clients: Vec<DatabaseClient>,
    pub(crate) limited: Option<Text>,
}

/// The connections of one client.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DatabaseClient {
    pub(crate) pid: Option<u64>,
    pub(crate) application: Text,
    pub(crate) user: Text,
    pub(crate) connections: u64,
    pub(crate) idle_in_transaction: u64,
    pub(crate) waiting: u64,
}

/// One loop.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Loop {
    pub(crate) id: Text,
    pub(crate) name: Text,
    pub(crate) runtime: Text,
    pub(crate) pid: u64,
    pub(crate) state: Text,
    pub(crate) busy_seconds: Option<f64>,
    pub(crate) heartbeat_age_seconds: Option<f64>,
    pub(crate) utilization: Option<f64>,
    pub(crate) stalls: u64,
    pub(crate) longest_busy_seconds: Option<f64>,
}

/// Loopscope itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Agent {
    pub(crate) samples: u64,
    pub(crate) failed_samples: u64,
    pub(crate) dropped: BTreeMap<Text, u64>,
    pub(crate) notes: Vec<Text>,
}

/// A finding over time.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Incident {
    pub(crate) id: Text,
    pub(crate) kind: Text,
    pub(crate) severity: Text,
    pub(crate) closed_at: Option<Text>,
    pub(crate) duration_seconds: Option<f64>,
    pub(crate) longest_seconds: Option<f64>,
    pub(crate) count: u64,
    pub(crate) summary: Text,
    pub(crate) culprit: Option<Place>,
    pub(crate) task: Option<Task>,
    pub(crate) advice: Advice,
}

impl Incident {
    /// Whether it lasts.
    pub(crate) fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }
}

/// A line of code.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Place {
    pub(crate) file: Text,
    pub(crate) line: u64,
    pub(crate) function: Text,
    /// Whether it is the application's own code, where that is said.
    pub(crate) in_app: bool,
}

/// The task that the loop was running.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Task {
    pub(crate) name: Text,
    pub(crate) await_chain: Vec<Place>,
    pub(crate) awaited_by: Vec<Awaiting>,
}

/// A task that waits for another one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Awaiting {
    pub(crate) name: Text,
    pub(crate) level: u64,
    pub(crate) await_chain: Vec<Place>,
}

/// What to do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Advice {
    pub(crate) replacement: Option<Text>,
    pub(crate) steps: Vec<Text>,
}
