//! Limits that a run is held against: `p99<50ms`, `errors<1%`, `stalls<1`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::results::{Figure, Metric, Results, Verdict, figures};

/// A limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    metric: Metric,
    relation: Relation,
    limit: f64,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// What came of a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Held {
    /// The limit, as it was asked for.
    pub threshold: String,
    /// Whether it holds. One on something that was not measured does not.
    pub verdict: Verdict,
    /// The worst value over all rounds, in the unit of its figure; absent where it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// In words.
    pub reason: String,
}

const METRICS: [(&str, Metric); 17] = [
    ("p50", Metric::Quantile(500)),
    ("p90", Metric::Quantile(900)),
    ("p95", Metric::Quantile(950)),
    ("p99", Metric::Quantile(990)),
    ("p99.9", Metric::Quantile(999)),
    ("p999", Metric::Quantile(999)),
    ("max", Metric::Longest),
    ("mean", Metric::Mean),
    ("rate", Metric::Rate),
    ("errors", Metric::Errors),
    ("dropped", Metric::Dropped),
    ("late", Metric::Late),
    ("lag", Metric::Lag),
    ("stalls", Metric::Stalls),
    ("failed_tasks", Metric::FailedTasks),
    ("left_tasks", Metric::LeftTasks),
    ("memory_growth", Metric::MemoryGrowth),
];

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at = text
            .find(['<', '>'])
            .ok_or("expected a limit such as p99<50ms, errors<1% or stalls<1")?;
        let (name, rest) = text.split_at(at);
        let name = name.trim();
        let (_, metric) = METRICS
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| format!("expected one of {}, not {name:?}", names()))?;
        let (relation, value) = relation(rest);
        Ok(Self {
            metric: *metric,
            relation,
            limit: limit(*metric, value.trim())?,
            text: text.split_whitespace().collect(),
        })
    }
}

fn names() -> String {
    METRICS.map(|(name, _)| name).join(", ")
}

fn relation(rest: &str) -> (Relation, &str) {
    if let Some(value) = rest.strip_prefix("<=") {
        (Relation::AtMost, value)
    } else if let Some(value) = rest.strip_prefix(">=") {
        (Relation::AtLeast, value)
    } else if let Some(value) = rest.strip_prefix('<') {
        (Relation::Below, value)
    } else {
        (Relation::Above, rest.strip_prefix('>').unwrap_or(rest))
    }
}

/// A value in the unit of its figure. A length of time has to say its unit: a bare number may be meant either way.
fn limit(metric: Metric, text: &str) -> Result<f64, String> {
    let units: &[(&str, f64)] = match metric {
        Metric::Quantile(_) | Metric::Longest | Metric::Mean | Metric::Lag => {
            &[("us", 1e-3), ("ms", 1.0), ("s", 1e3)]
        }
        Metric::Errors => &[("%", 0.01)],
        Metric::Rate => &[("/s", 1.0), ("", 1.0)],
        Metric::MemoryGrowth => &[
            ("KiB", 1.0 / 1_024.0),
            ("KB", 1.0 / 1_024.0),
            ("MiB", 1.0),
            ("MB", 1.0),
            ("GiB", 1_024.0),
        ],
        _ => &[("", 1.0)],
    };
    let parsed = units.iter().find_map(|(unit, factor)| {
        let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        (number.is_finite() && number >= 0.0).then_some(number * factor)
    });
    parsed.ok_or_else(|| {
        let units: Vec<_> = units.iter().map(|(unit, _)| format!("5{unit}")).collect();
        let units = units.join(", ");
        format!(
            "expected a limit of {} such as {units}, not {text:?}",
            metric.name()
        )
    })
}

impl Threshold {
    /// Holds a run against it. A figure that was not measured fails it: what cannot be seen must not pass.
    pub fn hold(&self, results: &Results) -> Held {
        let all = figures(results);
        let meant = all
            .iter()
            .filter(|figure| figure.metric == self.metric && figure.is_meant(results));
        let worst = meant.max_by(|a, b| self.badness(a).total_cmp(&self.badness(b)));
        let Some(worst) = worst else {
            return Held {
                threshold: self.text.clone(),
                verdict: Verdict::Failed,
                value: None,
                reason: format!("{}: not measured", self.metric.name()),
            };
        };
        let verdict = if self.holds(worst.overall) {
            Verdict::Passed
        } else {
            Verdict::Failed
        };
        let shown = self.metric.show(worst.overall);
        Held {
            threshold: self.text.clone(),
            verdict,
            value: Some(worst.overall),
            reason: format!("{} {shown} ({})", self.metric.name(), worst.of),
        }
    }

    fn badness(&self, figure: &Figure) -> f64 {
        match self.relation {
            Relation::Below | Relation::AtMost => figure.overall,
            Relation::Above | Relation::AtLeast => -figure.overall,
        }
    }

    fn holds(&self, value: f64) -> bool {
        match self.relation {
            Relation::Below => value < self.limit,
            Relation::AtMost => value <= self.limit,
            Relation::Above => value > self.limit,
            Relation::AtLeast => value >= self.limit,
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
