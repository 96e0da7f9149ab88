//! What grows is told, and what only looks like it is not.

use super::*;

const RULE: TrendRule = TrendRule {
    min_span: Nanos::from_millis(180_000),
    min_growth: 20.0,
    min_share: 0.5,
};

/// A sample every five seconds for so many minutes, kept for ten.
fn of(minutes: u64, figure: impl Fn(f64) -> f64) -> Trend {
    let mut trend = Trend::new(Nanos::from_millis(5_000), Nanos::from_millis(600_000));
    for step in 0..=minutes * 12 {
        let at = Nanos::from_millis(step * 5_000);
        trend.push(at, figure(step as f64 * 5.0).round());
    }
    trend
}

/// The same whole number for the same input, without a pattern: between 0 and `most`.
fn noise(at: f64, most: f64) -> f64 {
    let mut hash = at.to_bits() ^ 0x9e37_79b9_7f4a_7c15;
    for _ in 0..3 {
        hash = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    (hash >> 40) as f64 / (1 << 24) as f64 * most
}

#[test]
fn a_leak_is_found_with_its_pace() {
    let found = of(5, |at| at * 0.5).growth(&RULE).unwrap();
    assert_eq!(found.to, 150.0);
    assert!((found.per_minute - 30.0).abs() < 1.0, "{found:?}");
    assert_eq!(found.span, Nanos::from_millis(300_000));
}

#[test]
fn a_leak_under_the_noise_of_healthy_work_is_found() {
    assert!(
        of(8, |at| at * 0.2 + noise(at, 40.0))
            .growth(&RULE)
            .is_some()
    );
}

#[test]
fn a_leak_that_comes_in_steps_is_found() {
    assert!(
        of(8, |at| (at / 30.0).floor() * 10.0)
            .growth(&RULE)
            .is_some()
    );
}

#[test]
fn too_little_time_or_growth_proves_nothing() {
    assert_eq!(of(2, |at| at).growth(&RULE), None);
    assert_eq!(of(10, |at| at * 0.02).growth(&RULE), None);
    assert_eq!(of(10, |at| 1_000.0 + at * 0.5).growth(&RULE), None);
    let empty = Trend::new(Nanos::from_millis(5_000), Nanos::from_millis(600_000));
    assert_eq!(empty.growth(&RULE), None);
}

/// Whether any moment of a course looks like growth.
fn is_ever_growth(minutes: u64, figure: impl Fn(f64) -> f64) -> bool {
    let mut trend = Trend::new(Nanos::from_millis(5_000), Nanos::from_millis(600_000));
    (0..minutes * 12).any(|step| {
        let at = Nanos::from_millis(step * 5_000);
        trend.push(at, figure(step as f64 * 5.0).round());
        trend.growth(&RULE).is_some()
    })
}

#[test]
fn steady_work_is_no_growth() {
    assert!(!is_ever_growth(40, |_| 0.0));
    assert!(!is_ever_growth(40, |_| 500.0));
    assert!(!is_ever_growth(60, |at| noise(at, 300.0)));
    assert!(!is_ever_growth(60, |at| 100.0 + 80.0 * (at / 40.0).sin()));
}

#[test]
fn a_warm_up_that_levels_off_is_no_growth() {
    assert!(!is_ever_growth(40, |at| 400.0 * (1.0 - (-at / 40.0).exp())));
    assert!(!is_ever_growth(40, |at| at.min(120.0) * 3.0 + noise(at, 30.0)));
}

#[test]
fn a_saw_tooth_is_no_growth() {
    for period in [20.0, 45.0, 60.0, 90.0, 120.0] {
        let tooth = |at: f64| at % period / period * 300.0;
        assert!(!is_ever_growth(60, tooth), "{period} s");
    }
}

#[test]
fn a_burst_is_no_growth() {
    for (begin, end) in [(60.0, 90.0), (300.0, 420.0), (600.0, 1_800.0)] {
        let burst = |at: f64| {
            if (begin..end).contains(&at) {
                900.0
            } else {
                10.0
            }
        };
        let with_noise = |at: f64| burst(at) + noise(at, 10.0);
        assert!(!is_ever_growth(60, with_noise), "{begin} to {end} s");
    }
}

#[test]
fn growth_that_has_ended_is_no_growth_any_more() {
    assert_eq!(of(20, |at| at.min(600.0)).growth(&RULE), None);
}

#[test]
fn samples_come_no_denser_than_their_period() {
    let mut trend = Trend::new(Nanos::from_millis(5_000), Nanos::from_millis(600_000));
    assert!(trend.push(Nanos::from_millis(0), 1.0));
    assert!(!trend.push(Nanos::from_millis(4_999), 2.0));
    assert!(trend.push(Nanos::from_millis(5_000), 2.0));
}
