use super::*;
use crate::results::{LoadPart, sample};

/// The change of one figure of one part.
fn change_of(before: &Results, now: &Results, of: &str, figure: &str) -> Change {
    let comparison = compare("base", before, now, Vec::new());
    let found = comparison.figures.iter();
    let found = found.filter(|one| one.of == of && one.figure == figure);
    found.map(|one| one.change).next().unwrap()
}

/// The sample with each round's latencies of the open loop changed.
fn with_p99(values: [f64; 5]) -> Results {
    let mut results = sample();
    for load in results
        .loads
        .iter_mut()
        .filter(|load| load.part == LoadPart::Open)
    {
        for (round, value) in load.rounds.iter_mut().zip(values) {
            round.latency.as_mut().unwrap().p99_ms = value;
        }
    }
    results
}

const OPEN: &str = "open loop GET /orders";

#[test]
fn the_same_run_has_not_changed() {
    let comparison = compare("base", &sample(), &sample(), Vec::new());
    assert!(
        comparison
            .figures
            .iter()
            .all(|one| one.change == Change::Same)
    );
    assert_eq!(comparison.regressions, 0);
}

#[test]
fn a_change_beyond_the_scatter_is_told_with_its_direction() {
    let slow = with_p99([60.0, 62.0, 58.0, 61.0, 59.0]);
    assert_eq!(change_of(&sample(), &slow, OPEN, "p99"), Change::Worse);
    assert_eq!(change_of(&slow, &sample(), OPEN, "p99"), Change::Better);
    assert_eq!(compare("base", &sample(), &slow, Vec::new()).regressions, 1);
}

#[test]
fn more_is_better_of_a_rate() {
    let mut fast = sample();
    for load in fast
        .loads
        .iter_mut()
        .filter(|load| load.part == LoadPart::Closed)
    {
        load.rounds.iter_mut().for_each(|round| round.rate *= 2.0);
    }
    assert_eq!(
        change_of(&sample(), &fast, "closed loop GET /orders", "rate"),
        Change::Better
    );
    assert_eq!(
        change_of(&fast, &sample(), "closed loop GET /orders", "rate"),
        Change::Worse
    );
}

#[test]
fn scatter_a_small_change_and_a_single_outlier_are_no_change() {
    let noisy = with_p99([5.0, 90.0, 15.0, 80.0, 21.0]);
    assert_eq!(change_of(&sample(), &noisy, OPEN, "p99"), Change::Same);
    let nearly = with_p99([21.0, 21.5, 22.0, 22.5, 21.2]);
    assert_eq!(change_of(&sample(), &nearly, OPEN, "p99"), Change::Same);
    let outlier = with_p99([20.0, 19.0, 900.0, 20.5, 19.5]);
    assert_eq!(change_of(&sample(), &outlier, OPEN, "p99"), Change::Same);
}

#[test]
fn too_few_rounds_or_samples_prove_nothing() {
    let mut few = with_p99([60.0; 5]);
    few.loads
        .iter_mut()
        .for_each(|load| load.rounds.truncate(2));
    assert_eq!(change_of(&sample(), &few, OPEN, "p99"), Change::Unclear);
    let mut sparse = with_p99([60.0; 5]);
    for load in &mut sparse.loads {
        for round in &mut load.rounds {
            round.latency.as_mut().unwrap().count = 30;
        }
    }
    assert_eq!(change_of(&sample(), &sparse, OPEN, "p99"), Change::Unclear);
    assert_eq!(change_of(&sample(), &sparse, OPEN, "p50"), Change::Same);
}

#[test]
fn runs_of_another_load_or_machine_are_told_apart() {
    assert_eq!(
        differences(&sample(), &sample().conditions),
        Vec::<String>::new()
    );
    let mut other = sample();
    other.conditions.cores = 64;
    other.conditions.rate = 10.0;
    other.ended = RunEnd::Interrupted;
    let found = differences(&other, &sample().conditions);
    assert_eq!(
        found,
        [
            "processor cores: 64 then, 2 now",
            "rate: 10 then, 50 now",
            "the earlier run did not come to its end"
        ]
    );
}
