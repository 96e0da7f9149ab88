//! Latencies as figures and as a histogram, out of what was recorded.

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest latency that is told from a longer one: an hour, in microseconds.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// Three digits: a latency is told to a thousandth of itself.
const DIGITS: u8 = 3;

/// Where the bars of a histogram end, in milliseconds; the last one has no end.
const BOUNDS_MILLIS: [f64; 18] = [
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0,
    10_000.0, 20_000.0, 60_000.0,
];

/// Latencies, in milliseconds, of all requests that were answered or ran out of time. A request that ran out
/// of time counts with the time that it waited: in truth it took longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// How many there are.
    pub count: u64,
    /// The average.
    pub mean_ms: f64,
    /// Half of them are no longer.
    pub p50_ms: f64,
    /// Nine in ten are no longer.
    pub p90_ms: f64,
    /// 95 in a hundred are no longer.
    pub p95_ms: f64,
    /// 99 in a hundred are no longer.
    pub p99_ms: f64,
    /// 999 in a thousand are no longer.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// One bar of a histogram of latencies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bin {
    /// The longest that belongs into it, in milliseconds; absent for the last one, which has the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_ms: Option<f64>,
    /// How many there are.
    pub count: u64,
}

/// An empty record of latencies in microseconds.
#[expect(
    clippy::expect_used,
    reason = "the bounds are constants that are in range"
)]
pub(crate) fn record() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS).expect("bounds in range")
}

/// Adds one latency.
pub(crate) fn add(record: &mut Histogram<u64>, latency: std::time::Duration) {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(LONGEST_MICROS);
    record.saturating_record(micros.clamp(1, LONGEST_MICROS));
}

impl Latency {
    /// The figures of a record in microseconds; `None` of an empty one.
    pub fn of(record: &Histogram<u64>) -> Option<Self> {
        if record.is_empty() {
            return None;
        }
        let at = |quantile| record.value_at_quantile(quantile) as f64 / 1e3;
        Some(Self {
            count: record.len(),
            mean_ms: record.mean() / 1e3,
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: record.max() as f64 / 1e3,
        })
    }
}

/// The bars of a record in microseconds, from the first to the last that has anything in it.
pub fn bins(record: &Histogram<u64>) -> Vec<Bin> {
    let mut counts = [0_u64; BOUNDS_MILLIS.len() + 1];
    for entry in record.iter_recorded() {
        let millis = entry.value_iterated_to() as f64 / 1e3;
        let bar = BOUNDS_MILLIS.partition_point(|bound| *bound < millis);
        counts[bar] += entry.count_since_last_iteration();
    }
    let filled = |count: &u64| *count > 0;
    let Some(first) = counts.iter().position(filled) else {
        return Vec::new();
    };
    let last = counts.iter().rposition(filled).unwrap_or(first);
    (first..=last)
        .map(|bar| Bin {
            to_ms: BOUNDS_MILLIS.get(bar).copied(),
            count: counts[bar],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn recorded(millis: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut filled = record();
        for millis in millis {
            add(&mut filled, Duration::from_millis(millis));
        }
        filled
    }

    #[test]
    fn figures_are_right_to_a_thousandth() {
        let latency = Latency::of(&recorded(1..=1_000)).unwrap();
        assert_eq!(latency.count, 1_000);
        for (figure, truth) in [
            (latency.p50_ms, 500.0),
            (latency.p99_ms, 990.0),
            (latency.p999_ms, 999.0),
            (latency.max_ms, 1_000.0),
            (latency.mean_ms, 500.5),
        ] {
            assert!((figure / truth - 1.0).abs() < 0.002, "{figure} for {truth}");
        }
    }

    #[test]
    fn nothing_has_no_figures_and_no_bars() {
        assert_eq!(Latency::of(&record()), None);
        assert_eq!(bins(&record()), []);
    }

    #[test]
    fn each_latency_is_in_one_bar_and_empty_bars_stand_between_only() {
        let bars = bins(&recorded([3, 3, 40]));
        let shown: Vec<_> = bars
            .iter()
            .map(|bar| (bar.to_ms.unwrap(), bar.count))
            .collect();
        assert_eq!(shown, [(5.0, 2), (10.0, 0), (20.0, 0), (50.0, 1)]);
    }

    #[test]
    fn what_is_too_long_is_in_the_last_bar() {
        let bars = bins(&recorded([10_000_000]));
        assert_eq!((bars.len(), bars[0].to_ms, bars[0].count), (1, None, 1));
    }
}
