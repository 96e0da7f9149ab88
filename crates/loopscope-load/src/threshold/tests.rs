use super::*;
use crate::results::sample;

fn held(threshold: &str) -> (Verdict, String) {
    let held = threshold.parse::<Threshold>().unwrap().hold(&sample());
    (held.verdict, held.reason)
}

#[test]
fn a_limit_is_held_against_the_worst_of_the_endpoints_in_open_loop() {
    let passed = (
        Verdict::Passed,
        "p99 20.0 ms (open loop GET /orders)".to_owned(),
    );
    assert_eq!(held("p99<50ms"), passed);
    assert_eq!(held("p99 < 0.05s"), passed);
    assert_eq!(held("p99<=20ms").0, Verdict::Passed);
    assert_eq!(held("p99<20ms").0, Verdict::Failed);
    assert_eq!(held("p50<2500us").0, Verdict::Passed);
}

#[test]
fn every_figure_can_be_limited() {
    for threshold in [
        "p90<1s",
        "p95<1s",
        "p99.9<1s",
        "p999<1s",
        "max<1s",
        "mean<1s",
        "rate>900",
        "rate>=1000/s",
        "errors<1%",
        "dropped<1",
        "late<1",
        "lag<100ms",
        "stalls<1",
        "failed_tasks<1",
        "left_tasks<1",
        "memory_growth<5MB",
    ] {
        assert_eq!(
            held(threshold).0,
            Verdict::Passed,
            "{threshold}: {:?}",
            held(threshold)
        );
    }
    for threshold in ["max<1ms", "rate>2000", "lag<1ms", "errors<0%"] {
        assert_eq!(held(threshold).0, Verdict::Failed, "{threshold}");
    }
}

#[test]
fn what_was_not_measured_does_not_hold() {
    let mut results = sample();
    results.rounds.clear();
    for threshold in ["lag<1s", "stalls<1", "failed_tasks<1", "memory_growth<1GiB"] {
        let held = threshold.parse::<Threshold>().unwrap().hold(&results);
        assert_eq!(
            (held.verdict, held.value),
            (Verdict::Failed, None),
            "{threshold}"
        );
        assert!(held.reason.ends_with(": not measured"), "{}", held.reason);
    }
}

#[test]
fn what_is_no_limit_is_refused() {
    for text in [
        "",
        "p99",
        "p99<",
        "p99<50",
        "p99<-1ms",
        "p99<nanms",
        "p42<1ms",
        "errors<5",
        "stalls<1%",
        "p99=50ms",
        "lag<100",
        "memory_growth<5",
    ] {
        assert!(text.parse::<Threshold>().is_err(), "{text}");
    }
}
