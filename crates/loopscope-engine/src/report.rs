//! What goes out: the report of `/health`, `loopscope health --json` and `run --report`.
//!
//! One schema for every surface; `schema/report.schema.json` is generated from these types. Fields are
//! only ever added; `schema_version` says when.

mod task;
mod work;

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use task::{AwaitingTask, TaskRef};
pub use work::{
    CallHealth, DatabaseClientHealth, DatabaseHealth, DatabaseServerHealth, DatabaseWaitHealth,
    ExecutorHealth, Figure, GcHealth, PoolHealth, PoolHolderHealth, PoolWaiterHealth, SystemHealth,
    TaskSiteHealth, TasksHealth,
};

/// The schema's version. 1: first release.
pub const SCHEMA_VERSION: u32 = 1;

/// How a service, or a part of it, is doing.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing to report.
    Healthy,
    /// It works, with something a person should look at.
    Degraded,
    /// It does not serve its users now.
    Critical,
}

/// The state of a service at one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this schema.
    pub schema_version: u32,
    /// The worst of all components.
    pub status: Status,
    /// The service's name, as given to `run --service`, or the program's.
    pub service: String,
    /// Loopscope's own version.
    pub version: String,
    /// When this state was read, RFC 3339 in UTC.
    #[schemars(with = "String")]
    pub timestamp: Timestamp,
    /// Seconds since the watching began.
    pub uptime_seconds: f64,
    /// The status of each part: `event_loops`, `tasks`, `calls`, `database`, `executors`, `resources`,
    /// `processes`, `agent`. A part that is not watched is absent.
    pub components: BTreeMap<String, Status>,
    /// Flat figures for dashboards and scripts.
    pub monitoring: Monitoring,
    /// One sentence for each thing that makes the status what it is, worst first, with the line to blame.
    pub issues: Vec<String>,
    /// Incidents that are open or closed a short while ago, newest last; in a final report all of the run.
    pub incidents: Vec<Incident>,
    /// The figures behind it all.
    pub detailed_health: DetailedHealth,
}

/// Flat figures. A figure that cannot be known is absent, never zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Monitoring {
    /// Processes alive under watch.
    pub processes_count: u64,
    /// Loops alive under watch.
    pub event_loops_count: u64,
    /// Loops that are past the blocked threshold now.
    pub blocked_loops: u64,
    /// Stalls since the watching began, finished and running.
    pub total_stalls: u64,
    /// The longest stall since the watching began, in seconds; absent where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_stall_seconds: Option<f64>,
    /// Tasks ever created, where they are watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_tasks: Option<u64>,
    /// Tasks alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_tasks: Option<u64>,
    /// Tasks that ended with an exception which nobody has taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_tasks: Option<u64>,
    /// For how long the oldest of the tasks alive has been alive, in seconds; absent where none is, or it is
    /// not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_task_seconds: Option<f64>,
    /// Resident memory of all watched processes, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<f64>,
    /// Processor use of all watched processes in percent of one core, over the last readings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Open file descriptors of all watched processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_fds: Option<u64>,
    /// Of every group of tracked calls, `agno` for one: `agno_total_calls`, those begun;
    /// `agno_avg_duration`, seconds on average; `agno_blocking_calls`, those that kept a loop's thread.
    #[serde(flatten)]
    pub call_groups: BTreeMap<String, Figure>,
}

/// The figures behind the status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DetailedHealth {
    /// Each loop.
    pub event_loops: Vec<LoopHealth>,
    /// Each process.
    pub processes: Vec<ProcessHealth>,
    /// Tasks by the place that creates them; absent where tasks are not watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<TasksHealth>,
    /// Tracked calls; absent where calls are not watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Vec<CallHealth>>,
    /// Databases; absent where they are not watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseHealth>,
    /// Database servers that were asked themselves; absent where none is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub database_servers: Vec<DatabaseServerHealth>,
    /// Executors; absent where they are not watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executors: Option<Vec<ExecutorHealth>>,
    /// What each process takes from the system and may take.
    #[serde(default)]
    pub system: Vec<SystemHealth>,
    /// Loopscope itself.
    pub agent: AgentHealth,
}

