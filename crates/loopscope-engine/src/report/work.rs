//! The figures on tasks, calls, databases, executors and the system.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TaskRef;

/// A figure whose name the service decides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Figure {
    /// How many.
    Count(u64),
    /// How long, in seconds.
    Seconds(f64),
}

/// The tasks of all watched processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TasksHealth {
    /// Tasks ever created.
    pub spawned: u64,
    /// Tasks alive.
    pub alive: u64,
    /// Tasks that returned.
    pub done: u64,
    /// Tasks that were cancelled.
    pub cancelled: u64,
    /// Tasks that ended with an exception, handled ones included.
    pub raised: u64,
    /// Tasks that ended with an exception which nobody has taken.
    pub failed: u64,
    /// By the place that creates them, those with the most alive first; the rest is in the sums.
    pub sites: Vec<TaskSiteHealth>,
}

/// The tasks of one site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskSiteHealth {
    /// The process.
    pub pid: u32,
    /// The loop's identity within this run; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loop_id: Option<String>,
    /// The coroutine that the tasks run.
    pub coroutine: String,
    /// The source file of the place that creates them; empty where it is not known.
    pub file: String,
    /// The line, 0 where it is not known.
    pub line: u32,
    /// The function.
    pub function: String,
    /// Tasks ever created.
    pub spawned: u64,
    /// Tasks alive.
    pub alive: u64,
    /// Tasks that ended with an exception which nobody has taken.
    pub failed: u64,
    /// Tasks that were cancelled.
    pub cancelled: u64,
    /// For how long the oldest of those alive has been alive, in seconds; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_seconds: Option<f64>,
    /// That oldest task and where it waits, once it has been alive for some seconds; absent where it cannot be
    /// read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_task: Option<TaskRef>,
}

/// One tracked call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallHealth {
    /// The process.
    pub pid: u32,
    /// The group: `agno`, `httpx`, `psycopg`.
    pub group: String,
    /// The name.
    pub name: String,
    /// `call`, `request`, `query`, `connect` or `acquire`.
    pub kind: String,
    /// Calls ever begun.
    pub started: u64,
    /// Calls that began and have not ended.
    pub in_flight: u64,
    /// Calls that ended with an error.
    pub failed: u64,
    /// Calls that were cancelled.
    pub cancelled: u64,
    /// Calls that ran synchronously on a running loop's thread.
    pub on_loop: u64,
    /// Those of them over the stall threshold.
    pub blocking: u64,
    /// Calls over the slow threshold.
    pub slow: u64,
    /// Seconds that a finished call took on average; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avg_seconds: Option<f64>,
    /// Half of the finished calls took no longer, in seconds, to a quarter or so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_seconds: Option<f64>,
    /// All but one in a hundred of the finished calls took no longer, in seconds, to a quarter or so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_seconds: Option<f64>,
    /// The longest finished call, in seconds.
    pub max_seconds: f64,
    /// Calls that ended in a second, over the last minute; absent before there are two looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
    /// The type of the last error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Failures by the type of the error; those of types that found no room are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, u64>,
}

/// Databases.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DatabaseHealth {
    /// Connections that are open.
    pub connections_open: u64,
    /// Connections ever opened.
    pub connections_opened: u64,
    /// Attempts to open one that failed.
    pub connections_failed: u64,
    /// Connections closed in order.
    pub connections_closed: u64,
    /// Connections that were collected without having been closed.
    pub connections_leaked: u64,
    /// Seconds that a connection lived on average, of those that are gone; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avg_connection_seconds: Option<f64>,
    /// Statements ever sent.
    pub queries: u64,
    /// Statements sent that have not ended.
    pub queries_in_flight: u64,
    /// Statements that failed.
    pub queries_failed: u64,
    /// Statements over the slow threshold.
    pub queries_slow: u64,
    /// Statements that kept a loop's thread over the stall threshold.
    pub queries_blocking: u64,
    /// Seconds that a statement took on average; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avg_query_seconds: Option<f64>,
    /// The longest statement, in seconds.
    pub max_query_seconds: f64,
    /// Pools, and servers that are connected to without one.
    pub pools: Vec<PoolHealth>,
}

/// One database server, as it says itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DatabaseServerHealth {
    /// Host, port and database.
    pub server: String,
    /// Its version.
    pub version: String,
    /// Seconds since it was asked last with success.
    pub age_seconds: f64,
    /// Connections of clients, that of this watching left out.
    pub connections: u64,
    /// Connections that it allows.
    pub max_connections: u64,
    /// Of these, connections that only administrators get.
    pub reserved_connections: u64,
    /// Deadlocks that it resolved in this database since its statistics began.
    pub deadlocks: u64,
    /// Its clients, those with the most connections first; at most 100.
    pub clients: Vec<DatabaseClientHealth>,
    /// Who waits for whose lock, as a list: each with the session that it waits for.
    pub waits: Vec<DatabaseWaitHealth>,
    /// Why not all of it can be seen, with the next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited: Option<String>,
}

