//! What a stress run leaves behind: one document, with a schema, that tells all of it.
//!
//! `schema/stress.schema.json` is generated from these types. Fields are only ever added; where one that matters to
//! a comparison changes its meaning, [`SCHEMA_VERSION`] rises, and older documents are read as far as they say the
//! same, or refused.

mod figures;
mod read;
#[cfg(test)]
mod sample;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::compare::Comparison;
use crate::failure::FailureKind;
use crate::latency::{Bin, Latency};
use crate::tally::Second;
use crate::threshold::Held;

pub use figures::{Figure, Metric, figures};
pub use read::{ReadError, read};
#[cfg(test)]
pub(crate) use sample::sample;

/// The version of this schema. 1: first release.
pub const SCHEMA_VERSION: u32 = 1;

/// A stress run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Results {
    /// Version of this schema.
    pub schema_version: u32,
    /// Loopscope's own version.
    pub version: String,
    /// When it began, RFC 3339 in UTC.
    pub started_at: String,
    /// How long it took, in seconds.
    pub duration_seconds: f64,
    /// How it ended.
    pub ended: RunEnd,
    /// What was asked.
    pub target: Target,
    /// Under which conditions; only runs whose conditions are the same can be compared.
    pub conditions: Conditions,
    /// The worst of all tests, thresholds and, where it was asked to fail on one, of the comparison.
    pub verdict: Verdict,
    /// Each test.
    pub tests: Vec<Test>,
    /// Each limit that was asked for.
    #[serde(default)]
    pub thresholds: Vec<Held>,
    /// Held against an earlier run, where one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// What was sent, and what came of it.
    pub loads: Vec<LoadResult>,
    /// What the service took and kept, round by round; empty where its inside could not be seen.
    #[serde(default)]
    pub rounds: Vec<RoundReading>,
    /// What Loopscope found in the service because of this run, worst first.
    #[serde(default)]
    pub incidents: Vec<Provoked>,
    /// Second by second: outside and inside.
    #[serde(default)]
    pub timeline: Vec<Moment>,
    /// What a person should know about the measuring itself.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The largest share of one core that the sender took. From 0.9 on it measured itself.
    pub sender_share: f64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// All of it was done.
    Complete,
    /// By a signal; what is here came before.
    Interrupted,
    /// Nobody was there any more to take requests; what is here came before.
    TargetGone,
}

/// What was found.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It could not be said.
    NotMeasured,
    /// It holds.
    Passed,
    /// It does not.
    Failed,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// Where Loopscope was asked about the service.
    pub url: String,
    /// Where the service itself was asked.
    pub base: String,
    /// The service's name, where Loopscope tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Whether Loopscope could be asked about its inside.
    pub inside: bool,
}

/// The load and the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Conditions {
    /// Processor cores of the host that sent.
    pub cores: u64,
    /// Senders in closed loop.
    pub concurrency: u64,
    /// Requests a second in open loop, of each endpoint.
    pub rate: f64,
    /// Callers of the slow path at a time.
    pub callers: u64,
    /// Seconds of each part of a round.
    pub duration_seconds: f64,
    /// Rounds.
    pub rounds: u64,
    /// Seconds that an answer may take.
    pub timeout_seconds: f64,
    /// What was sent in the first test, as `METHOD PATH`.
    pub endpoints: Vec<String>,
    /// The slow path.
    pub calls: Vec<String>,
    /// What was asked meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
}

/// One test of the suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Test {
    /// `health`, `calls`, `memory` or `tasks`.
    pub name: TestName,
    /// Whether it holds.
    pub verdict: Verdict,
    /// In one sentence each, why; the first is the one to show.
    pub reasons: Vec<String>,
}

/// The tests.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TestName {
    /// Requests to the health endpoint and to endpoints of the service.
    Health,
    /// What a slow path costs everybody else.
    Calls,
    /// What comes back after a round, and what does not.
    Memory,
    /// Whether the tasks that a round made are gone after it.
    Tasks,
}

/// A stream of requests over all rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadResult {
    /// The test that it belongs to.
    pub test: TestName,
    /// The request, as `METHOD PATH`.
    pub name: String,
    /// How it was sent.
    pub part: LoadPart,
    /// Latencies of all rounds; absent where nothing was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// The same as bars.
    pub histogram: Vec<Bin>,
    /// Each round.
    pub rounds: Vec<LoadRound>,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer, by reason.
    pub failures: BTreeMap<FailureKind, u64>,
    /// Where redirects lead; none was followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<String>,
    /// Connections opened.
    pub connections: u64,
    /// Requests sent on a connection that had carried one before.
    pub reused: u64,
    /// How late the latest send was, in milliseconds.
    pub latest_ms: f64,
    /// Bytes of bodies that came.
    pub body_bytes: u64,
}

