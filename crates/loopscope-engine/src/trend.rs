//! Steady growth, told from everything that merely looks like it for a while.
//!
//! Samples of one figure at even distances, and a test on them: the Mann-Kendall test for a monotone trend
//! and the slope by Theil and Sen, neither of which cares how the figure scatters, and three conditions
//! that rule out the healthy: a saw-tooth comes back to where it was, a warm-up levels off, a burst is a
//! step. Pure: time comes in with each sample.

use std::collections::VecDeque;

use crate::time::Nanos;

/// A trend this many standard deviations away from none comes by chance once in a thousand.
const SURE: f64 = 3.0;

/// A window is divided into so many spans, whose middles must rise one after the other.
const SPANS: usize = 6;

/// A span rises where it gains at least this share of what all gain on average.
const SHARE_OF_AVERAGE: f64 = 0.25;

/// Fewer samples than this prove nothing.
const FEWEST: usize = 24;

/// Samples of one figure, the oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Trend {
    samples: VecDeque<(Nanos, f64)>,
    period: Nanos,
    most: usize,
    rise: Option<Rise>,
}

/// A steady rise, and the middles of its first and last span.
#[derive(Clone, Copy, Debug)]
struct Rise {
    growth: Growth,
    middle_from: f64,
    middle_to: f64,
}

/// What counts as growth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrendRule {
    /// Samples over less time prove nothing.
    pub min_span: Nanos,
    /// The least growth within the window that is worth a word.
    pub min_growth: f64,
    /// The same as a share of what was there first.
    pub min_share: f64,
}

/// Steady growth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Growth {
    /// The figure at its end.
    pub(crate) to: f64,
    /// How long the window is.
    pub(crate) span: Nanos,
    /// When it began.
    pub(crate) since: Nanos,
    /// The slope.
    pub(crate) per_minute: f64,
}

impl Trend {
    /// No samples yet; one is taken every `period`, and `window` of them is kept.
    pub(crate) fn new(period: Nanos, window: Nanos) -> Self {
        let most = (window.0 / period.0.max(1)) as usize;
        Self {
            samples: VecDeque::new(),
            period,
            most: most.max(FEWEST),
            rise: None,
        }
    }

    /// Takes a sample where one is due. Whether it did.
    pub(crate) fn push(&mut self, at: Nanos, value: f64) -> bool {
        let is_due = |(last, _): &(Nanos, f64)| at.since(*last) >= self.period;
        if !self.samples.back().is_none_or(is_due) {
            return false;
        }
        if self.samples.len() >= self.most {
            self.samples.pop_front();
        }
        self.samples.push_back((at, value));
        self.rise = self.measure();
        true
    }

    /// The growth, where there is a steady one.
    pub(crate) fn growth(&self, rule: &TrendRule) -> Option<Growth> {
        let rise = self.rise?;
        let gain = rise.middle_to - rise.middle_from;
        let is_enough = gain >= rule.min_growth.max(rise.middle_from * rule.min_share);
        (is_enough && rise.growth.span >= rule.min_span).then_some(rise.growth)
    }

    /// The steady rise of what was sampled, of whatever size. Asked with each sample, not with each look.
    fn measure(&self) -> Option<Rise> {
        let ((first, from), (last, to)) = (*self.samples.front()?, *self.samples.back()?);
        if self.samples.len() < FEWEST || to <= from {
            return None;
        }
        let values: Vec<f64> = self.samples.iter().map(|(_, value)| *value).collect();
        let middles = middles(&values);
        let rises = rises_throughout(&middles) && never_comes_back(&values);
        if !rises || mann_kendall(&values) < SURE {
            return None;
        }
        let growth = Growth {
            to,
            span: last.since(first),
            since: first,
            per_minute: self.theil_sen() * 60.0,
        };
        Some(Rise {
            growth,
            middle_from: middles[0],
            middle_to: middles[SPANS - 1],
        })
    }

    /// The median of the slopes between all pairs of samples, in a second.
    fn theil_sen(&self) -> f64 {
        let mut slopes = Vec::new();
        for (index, (at, value)) in self.samples.iter().enumerate() {
            for (later, other) in self.samples.iter().skip(index + 1) {
                slopes.push((other - value) / later.since(*at).as_secs_f64());
            }
        }
        slopes.retain(|slope| slope.is_finite());
        quantile(&sorted(&slopes), 0.5)
    }
}

/// The median of each span of the window.
fn middles(values: &[f64]) -> [f64; SPANS] {
    let bound = |span: usize| span * values.len() / SPANS;
    std::array::from_fn(|span| quantile(&sorted(&values[bound(span)..bound(span + 1)]), 0.5))
}

/// Whether the last spans all rise, and of the others all but one. A step rises once, a warm-up at first.
fn rises_throughout(middles: &[f64; SPANS]) -> bool {
    let average = (middles[SPANS - 1] - middles[0]) / (SPANS - 1) as f64;
    let gains: Vec<bool> = middles
        .windows(2)
        .map(|pair| pair[1] - pair[0] >= average * SHARE_OF_AVERAGE)
        .collect();
    let (early, late) = gains.split_at(gains.len() - 3);
    let missed = early.iter().filter(|gains| !**gains).count();
    late.iter().all(|gains| *gains) && missed <= 1
}

/// Whether the last third lies above the first, but for one in ten on either side.
fn never_comes_back(values: &[f64]) -> bool {
    let third = values.len() / 3;
    let (begin, end) = (&values[..third], &values[values.len() - third..]);
    quantile(&sorted(begin), 0.9) < quantile(&sorted(end), 0.1)
}

/// How many standard deviations the number of rising pairs is away from that of falling ones, corrected
/// for equal values.
fn mann_kendall(values: &[f64]) -> f64 {
    let mut rising = 0_i64;
    for (index, value) in values.iter().enumerate() {
        for later in &values[index + 1..] {
            rising += i64::from(later > value) - i64::from(later < value);
        }
    }
    let pairs = |count: f64| count * (count - 1.0) * (2.0 * count + 5.0);
    let ties: f64 = runs(&sorted(values)).into_iter().map(pairs).sum();
    let variance = (pairs(values.len() as f64) - ties) / 18.0;
    let corrected = (rising.abs() - 1).max(0) as f64 * rising.signum() as f64;
    if variance > 0.0 {
        corrected / variance.sqrt()
    } else {
        0.0
    }
}

/// How often each value stands in a sorted list.
fn runs(sorted: &[f64]) -> Vec<f64> {
    let equal = sorted.chunk_by(|a, b| a == b);
    equal.map(|run| run.len() as f64).collect()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The value that this share of a sorted list does not exceed; 0 for an empty one.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let index = (last as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests;