/// One loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoopHealth {
    /// Identity within this run, stable for the life of the loop.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// `asyncio`, `uvloop`, `tokio`, `tokio current-thread`, `node`, `epoll` or `poll`.
    pub runtime: String,
    /// The process it runs in.
    pub pid: u32,
    /// The thread it runs on.
    pub thread_id: u32,
    /// `idle`, `busy`, `stalled`, `blocked`, `suspended` or `ended`.
    pub state: LoopState,
    /// For how long the loop has been away from its poll, in seconds; absent while it is idle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_seconds: Option<f64>,
    /// Seconds since the loop last entered or left its poll. Grows on an idle loop too.
    pub heartbeat_age_seconds: f64,
    /// Turns since the loop began.
    pub iterations: u64,
    /// Seconds spent busy since the loop began, the running period included.
    pub busy_total_seconds: f64,
    /// Seconds spent waiting in the poll since the loop began, the running wait included.
    pub idle_total_seconds: f64,
    /// Busy time over all time since the loop began, what it does now included, between 0 and 1; absent before
    /// the first turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utilization: Option<f64>,
    /// Stalls since the loop began, finished and running.
    pub stalls: u64,
    /// The longest busy period, the running one included, in seconds.
    pub longest_busy_seconds: f64,
    /// Tasks alive in the runtime that this is a worker of, those of its other workers included; absent where the
    /// runtime does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_tasks: Option<u64>,
    /// Those of them that wait in the queue that all of the runtime's workers take from; absent where it does not
    /// tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_queued_tasks: Option<u64>,
}

/// What a loop is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoopState {
    /// In its poll.
    Idle,
    /// At work, under the stall threshold.
    Busy,
    /// In a busy period past the stall threshold.
    Stalled,
    /// In a stall past the blocked threshold.
    Blocked,
    /// Its process is stopped.
    Suspended,
    /// It ended.
    Ended,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessHealth {
    /// The process id.
    pub pid: u32,
    /// The program's name.
    pub name: String,
    /// `python`, `node` or `native`.
    pub runtime: String,
    /// `running`, `stopped`, `exited`, `killed`.
    pub state: ProcessState,
    /// Exit code, where it ended by itself and the code is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Resident memory in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<f64>,
    /// Processor use in percent of one core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Open file descriptors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_fds: Option<u64>,
    /// Threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// Why its stacks cannot be read, where they cannot, with the next step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uninspectable: Option<String>,
}

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessState {
    /// Alive.
    Running,
    /// Stopped by a signal or a tracer.
    Stopped,
    /// Ended by itself.
    Exited,
    /// Ended by a signal, or vanished.
    Killed,
}

/// Loopscope itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentHealth {
    /// Samples taken of busy loops.
    pub samples: u64,
    /// Samples whose frames could not be read.
    pub failed_samples: u64,
    /// What was lost, by kind. Empty when nothing was.
    pub dropped: BTreeMap<String, u64>,
    /// How late the observer looked at worst, in seconds.
    pub worst_lateness_seconds: f64,
    /// What a person should know about the watching itself, with the next step.
    pub notes: Vec<String>,
}

/// A finding over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// Identity within this run.
    pub id: String,
    /// What groups repeated occurrences of one fault, over runs and deploys.
    pub fingerprint: String,
    /// What was found.
    pub kind: IncidentKind,
    /// How bad it is, at its worst.
    pub severity: Severity,
    /// When its first occurrence began (a stall is stamped at its start, not at its detection).
    #[schemars(with = "String")]
    pub opened_at: Timestamp,
    /// When it last changed.
    #[schemars(with = "String")]
    pub updated_at: Timestamp,
    /// When its last occurrence ended; null while one lasts.
    #[schemars(with = "Option<String>")]
    pub closed_at: Option<Timestamp>,
    /// Total length of all occurrences so far, in seconds.
    pub duration_seconds: f64,
    /// Length of the longest occurrence so far, in seconds.
    pub longest_seconds: f64,
    /// Occurrences so far.
    pub count: u64,
    /// Where.
    pub process: ProcessRef,
    /// On which loop; null where it is not about one.
    pub r#loop: Option<LoopRef>,
    /// One sentence with the line to blame.
    pub summary: String,
    /// Why a loop stalled; null for other kinds.
    pub cause: Option<StallCause>,
    /// Whether the culprit held the interpreter's lock; null where it is not known.
    pub gil_held: Option<bool>,
    /// The innermost frame of the application's own code; null where there is none.
    pub culprit: Option<Culprit>,
    /// The stack, innermost first.
    pub frames: Vec<ReportFrame>,
    /// The task that the loop was running.
    pub task: Option<TaskRef>,
    /// For an overloaded loop: which callbacks shared the time, largest share first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<CallbackShare>,
    /// What to do about it.
    pub advice: Advice,
    /// The suspected origin: another incident's id.
    pub origin: Option<String>,
}

