//! The part of a report that is sampled, read tolerantly: whatever is missing is not known, and never zero.

use loopscope_load::results::{Inside, Provoked, Reading};
use serde::Deserialize;

use crate::screen::Text;

/// A report.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Report {
    monitoring: Monitoring,
    pub(super) incidents: Vec<Found>,
    detailed_health: Detail,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Monitoring {
    memory_mb: Option<f64>,
    cpu_percent: Option<f64>,
    open_fds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    event_loops: Vec<Loop>,
    tasks: Option<Tasks>,
    database: Option<Database>,
    executors: Option<Vec<Executor>>,
    system: Vec<System>,
}

/// One loop.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Loop {
    id: String,
    state: String,
    busy_seconds: Option<f64>,
    busy_total_seconds: f64,
    idle_total_seconds: f64,
    stalls: u64,
    longest_busy_seconds: f64,
}

/// Tasks of all processes.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::stress) struct Tasks {
    pub(super) spawned: u64,
    pub(super) alive: u64,
    pub(super) done: u64,
    pub(super) cancelled: u64,
    pub(super) failed: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Database {
    pools: Vec<Pool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pool {
    in_use: u64,
    waiting: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Executor {
    busy: u64,
    queued: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct System {
    threads: u64,
}

/// An incident as it was found.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Found {
    pub(super) id: String,
    kind: Text,
    severity: Text,
    cause: Option<Text>,
    pub(super) count: u64,
    pub(super) duration_seconds: f64,
    longest_seconds: f64,
    summary: Text,
    culprit: Option<Place>,
    advice: Advice,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Place {
    file: Text,
    line: u64,
    function: Text,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Advice {
    replacement: Option<Text>,
    steps: Vec<Text>,
}

/// What one look saw.
#[derive(Clone, Debug, Default)]
pub(in crate::stress) struct Sample {
    pub(in crate::stress) reading: Reading,
    pub(in crate::stress) tasks: Option<Tasks>,
    rest: Inside,
    loops: Vec<Loop>,
}

impl Sample {
    pub(super) fn of(report: &Report) -> Self {
        let detail = &report.detailed_health;
        let threads = detail.system.iter().map(|one| one.threads).sum();
        let reading = Reading {
            memory_mb: report.monitoring.memory_mb,
            open_fds: report.monitoring.open_fds,
            threads: (!detail.system.is_empty()).then_some(threads),
            tasks: detail.tasks.map(|tasks| tasks.alive),
        };
        let pools = detail.database.as_ref().map(|database| &database.pools);
        let executors = detail.executors.as_ref();
        Self {
            reading,
            tasks: detail.tasks,
            rest: Inside {
                reading,
                cpu_percent: report.monitoring.cpu_percent,
                pool_in_use: pools.map(|pools| pools.iter().map(|pool| pool.in_use).sum()),
                pool_waiting: pools.map(|pools| pools.iter().map(|pool| pool.waiting).sum()),
                executor_busy: executors.map(|all| all.iter().map(|one| one.busy).sum()),
                executor_queued: executors.map(|all| all.iter().map(|one| one.queued).sum()),
                ..Inside::default()
            },
            loops: detail.event_loops.clone(),
        }
    }

    /// All that needs no earlier look.
    pub(super) fn inside(&self) -> Inside {
        self.rest
    }

    pub(super) fn has_loops(&self) -> bool {
        !self.loops.is_empty()
    }

    fn since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (&'a Loop, Option<&'a Loop>)> {
        self.loops.iter().map(|now| {
            let was = before.loops.iter().find(|was| was.id == now.id);
            (now, was)
        })
    }

    /// The longest that a loop was away from its poll as far as two looks tell, in seconds: for how long one is away
    /// now, and what became its longest in between.
    pub(super) fn lag_since(&self, before: &Self) -> f64 {
        let lags = self.since(before).map(|(now, was)| {
            let longest = was.map_or(0.0, |was| was.longest_busy_seconds);
            let is_new = now.longest_busy_seconds > longest;
            let longest = if is_new {
                now.longest_busy_seconds
            } else {
                0.0
            };
            // Nothing is away from its poll that has ended.
            let away = now.busy_seconds.filter(|_| now.state != "ended");
            away.unwrap_or(0.0).max(longest)
        });
        lags.fold(0.0, f64::max)
    }

    /// Stalls that began in between.
    pub(super) fn stalls_since(&self, before: &Self) -> u64 {
        let pairs = self.since(before);
        let news =
            pairs.map(|(now, was)| now.stalls.saturating_sub(was.map_or(0, |was| was.stalls)));
        news.sum()
    }

    /// The share of its time that the busiest loop was busy in between.
    pub(super) fn utilization_since(&self, before: &Self) -> Option<f64> {
        let pairs = self
            .since(before)
            .filter_map(|(now, was)| Some((now, was?)));
        let shares = pairs.filter_map(|(now, was)| {
            let busy = now.busy_total_seconds - was.busy_total_seconds;
            let all = busy + now.idle_total_seconds - was.idle_total_seconds;
            (all > 0.0).then(|| (busy / all).clamp(0.0, 1.0))
        });
        shares.max_by(f64::total_cmp)
    }
}

impl Found {
    pub(super) fn is_stall(&self) -> bool {
        self.kind.as_str() == "loop_stall"
    }

    /// Not one for want of a processor, or of a process that was stopped.
    pub(super) fn is_stall_of_code(&self) -> bool {
        let cause = self.cause.as_ref().map(Text::as_str);
        self.is_stall() && !matches!(cause, Some("cpu_starved" | "suspended"))
    }

    pub(super) fn provoked(&self, count: u64) -> Provoked {
        let fix = self
            .advice
            .replacement
            .as_ref()
            .or(self.advice.steps.first());
        Provoked {
            id: Text::new(&self.id).to_string(),
            kind: self.kind.to_string(),
            severity: self.severity.to_string(),
            cause: self.cause.as_ref().map(Text::to_string),
            count,
            longest_seconds: self.longest_seconds,
            summary: self.summary.to_string(),
            culprit: self.culprit.as_ref().map(Place::words),
            fix: fix.filter(|fix| !fix.is_empty()).map(Text::to_string),
        }
    }
}

impl Place {
    /// `file:line in function`, as far as it is known.
    fn words(&self) -> String {
        let mut words = self.file.to_string();
        if self.line > 0 {
            words.push_str(&format!(":{}", self.line));
        }
        if !self.function.is_empty() {
            words.push_str(&format!(" in {}", self.function));
        }
        words
    }
}
