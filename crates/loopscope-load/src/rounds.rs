//! Few rounds, honestly: whether they show a change, or a trend, that is more than their scatter.
//!
//! Both tests are exact for few values, need no assumption on how these scatter, and count ties as no evidence:
//! the one by Mann and Whitney on two samples, the one by Mann and Kendall on a trend, with the slope by Theil and
//! Sen.

/// One chance in twenty that it is scatter.
pub const SURE: f64 = 0.05;

/// Fewer rounds on either side can never be [`SURE`]: three against three are the fewest of which one arrangement
/// in twenty is this one.
pub const FEWEST_TO_COMPARE: usize = 3;

/// Fewer values can never show a trend: four rise by chance once in 24.
pub const FEWEST_FOR_TREND: usize = 4;

/// A rise that ends with less than this share of its average steps levels off: a warm-up.
const SHARE_OF_AVERAGE: f64 = 0.25;

/// The middle of some values; `None` of none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted.get(middle).copied()
    } else {
        Some((sorted.get(middle.checked_sub(1)?)? + sorted.get(middle)?) / 2.0)
    }
}

/// How probable it is by chance alone that values of `now` are above those of `before` as often as they are.
pub fn chance_of_rise(before: &[f64], now: &[f64]) -> f64 {
    let above = |one: &&f64| before.iter().filter(|other| **one > **other).count();
    let pairs: usize = now.iter().map(|one| above(&one)).sum();
    let ways = arrangements(before.len(), now.len());
    let all: f64 = ways.iter().sum();
    ways[pairs..].iter().sum::<f64>() / all
}

/// In how many arrangements of `a` and `b` values so many pairs stand in order, for each number of pairs.
fn arrangements(a: usize, b: usize) -> Vec<f64> {
    // The product of (1 - x^(b+i)) / (1 - x^i): multiplied and divided factor by factor.
    let mut ways = vec![0.0; a * b + 1];
    ways[0] = 1.0;
    for i in 1..=a {
        for pairs in (b + i..ways.len()).rev() {
            ways[pairs] -= ways[pairs - b - i];
        }
        for pairs in i..ways.len() {
            ways[pairs] += ways[pairs - i];
        }
    }
    ways
}

/// A trend over rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// The middle of the slopes between any two rounds.
    pub per_round: f64,
    /// From the first to the last.
    pub in_all: f64,
    /// Whether it rises more than by chance, and has not levelled off.
    pub is_rising: bool,
}

/// The trend of one value for each round; `None` where there are too few. The first of five and more is passed over:
/// what a program does once, it does then.
pub fn trend(values: &[f64]) -> Option<Trend> {
    let values = if values.len() > FEWEST_FOR_TREND {
        &values[1..]
    } else {
        values
    };
    if values.len() < FEWEST_FOR_TREND {
        return None;
    }
    let (first, last) = (*values.first()?, *values.last()?);
    let steps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let average = (last - first) / steps.len() as f64;
    let late = &steps[steps.len() - 2..];
    let goes_on = late.iter().sum::<f64>() / late.len() as f64 >= average * SHARE_OF_AVERAGE;
    Some(Trend {
        per_round: slope(values)?,
        in_all: last - first,
        is_rising: last > first && goes_on && chance_of_trend(values) <= SURE,
    })
}

/// The middle of the slopes between any two values.
fn slope(values: &[f64]) -> Option<f64> {
    let mut slopes = Vec::new();
    for (index, value) in values.iter().enumerate() {
        for (distance, later) in values[index + 1..].iter().enumerate() {
            slopes.push((later - value) / (distance + 1) as f64);
        }
    }
    median(&slopes)
}

/// How probable it is by chance alone that as many pairs rise as do.
fn chance_of_trend(values: &[f64]) -> f64 {
    let mut rising = 0;
    for (index, value) in values.iter().enumerate() {
        rising += values[index + 1..]
            .iter()
            .filter(|later| **later > *value)
            .count();
    }
    let ways = orders(values.len());
    let all: f64 = ways.iter().sum();
    ways[rising..].iter().sum::<f64>() / all
}

/// In how many orders of so many values so many pairs rise, for each number of pairs.
fn orders(count: usize) -> Vec<f64> {
    let mut ways = vec![1.0];
    for placed in 1..count {
        let mut more = vec![0.0; ways.len() + placed];
        for (pairs, many) in ways.iter().enumerate() {
            for new in 0..=placed {
                more[pairs + new] += many;
            }
        }
        ways = more;
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, truth: f64) {
        assert!((found - truth).abs() < 1e-9, "{found} for {truth}");
    }

    #[test]
    fn chances_are_those_of_the_tables() {
        close(
            chance_of_rise(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]),
            1.0 / 20.0,
        );
        close(
            chance_of_rise(&[1.0, 2.0, 4.0], &[3.0, 5.0, 6.0]),
            2.0 / 20.0,
        );
        close(chance_of_rise(&[1.0; 5], &[2.0; 5]), 1.0 / 252.0);
        close(chance_of_trend(&[1.0, 2.0, 3.0, 4.0]), 1.0 / 24.0);
        close(chance_of_trend(&[1.0, 2.0, 3.0, 5.0, 4.0]), 5.0 / 120.0);
    }

    #[test]
    fn equal_values_are_no_evidence() {
        close(chance_of_rise(&[1.0; 3], &[1.0; 3]), 1.0);
        close(chance_of_trend(&[1.0; 4]), 1.0);
    }

    #[test]
    fn many_rounds_are_no_trouble() {
        let before: Vec<f64> = (0..30).map(f64::from).collect();
        let now: Vec<f64> = (100..130).map(f64::from).collect();
        assert!(chance_of_rise(&before, &now) < 1e-9);
        assert!(chance_of_rise(&now, &before) > 0.999);
    }

    #[test]
    fn a_leak_is_told_from_a_warm_up_a_step_and_a_saw_tooth() {
        let rising = |values: &[f64]| trend(values).unwrap().is_rising;
        assert!(rising(&[50.0, 61.0, 70.0, 81.0, 90.0]));
        assert!(rising(&[50.0, 61.0, 70.0, 69.5, 81.0, 90.0, 100.0]));
        assert!(!rising(&[50.0, 80.0, 90.0, 92.0, 92.1, 92.2]), "a warm-up");
        assert!(!rising(&[50.0, 50.0, 50.0, 80.0, 80.0]), "a step");
        assert!(
            !rising(&[50.0, 60.0, 50.0, 60.0, 50.0, 61.0]),
            "a saw-tooth"
        );
        assert!(!rising(&[90.0, 80.0, 70.0, 60.0]), "a fall");
        assert_eq!(trend(&[1.0, 2.0, 3.0]), None);
    }

    #[test]
    fn a_slope_is_not_moved_by_one_stray_value() {
        let found = trend(&[0.0, 10.0, 20.0, 90.0, 40.0, 50.0]).unwrap();
        close(found.per_round, 10.0);
    }

    #[test]
    fn the_middle_of_nothing_is_none() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
    }
}