/// What was found.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    /// A loop did not return to its poll in time.
    LoopStall,
    /// A task ended with an exception that nobody took.
    TaskFailure,
    /// The tasks of one site become ever more.
    TaskLeak,
    /// A task has been alive far longer than the others of its site.
    TaskStuck,
    /// A callback raised into its loop.
    CallbackFailure,
    /// A synchronous call kept a loop's thread.
    BlockingCall,
    /// A tracked call took long.
    SlowCall,
    /// A tracked call ended with an error.
    CallFailure,
    /// A statement took long.
    SlowQuery,
    /// A connection could not be made.
    ConnectionFailure,
    /// A connection was never closed.
    ConnectionLeak,
    /// A connection is used behind a fork, or on another loop than its own.
    ConnectionShared,
    /// Connections outside of any pool become ever more.
    ConnectionGrowth,
    /// Callers wait for a connection because all of them are taken.
    PoolExhaustion,
    /// Sessions of a database server wait for a lock that another one has.
    DatabaseLock,
    /// A session has been in a transaction for long and does nothing.
    IdleTransaction,
    /// A database server has hardly a connection left.
    ServerConnections,
    /// A database server resolved a deadlock: a statement of one of its clients was given up.
    DatabaseDeadlock,
    /// A database server that answered does so no more.
    ServerUnreachable,
    /// Work waits because all threads of an executor are at work.
    ExecutorSaturation,
    /// A process holds much memory.
    MemoryHigh,
    /// A process's memory becomes ever more.
    MemoryGrowth,
    /// A process has nearly as many files open as it may.
    DescriptorHigh,
    /// A process's open files become ever more.
    DescriptorGrowth,
    /// A process was killed or vanished.
    ProcessDied,
    /// A process whose loop was blocked was ended, to be started again.
    ProcessRestarted,
    /// Loopscope itself cannot see all that it should.
    ObserverDegraded,
}

impl IncidentKind {
    /// Whether an occurrence is a state that lasts, rather than something that happened.
    pub fn lasts(self) -> bool {
        matches!(
            self,
            Self::LoopStall
                | Self::TaskLeak
                | Self::TaskStuck
                | Self::ConnectionGrowth
                | Self::PoolExhaustion
                | Self::DatabaseLock
                | Self::IdleTransaction
                | Self::ServerConnections
                | Self::ServerUnreachable
                | Self::ExecutorSaturation
                | Self::MemoryHigh
                | Self::MemoryGrowth
                | Self::DescriptorHigh
                | Self::DescriptorGrowth
        )
    }
}

/// How bad an incident is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it.
    Degraded,
    /// Users are without service.
    Critical,
}

/// Why a loop stalled.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum StallCause {
    /// One callback kept the loop.
    BlockingCall,
    /// Many callbacks shared one turn.
    Overload,
    /// The garbage collector ran.
    GcPause,
    /// The thread was ready to run and got no processor.
    CpuStarved,
    /// The process was stopped.
    Suspended,
    /// It was not seen why.
    Unknown,
}

/// The process of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessRef {
    /// The process id.
    pub pid: u32,
    /// The program's name.
    pub name: String,
}

/// The loop of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoopRef {
    /// Identity within this run.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// `asyncio`, `uvloop`, `tokio`, `tokio current-thread`, `node`, `epoll` or `poll`.
    pub runtime: String,
    /// The thread it runs on.
    pub thread_id: u32,
}

/// The line to blame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Culprit {
    /// The source file.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The function.
    pub function: String,
}

/// One frame of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportFrame {
    /// The source file.
    pub file: String,
    /// The line, 0 where it is not known.
    pub line: u32,
    /// The function.
    pub function: String,
    /// Whether it is the application's own code.
    pub in_app: bool,
}

/// A callback's share of an overloaded loop's time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallbackShare {
    /// The callback's outermost frame of the application's own code, or its outermost frame.
    pub file: String,
    /// The line it stood at.
    pub line: u32,
    /// The function.
    pub function: String,
    /// Its share of the samples, between 0 and 1.
    pub share: f64,
}

/// What to do about an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// What to write instead of the call; null where no single call is to blame.
    pub replacement: Option<String>,
    /// What to do, in order: stop the bleeding first, then the fix.
    pub steps: Vec<String>,
    /// The command or check that shows that it is fixed.
    pub verify: Option<String>,
    /// The lint rule that finds this call in source, such as ruff's `ASYNC251`.
    pub rule: Option<String>,
}
