//! A run held against an earlier one: what changed, in which direction, and whether it is more than scatter.
//!
//! A figure is worse where all of this holds: the middle of its rounds moved the wrong way, by more than a share of
//! what it was and by more than what matters at all; and its rounds lie so much apart that scatter alone does that
//! once in twenty times at most. Too few samples or rounds prove nothing, and are said to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::results::{Conditions, Figure, Metric, Results, RunEnd, figures};
use crate::rounds::{FEWEST_TO_COMPARE, SURE, chance_of_rise, median};

/// A change by less than a tenth is none: two runs of the same service differ by as much on a machine that others
/// use as well.
const LEAST_SHARE: f64 = 0.1;

/// A run held against an earlier one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The name or the file of the earlier one.
    pub baseline: String,
    /// When it was measured.
    pub baseline_started_at: String,
    /// In what the two are not alike, where they were compared all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
    /// Each figure that both have.
    pub figures: Vec<Compared>,
    /// How many of them became worse.
    pub regressions: u64,
}

/// One figure of both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Compared {
    /// Of what: `open loop GET /orders`, or `inside`.
    pub of: String,
    /// Which: `p99`, `rate`.
    pub figure: String,
    /// The middle of the earlier rounds.
    pub before: f64,
    /// The middle of these rounds.
    pub now: f64,
    /// What to make of it.
    pub change: Change,
    /// Both values with their unit, and why no more can be said where it cannot.
    pub words: String,
}

/// What to make of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Better by more than scatter.
    Better,
    /// No change that can be told from scatter, or that matters.
    Same,
    /// Worse by more than scatter.
    Worse,
    /// Too few rounds or samples to say.
    Unclear,
}

/// The least change of a figure that matters, in its unit, and the fewest samples of a round that make it one. A
/// quantile needs some values beyond it.
fn floor(metric: Metric) -> Option<(f64, u64)> {
    Some(match metric {
        Metric::Quantile(500) => (1.0, 20),
        Metric::Quantile(990) => (5.0, 100),
        Metric::Rate => (1.0, 20),
        Metric::Errors => (0.005, 20),
        Metric::Dropped => (0.0, 20),
        // A stall begins at 100 ms; half of that is felt.
        Metric::Lag => (50.0, 1),
        Metric::Stalls | Metric::FailedTasks | Metric::LeftTasks => (0.5, 1),
        Metric::MemoryGrowth => (1.0, 1),
        // Told by others as well, or by single values.
        Metric::Quantile(_) | Metric::Longest | Metric::Mean | Metric::Late => return None,
    })
}

/// In what two runs are not alike, one sentence each; empty where they can be compared.
pub fn differences(before: &Results, is: &Conditions) -> Vec<String> {
    let was = &before.conditions;
    let mut differences = Vec::new();
    let mut differ = |what: &str, was: String, is: String| {
        if was != is {
            differences.push(format!("{what}: {was} then, {is} now"));
        }
    };
    differ(
        "processor cores",
        was.cores.to_string(),
        is.cores.to_string(),
    );
    differ(
        "concurrency",
        was.concurrency.to_string(),
        is.concurrency.to_string(),
    );
    differ("rate", was.rate.to_string(), is.rate.to_string());
    differ("callers", was.callers.to_string(), is.callers.to_string());
    let seconds = |seconds: f64| format!("{seconds} s");
    differ(
        "duration of a part",
        seconds(was.duration_seconds),
        seconds(is.duration_seconds),
    );
    differ(
        "time-out",
        seconds(was.timeout_seconds),
        seconds(is.timeout_seconds),
    );
    differ(
        "endpoints",
        was.endpoints.join(", "),
        is.endpoints.join(", "),
    );
    differ("calls", was.calls.join(", "), is.calls.join(", "));
    let probe = |probe: &Option<String>| probe.clone().unwrap_or_else(|| "none".to_owned());
    differ("probe", probe(&was.probe), probe(&is.probe));
    if before.ended != RunEnd::Complete {
        differences.push("the earlier run did not come to its end".to_owned());
    }
    differences
}

/// Compares what both have.
pub fn compare(
    baseline: &str,
    before: &Results,
    now: &Results,
    differences: Vec<String>,
) -> Comparison {
    let earlier = figures(before);
    let compared: Vec<Compared> = figures(now)
        .iter()
        .filter_map(|figure| {
            let same = |other: &&Figure| other.metric == figure.metric && other.of == figure.of;
            compared(earlier.iter().find(same)?, figure)
        })
        .collect();
    let is_worse = |one: &&Compared| one.change == Change::Worse;
    Comparison {
        baseline: baseline.to_owned(),
        baseline_started_at: before.started_at.clone(),
        differences,
        regressions: compared.iter().filter(is_worse).count() as u64,
        figures: compared,
    }
}

fn compared(before: &Figure, now: &Figure) -> Option<Compared> {
    let metric = now.metric;
    let (least, samples) = floor(metric)?;
    let (was, is) = (median(&before.values)?, median(&now.values)?);
    let mut words = format!("{} then, {} now", metric.show(was), metric.show(is));
    let rounds = before.values.len().min(now.values.len());
    let fewest = before.samples.min(now.samples);
    let change = if rounds < FEWEST_TO_COMPARE {
        words.push_str(&format!(
            "; {rounds} rounds are too few, {FEWEST_TO_COMPARE} are needed"
        ));
        Change::Unclear
    } else if fewest < samples {
        words.push_str(&format!(
            "; {fewest} samples a round are too few, {samples} are needed"
        ));
        Change::Unclear
    } else {
        change(metric, before, now, (was, is), least)
    };
    Some(Compared {
        of: now.of.clone(),
        figure: metric.name().to_owned(),
        before: was,
        now: is,
        change,
        words,
    })
}

fn change(
    metric: Metric,
    before: &Figure,
    now: &Figure,
    (was, is): (f64, f64),
    least: f64,
) -> Change {
    let matters = (is - was).abs() > least.max(was.abs() * LEAST_SHARE);
    if !matters {
        return Change::Same;
    }
    let rises = is > was;
    let (low, high) = if rises { (before, now) } else { (now, before) };
    if chance_of_rise(&low.values, &high.values) > SURE {
        return Change::Same;
    }
    if rises == metric.more_is_better() {
        Change::Better
    } else {
        Change::Worse
    }
}

#[cfg(test)]
mod tests;
