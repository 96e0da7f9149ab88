//! What a database server says of itself and of its sessions.

use serde::{Deserialize, Serialize};

use crate::time::Nanos;

/// One look at a server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerReading {
    /// Host, port and database, `127.0.0.1:5432/bots`, as drivers name it.
    pub server: String,
    /// Its version, such as `15.6`.
    pub version: String,
    /// `max_connections`.
    pub max_connections: u64,
    /// Of these, connections that only administrators get.
    pub reserved_connections: u64,
    /// Connections of clients, our own left out.
    pub connections: u64,
    /// Deadlocks that it resolved in this database since its statistics began.
    pub deadlocks: u64,
    /// Its clients, those with the most connections first.
    pub clients: Vec<ClientReading>,
    /// Sessions that others wait for, each the first cause of its queue.
    pub locks: Vec<LockReading>,
    /// Sessions of watched processes that are in a transaction and do nothing.
    pub idle_transactions: Vec<SessionReading>,
    /// Why not all of it can be seen, with the next step.
    pub limited: Option<String>,
}

/// The connections of one client: a process of the run, or whatever gave itself a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientReading {
    /// The process at the other end, where it is one of the run.
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

/// A session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SessionReading {
    /// The process id of the session on the server.
    pub backend: i32,
    /// The process at the other end, where it is one of the run.
    pub pid: Option<u32>,
    /// The name that the client gave itself; may be empty.
    pub application: String,
    /// The role.
    pub user: String,
    /// Whether it is in a transaction and does nothing.
    pub is_idle: bool,
    /// Since when it does what it does now, on the observer's clock.
    pub since: Nanos,
    /// The statement that it executes or executed last, literals taken out; empty where it is not shown.
    pub statement: String,
}

/// A session that has what others wait for, and waits for nobody itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LockReading {
    /// The session.
    pub holder: SessionReading,
    /// Since when somebody has been waiting.
    pub since: Nanos,
    /// Those that wait for it, or for one that waits for it, the longest first. Their `since` is when they began
    /// to wait.
    pub waiters: Vec<SessionReading>,
}
