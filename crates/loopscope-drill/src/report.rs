//! The part of a health report that a drill looks at, read tolerantly: what is missing is not known.

use serde::Deserialize;

/// A report.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Report {
    /// `healthy`, `degraded` or `critical`.
    pub status: String,
    /// The service's name.
    pub service: String,
    /// Incidents, newest last.
    pub incidents: Vec<Incident>,
    /// The figures behind it.
    pub detailed_health: Detail,
}

/// The figures behind the status.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Detail {
    /// Each process.
    pub processes: Vec<Process>,
}

/// One process.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// `python`, `node` or `native`.
    pub runtime: String,
    /// `running`, `stopped`, `exited`, `killed`.
    pub state: String,
}

/// A finding over time.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Incident {
    /// Its identity within the run.
    pub id: String,
    /// What was found.
    pub kind: String,
    /// How bad.
    pub severity: String,
    /// Why a loop stalled.
    pub cause: Option<String>,
    /// Whether the interpreter's lock was held.
    pub gil_held: Option<bool>,
    /// When it ended; `None` while it lasts.
    pub closed_at: Option<String>,
    /// Occurrences.
    pub count: u64,
    /// Where.
    pub process: Owner,
    /// One sentence.
    pub summary: String,
    /// The line to blame.
    pub culprit: Option<Place>,
    /// The stack, innermost first.
    pub frames: Vec<Place>,
}

/// The process of an incident.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Owner {
    /// Its number.
    pub pid: u32,
}

/// A line of code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The function.
    pub function: String,
}

/// The file that the faults are in.
pub const FILE: &str = "loopscope_drill.py";

/// What the names of all files begin with that faults are in.
const FILES: &str = "loopscope_drill";

/// The name of the drill's tasks, threads and executors.
pub const NAME: &str = "loopscope-drill";

impl Incident {
    /// Whether it says of itself that a drill made it.
    pub fn is_of_drill(&self) -> bool {
        let is_there = |place: &Place| place.file_name().starts_with(FILES);
        self.culprit.as_ref().is_some_and(is_there)
            || self.frames.iter().any(is_there)
            || self.summary.contains(FILES)
            || self.summary.contains(NAME)
    }
}

impl Place {
    fn file_name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or(&self.file)
    }

    /// `file:line in function`, without the folder.
    pub fn words(&self) -> String {
        format!("{}:{} in {}", self.file_name(), self.line, self.function)
    }
}