/// The connections of one client of a database server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DatabaseClientHealth {
    /// The process at the other end; absent where it is none of this run, or connected by a socket in a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The name that it gave itself; may be empty.
    pub application: String,
    /// The role.
    pub user: String,
    /// Its connections.
    pub connections: u64,
    /// Those that execute a statement.
    pub active: u64,
    /// Those that are in a transaction and do nothing.
    pub idle_in_transaction: u64,
    /// Those that wait for a lock.
    pub waiting: u64,
}

/// A session of a database server that waits for a lock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DatabaseWaitHealth {
    /// The process id of the waiting session on the server.
    pub backend: i32,
    /// The process at the other end, where it is one of this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// For how long it has been waiting, in seconds.
    pub waiting_seconds: f64,
    /// The statement that waits, literals taken out.
    pub statement: String,
    /// The process id of the session on the server that everybody in this queue waits for in the end.
    pub holder_backend: i32,
    /// The process at its other end, where it is one of this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder_pid: Option<u32>,
}

/// One pool, or the connections to one server that no pool holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PoolHealth {
    /// The process.
    pub pid: u32,
    /// The pool's name; empty where no pool holds the connections.
    pub name: String,
    /// The driver.
    pub driver: String,
    /// The server.
    pub server: String,
    /// Connections that are open.
    pub open: u64,
    /// Connections that the pool has.
    pub size: u64,
    /// Most connections that it may have; 0 where there is no pool.
    pub max_size: u64,
    /// Connections taken from it.
    pub in_use: u64,
    /// Connections that lie ready.
    pub idle: u64,
    /// Who waits for one.
    pub waiting: u64,
    /// For how long somebody has been waiting, in seconds; absent while nobody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_seconds: Option<f64>,
    /// Connections handed out.
    pub acquires: u64,
    /// Seconds that a connection was waited for on average; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avg_acquire_seconds: Option<f64>,
    /// The longest wait that got one, in seconds.
    pub max_acquire_seconds: f64,
    /// Waits that were given up.
    pub timeouts: u64,
    /// Seconds that a connection was in use on average, of those that were given back; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avg_use_seconds: Option<f64>,
    /// The longest such use, in seconds.
    #[serde(default)]
    pub max_use_seconds: f64,
    /// Who has connections that were taken a second ago or longer, by the line that asked for them; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<PoolHolderHealth>,
    /// Those who have waited for a connection for a second or longer, by the line that asked, most first. Only a pool
    /// that is watched by the Rust crate says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiters: Vec<PoolWaiterHealth>,
    /// Connections ever opened.
    pub opened: u64,
    /// Connections closed in order.
    pub closed: u64,
    /// Connections collected without having been closed.
    pub leaked: u64,
    /// Seconds that a connection lived on average, of those that are gone; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avg_lifetime_seconds: Option<f64>,
    /// Attempts to open a connection that failed.
    pub open_failed: u64,
    /// The type of the last error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// Connections that were asked for by one line of the program and are not given back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PoolHolderHealth {
    /// Connections.
    pub connections: u64,
    /// For how long the first of them has been taken, in seconds.
    pub oldest_seconds: f64,
    /// The source file of the line that asked.
    pub file: String,
    /// The line.
    pub line: u32,
    /// Its function.
    pub function: String,
    /// The name of the task that has the first; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Where that task or thread stands now, `orders.py:40 in charge`; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_at: Option<String>,
    /// The process id of the first one's session on the server, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<u32>,
}

/// Callers that wait for a connection at one line of the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PoolWaiterHealth {
    /// Callers.
    pub callers: u64,
    /// For how long the first of them has waited, in seconds.
    pub oldest_seconds: f64,
    /// The source file.
    pub file: String,
    /// The line.
    pub line: u32,
    /// Its function; empty where it is not known.
    pub function: String,
    /// The name of the task of the first; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}

/// One executor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExecutorHealth {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// Most threads that it may have; 0 where that is not known.
    pub max_workers: u64,
    /// Threads that it has.
    pub workers: u64,
    /// Threads at work.
    pub busy: u64,
    /// Pieces of work that wait.
    pub queued: u64,
    /// Pieces of work ever given to it.
    pub submitted: u64,
    /// Those that ended with an error.
    pub failed: u64,
    /// Seconds that begun work had waited on average; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avg_wait_seconds: Option<f64>,
    /// The longest such wait, in seconds.
    pub max_wait_seconds: f64,
    /// For how long all threads have been at work while something waits, in seconds; absent while that is
    /// not so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saturated_seconds: Option<f64>,
}

/// What a process takes from the system and may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SystemHealth {
    /// The process.
    pub pid: u32,
    /// Resident memory in MiB.
    pub memory_mb: f64,
    /// The most that it may have, by its control group or the host, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit_mb: Option<f64>,
    /// Open file descriptors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_fds: Option<u64>,
    /// The most that it may have open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fd_limit: Option<u64>,
    /// Threads.
    pub threads: u64,
    /// The garbage collector; absent where it is not watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gc: Option<GcHealth>,
}

/// The garbage collector of one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GcHealth {
    /// Collections ever finished.
    pub collections: u64,
    /// Seconds paused for these.
    pub pause_total_seconds: f64,
    /// The longest pause, in seconds.
    pub max_pause_seconds: f64,
    /// Objects that it tracks, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracked_objects: Option<u64>,
}
