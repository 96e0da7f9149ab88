//! The figures of a run that are held against limits and against other runs: one value for each round.

use super::{LoadPart, LoadResult, Results, TestName};
use crate::rounds::trend;

/// What a figure says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// A quantile of the latency in milliseconds, in thousandths: 500, 900, 950, 990, 999.
    Quantile(u16),
    /// The longest latency in milliseconds.
    Longest,
    /// The average latency in milliseconds.
    Mean,
    /// Answers a second in closed loop.
    Rate,
    /// Requests that failed, as a share.
    Errors,
    /// Requests that were never sent in time.
    Dropped,
    /// Requests that were sent late.
    Late,
    /// The longest that a loop was away from its poll, in milliseconds.
    Lag,
    /// Stalls.
    Stalls,
    /// Tasks that failed.
    FailedTasks,
    /// Tasks left over.
    LeftTasks,
    /// Growth of resident memory after each round, in MiB.
    MemoryGrowth,
}

/// One figure, for each round.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What it says.
    pub metric: Metric,
    /// Of what, for people: `open loop GET /orders`, or `inside`.
    pub of: String,
    /// One value for each round.
    pub values: Vec<f64>,
    /// The value over all rounds.
    pub overall: f64,
    /// The fewest samples that a round's value is made of.
    pub samples: u64,
}

impl Metric {
    /// What a threshold calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quantile(500) => "p50",
            Self::Quantile(900) => "p90",
            Self::Quantile(950) => "p95",
            Self::Quantile(990) => "p99",
            Self::Quantile(_) => "p99.9",
            Self::Longest => "max",
            Self::Mean => "mean",
            Self::Rate => "rate",
            Self::Errors => "errors",
            Self::Dropped => "dropped",
            Self::Late => "late",
            Self::Lag => "lag",
            Self::Stalls => "stalls",
            Self::FailedTasks => "failed_tasks",
            Self::LeftTasks => "left_tasks",
            Self::MemoryGrowth => "memory_growth",
        }
    }

    /// Whether more of it is better.
    pub fn more_is_better(self) -> bool {
        self == Self::Rate
    }

    /// A value of it with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Quantile(_) | Self::Longest | Self::Mean | Self::Lag => millis(value),
            Self::Rate => format!("{value:.0}/s"),
            Self::Errors => format!("{:.2} %", value * 100.0),
            Self::MemoryGrowth => format!("{value:.2} MiB a round"),
            Self::Dropped | Self::Late | Self::Stalls | Self::FailedTasks | Self::LeftTasks => {
                format!("{value:.0}")
            }
        }
    }
}

/// Milliseconds with three digits that matter, or as seconds.
fn millis(value: f64) -> String {
    match value {
        v if v < 10.0 => format!("{v:.2} ms"),
        v if v < 100.0 => format!("{v:.1} ms"),
        v if v < 1_000.0 => format!("{v:.0} ms"),
        v => format!("{:.2} s", v / 1e3),
    }
}

/// All figures of a run. What was not measured is not among them.
pub fn figures(results: &Results) -> Vec<Figure> {
    let mut figures: Vec<Figure> = results.loads.iter().flat_map(of_load).collect();
    figures.extend(of_inside(results));
    figures
}

/// One figure of a latency.
type Pick = fn(&crate::Latency) -> f64;

