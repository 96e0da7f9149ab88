//! What a drill leaves behind: one document, with a schema, that tells all of it.
//!
//! `schema/drill.schema.json` is generated from these types. Fields are only ever added.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// The version of this schema. 1: first release.
pub const SCHEMA_VERSION: u32 = 1;

/// A drill.
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
    pub ended: DrillEnd,
    /// What the faults were brought into.
    pub target: Target,
    /// The worst of all faults and of the alert.
    pub verdict: Verdict,
    /// Each fault, in the order in which they were brought in.
    pub faults: Vec<FaultResult>,
    /// What came of the alert; absent where none was waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertResult>,
    /// What a person should know about the drill itself.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// How a drill ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DrillEnd {
    /// All of it was done.
    Complete,
    /// By a signal; what was under way then was undone.
    Interrupted,
    /// The process with the faults in it ended, or its supervisor answered no more.
    TargetGone,
}

/// What was found.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was not brought in.
    Skipped,
    /// It was seen as it is; of what is healthy, nothing was said.
    Passed,
    /// It was not seen, not as it is, or something healthy was.
    Failed,
}

/// What the faults were brought into.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// Where its supervisor answers.
    pub url: String,
    /// The service's name.
    pub service: String,
    /// The process that the faults were in.
    pub pid: u32,
    /// Its interpreter's version.
    pub python: String,
    /// What its loop is, `asyncio` or `uvloop`.
    pub r#loop: String,
    /// Whether the drill started it itself.
    pub is_sample: bool,
    /// How many times as fast as usual growth is judged there.
    pub growth_pace: u32,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultResult {
    /// Its name.
    pub fault: Fault,
    /// What it does.
    pub what: String,
    /// Whether it was seen as it is.
    pub verdict: Verdict,
    /// In one sentence each, why; the first is the one to show.
    pub reasons: Vec<String>,
    /// For how long it was in, in seconds; absent where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasted_seconds: Option<f64>,
    /// Where it is: `FILE:LINE`; absent where it is at no line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// The finding; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
    /// What `/health` answered while it lasted.
    pub health: Health,
    /// What the probes answered while it lasted.
    pub probes: Probes,
    /// What was put right after it; absent where that was not heard of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<String>,
    /// Seconds from its beginning to the first alert after it; absent where none came, or none was waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_after_seconds: Option<f64>,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// The incident's identity in the target's report.
    pub id: String,
    /// What was found, such as `loop_stall`.
    pub kind: String,
    /// How bad: `info`, `degraded`, `critical`.
    pub severity: String,
    /// Why a loop stalled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Whether the interpreter's lock was held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gil_held: Option<bool>,
    /// One sentence with the line to blame.
    pub summary: String,
    /// The line to blame, as `FILE:LINE in FUNCTION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub culprit: Option<String>,
    /// Seconds from the fault's beginning to the finding, as a reader of `/health` sees it.
    pub after_seconds: f64,
    /// Whether it was said to be over by the end.
    pub is_closed: bool,
}

/// What `/health` answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// Answers.
    pub answers: u64,
    /// Questions without one.
    pub unanswered: u64,
    /// The worst status: `healthy`, `degraded`, `critical`; empty where there was no answer. An incident colours it for
    /// a minute after its end, so it may come from the fault before.
    pub worst_status: String,
    /// The highest HTTP status; 0 where there was no answer.
    pub worst_code: u16,
    /// The longest that an answer took, in milliseconds.
    pub slowest_ms: f64,
}

/// What the probes answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Probes {
    /// Whether `/readyz` turned.
    pub ready_failed: bool,
    /// Whether `/livez` turned.
    pub live_failed: bool,
    /// Whether one of them still failed at the end.
    pub is_failing: bool,
}

/// What came of the alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertResult {
    /// Where it was waited for.
    pub listened_at: String,
    /// Alerts that came while faults were in, or shortly after.
    pub count: u64,
    /// The first line of the first one's request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// Whether any came.
    pub verdict: Verdict,
}

/// The text of the committed schema, with its final line feed.
pub fn schema_text() -> String {
    let schema = schemars::schema_for!(Results).to_value();
    format!("{schema:#}\n")
}