/// How and when a stream was sent.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LoadPart {
    /// In closed loop.
    Closed,
    /// In open loop; latencies count from when a request was due.
    Open,
    /// The probe with nobody else on the service, in open loop.
    ProbeAlone,
    /// The probe beside the callers, in open loop.
    ProbeBeside,
    /// The callers, in closed loop.
    Callers,
}

/// One round of a stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadRound {
    /// Requests sent.
    pub sent: u64,
    /// Whole answers, whatever their status.
    pub answered: u64,
    /// Without an answer, or with a status of 4xx or 5xx (503 of a health endpoint is an answer).
    pub failed: u64,
    /// Never sent, since no connection was free in time; also among `failed`.
    pub dropped: u64,
    /// Sent later than they were due.
    pub late: u64,
    /// Left without an answer when the round was ended.
    pub unfinished: u64,
    /// Answers a second.
    pub rate: f64,
    /// Latencies; absent where nothing was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

/// What the service had and did in a round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoundReading {
    /// Before it.
    pub before: Reading,
    /// The most of each while it was loaded.
    pub peak: Reading,
    /// After it, once it had settled or the time for that was over.
    pub after: Reading,
    /// Seconds that it was given to settle.
    pub settled_seconds: f64,
    /// Stalls that began in it.
    pub stalls: u64,
    /// The longest that a loop was seen away from its poll, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<f64>,
    /// What became of tasks in it; absent where tasks are not watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<TaskFlow>,
}

/// What the service has at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// Resident memory of all its processes, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<f64>,
    /// Open files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_fds: Option<u64>,
    /// Threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// Tasks alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u64>,
}

/// What became of tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskFlow {
    /// Made.
    pub spawned: u64,
    /// Returned.
    pub finished: u64,
    /// Ended with an exception that nobody took.
    pub failed: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// More alive after it than before.
    pub left_over: u64,
}

/// What Loopscope found because of this run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Provoked {
    /// The incident's identity in the service's report.
    pub id: String,
    /// What was found, such as `loop_stall`.
    pub kind: String,
    /// How bad: `info`, `degraded`, `critical`.
    pub severity: String,
    /// Why a loop stalled; absent for other kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// How often in this run.
    pub count: u64,
    /// The longest, in seconds.
    pub longest_seconds: f64,
    /// One sentence with the line to blame.
    pub summary: String,
    /// The line to blame, as `FILE:LINE in FUNCTION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub culprit: Option<String>,
    /// What to write or do instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// One second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Moment {
    /// Seconds since the run began, at its end.
    pub at_seconds: f64,
    /// The round, from 1 on.
    pub round: u64,
    /// What was sent in it, and what came.
    pub outside: Vec<Outside>,
    /// What Loopscope said of the service in it; absent where it said nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<Inside>,
}

/// One second of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outside {
    /// The request.
    pub name: String,
    /// How it is sent.
    pub part: LoadPart,
    /// What came.
    #[serde(flatten)]
    pub second: Second,
}

/// One second of the service, as Loopscope saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inside {
    /// The longest that a loop was seen away from its poll, in milliseconds: so late a due callback ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<f64>,
    /// Stalls that began.
    pub stalls: u64,
    /// The share of its time that the busiest loop was busy, between 0 and 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utilization: Option<f64>,
    /// What the service has.
    #[serde(flatten)]
    pub reading: Reading,
    /// Processor use in percent of one core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Connections taken from all pools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool_in_use: Option<u64>,
    /// Who waits for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool_waiting: Option<u64>,
    /// Threads of all executors at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor_busy: Option<u64>,
    /// Pieces of work that wait for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor_queued: Option<u64>,
}

impl LoadResult {
    /// What it is, for people: `open loop GET /orders`.
    pub fn title(&self) -> String {
        format!("{} {}", self.part.words(), self.name)
    }

    /// The sum of a figure over all rounds.
    pub fn sum(&self, figure: impl Fn(&LoadRound) -> u64) -> u64 {
        self.rounds.iter().map(figure).sum()
    }
}

impl TestName {
    /// As people say it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Calls => "calls",
            Self::Memory => "memory",
            Self::Tasks => "tasks",
        }
    }
}

impl LoadPart {
    /// As people say it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Closed => "closed loop",
            Self::Open => "open loop",
            Self::ProbeAlone => "alone",
            Self::ProbeBeside => "beside calls",
            Self::Callers => "calls",
        }
    }
}

/// The JSON Schema of [`Results`], draft 2020-12, as the text of the committed file with its final line feed.
pub fn schema_text() -> String {
    let schema: Value = schemars::schema_for!(Results).to_value();
    format!("{schema:#}\n")
}