fn of_load(load: &LoadResult) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut add = |metric, values: Vec<f64>, overall: Option<f64>, samples: u64| {
        if let Some(overall) = overall.filter(|_| !values.is_empty()) {
            figures.push(Figure {
                metric,
                of: load.title(),
                values,
                overall,
                samples,
            });
        }
    };
    let answered: Vec<_> = load
        .rounds
        .iter()
        .filter_map(|round| round.latency)
        .collect();
    let fewest = answered
        .iter()
        .map(|latency| latency.count)
        .min()
        .unwrap_or(0);
    let latencies: [(Metric, Pick); 7] = [
        (Metric::Quantile(500), |latency| latency.p50_ms),
        (Metric::Quantile(900), |latency| latency.p90_ms),
        (Metric::Quantile(950), |latency| latency.p95_ms),
        (Metric::Quantile(990), |latency| latency.p99_ms),
        (Metric::Quantile(999), |latency| latency.p999_ms),
        (Metric::Longest, |latency| latency.max_ms),
        (Metric::Mean, |latency| latency.mean_ms),
    ];
    for (metric, pick) in latencies {
        let values = answered.iter().map(pick).collect();
        add(metric, values, load.latency.as_ref().map(pick), fewest);
    }
    let sent = load.rounds.iter().map(|round| round.sent + round.dropped);
    let tried = sent.clone().sum::<u64>();
    let failed = load.sum(|round| round.failed);
    let shares = load.rounds.iter().zip(sent.clone());
    let shares = shares.filter(|(_, sent)| *sent > 0);
    let shares = shares.map(|(round, sent)| round.failed as f64 / sent as f64);
    let overall = (tried > 0).then(|| failed as f64 / tried as f64);
    add(
        Metric::Errors,
        shares.collect(),
        overall,
        sent.min().unwrap_or(0),
    );
    if load.part == LoadPart::Closed {
        let rates: Vec<f64> = load.rounds.iter().map(|round| round.rate).collect();
        let overall = crate::rounds::median(&rates);
        add(Metric::Rate, rates, overall, fewest);
    } else if load.part != LoadPart::Callers {
        for (metric, pick) in [
            (
                Metric::Dropped,
                (|round| round.dropped) as fn(&super::LoadRound) -> u64,
            ),
            (Metric::Late, |round| round.late),
        ] {
            let values = load.rounds.iter().map(|round| pick(round) as f64).collect();
            add(metric, values, Some(load.sum(pick) as f64), fewest);
        }
    }
    figures
}

fn of_inside(results: &Results) -> Vec<Figure> {
    let rounds = &results.rounds;
    let figure = |metric, values: Vec<f64>, overall: f64| Figure {
        metric,
        of: "inside".to_owned(),
        samples: values.len() as u64,
        values,
        overall,
    };
    let mut figures = Vec::new();
    let lags: Vec<f64> = rounds.iter().filter_map(|round| round.lag_ms).collect();
    if let Some(longest) = lags.iter().copied().max_by(f64::total_cmp) {
        figures.push(figure(Metric::Lag, lags, longest));
    }
    if !rounds.is_empty() && is_loaded(results) {
        let stalls: Vec<f64> = rounds.iter().map(|round| round.stalls as f64).collect();
        let all = stalls.iter().sum();
        figures.push(figure(Metric::Stalls, stalls, all));
    }
    let flows: Vec<_> = rounds.iter().filter_map(|round| round.tasks).collect();
    if !flows.is_empty() {
        let failed: Vec<f64> = flows.iter().map(|flow| flow.failed as f64).collect();
        let all = failed.iter().sum();
        figures.push(figure(Metric::FailedTasks, failed, all));
        let left: Vec<f64> = flows.iter().map(|flow| flow.left_over as f64).collect();
        let last = left.last().copied().unwrap_or(0.0);
        figures.push(figure(Metric::LeftTasks, left, last));
    }
    let after: Vec<f64> = rounds
        .iter()
        .filter_map(|round| round.after.memory_mb)
        .collect();
    if let Some(trend) = trend(&after) {
        let steps = after.windows(2).map(|pair| pair[1] - pair[0]).collect();
        figures.push(figure(Metric::MemoryGrowth, steps, trend.per_round));
    }
    figures
}

/// Whether anything was sent at all.
fn is_loaded(results: &Results) -> bool {
    results
        .loads
        .iter()
        .any(|load| load.sum(|round| round.sent) > 0)
}

impl Figure {
    /// Whether a threshold without more words means it: of the first test latencies and losses in open loop, the rate
    /// in closed loop, errors in both; and all that was seen inside.
    pub(crate) fn is_meant(&self, results: &Results) -> bool {
        let load = results.loads.iter().find(|load| load.title() == self.of);
        load.is_none_or(|load| {
            let is_meant = match self.metric {
                Metric::Errors => true,
                Metric::Rate => load.part == LoadPart::Closed,
                _ => load.part == LoadPart::Open,
            };
            load.test == TestName::Health && is_meant
        })
    }
}
