//! Services that are seen from outside alone, and what is said of what cannot be seen.

use loopscope_load::results::{LoadPart, Verdict};

use crate::command::{measure, measure_with, run, verdicts};
use crate::server::{refusing_address, service, watched_service};

use Verdict::{Failed, NotMeasured, Passed};

#[test]
fn a_service_without_loopscope_is_measured_from_outside_and_the_rest_is_said_to_be_missing() {
    let served = service();
    let (ran, results) = measure(&[&served.url(), "--endpoint", "GET", "/ok"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        verdicts(&results),
        [Passed, NotMeasured, NotMeasured, NotMeasured]
    );
    assert!(!results.target.inside && results.rounds.is_empty());
    for said in [
        "PASSED",
        "stalls and lag were not seen",
        "start it with `loopscope run -- COMMAND`",
    ] {
        assert!(ran.stdout.contains(said), "{said}: {}", ran.stdout);
    }
    let parts: Vec<_> = results
        .loads
        .iter()
        .map(|load| (load.part, load.name.as_str()))
        .collect();
    assert_eq!(
        parts,
        [(LoadPart::Closed, "GET /ok"), (LoadPart::Open, "GET /ok")]
    );
    assert_eq!(
        results.loads[1].sum(|round| round.sent),
        15,
        "50 a second for 300 ms"
    );
}

#[test]
fn a_watched_service_has_its_inside_beside_each_second() {
    let served = watched_service();
    let url = served.url();
    let words = [
        &url,
        "--endpoint",
        "GET",
        "/ok",
        "--rounds",
        "1",
        "--duration",
        "1200ms",
    ];
    let (ran, results) = measure_with(&words);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(results.target.inside);
    assert_eq!(results.target.service.as_deref(), Some("shop"));
    assert_eq!(results.conditions.endpoints, ["GET /health", "GET /ok"]);
    assert_eq!(results.rounds.len(), 1);
    assert_eq!(results.rounds[0].after.tasks, Some(2));
    let inside = results.timeline.iter().filter_map(|moment| moment.inside);
    assert!(inside.clone().count() >= 4, "{:?}", results.timeline);
    assert!(
        inside
            .clone()
            .all(|inside| inside.reading.memory_mb == Some(80.0))
    );
    // One round is too few for a trend.
    assert_eq!(
        verdicts(&results),
        [Passed, NotMeasured, NotMeasured, Passed]
    );
}

#[test]
fn errors_of_the_service_fail() {
    let served = service();
    let (ran, results) = measure(&[&served.url(), "--endpoint", "GET", "/broken"]);
    assert_eq!((ran.code, results.verdict), (1, Failed), "{ran:?}");
    assert!(ran.stdout.contains(" × 500)"), "{}", ran.stdout);
    let statuses: Vec<_> = results.loads[0].statuses.keys().collect();
    assert_eq!(statuses, [&500]);
}

#[test]
fn a_redirect_is_told_and_not_followed() {
    let served = service();
    let (ran, results) = measure(&[&served.url(), "--endpoint", "GET", "/moved"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout.contains("every answer is a redirect, to /ok"),
        "{}",
        ran.stdout
    );
    assert_eq!(results.loads[0].locations, ["/ok"]);
}

#[test]
fn a_call_is_measured_beside_a_probe() {
    let served = service();
    let words = [
        &served.url(),
        "--endpoint",
        "GET",
        "/ok",
        "--call",
        "GET",
        "/ok?slow=1",
        "--callers",
        "1",
    ];
    let (ran, results) = measure(&words.map(|word| word as &str));
    assert_eq!(
        results.conditions.probe.as_deref(),
        Some("GET /ok"),
        "{ran:?}"
    );
    let calls: Vec<_> = results.loads.iter().skip(2).map(|load| load.part).collect();
    assert_eq!(
        calls,
        [
            LoadPart::ProbeAlone,
            LoadPart::ProbeBeside,
            LoadPart::Callers
        ]
    );
}

#[test]
fn limits_decide_on_the_exit_code() {
    let served = service();
    let url = served.url();
    let (ran, results) = measure(&[
        &url,
        "--endpoint",
        "GET",
        "/ok",
        "--threshold",
        "p99<5s",
        "--threshold",
        "errors<1%",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(results.thresholds.len(), 2);
    let ran = run(&[&url, "--endpoint", "GET", "/ok", "--threshold", "p50 < 1us"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout.contains("failed  p50<1us: p50 "),
        "{}",
        ran.stdout
    );
    let ran = run(&[&url, "--endpoint", "GET", "/ok", "--threshold", "stalls<1"]);
    assert_eq!(ran.code, 1, "what is not seen does not pass: {ran:?}");
    assert!(
        ran.stdout.contains("stalls<1: stalls: not measured"),
        "{}",
        ran.stdout
    );
}

#[test]
fn progress_is_a_quiet_line_on_stderr_in_a_pipe() {
    let served = service();
    let ran = run(&[&served.url(), "--endpoint", "GET", "/ok"]);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{ran:?}");
    assert!(lines[0].starts_with("loopscope: round 1 of 1: "), "{ran:?}");
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'));
}

#[test]
fn where_nobody_listens_is_unreachable() {
    let url = format!("http://{}", refusing_address());
    for words in [&[url.as_str()][..], &[&url, "--endpoint", "GET", "/ok"]] {
        let ran = run(words);
        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{ran:?}");
        let lines: Vec<&str> = ran.stderr.lines().collect();
        assert!(lines[0].starts_with("loopscope: "), "{ran:?}");
        assert!(lines[1].starts_with("loopscope: hint: "), "{ran:?}");
    }
    let ran = run(&["http://loopscope.invalid", "--endpoint", "GET", "/ok"]);
    assert_eq!(ran.code, 3, "{ran:?}");
}

#[test]
fn a_command_line_that_makes_no_sense_is_told_from_a_failure() {
    let served = service();
    let url = served.url();
    for words in [
        &["ftp://shop"][..],
        &["http://me:password@shop"],
        &["--base", "ftp://shop"],
        &["--threshold", "p99<50"],
        &["--threshold", "p42<50ms"],
        &["--endpoint", "GET"],
        &["--endpoint", "GET", "no-path"],
        &["--endpoint", "GET", "/ok", "--header", "no header"],
        &["--body", "x"],
        &["--fail-on-regression"],
        &["--save-baseline", "../x"],
        &["--baseline", "no-such-baseline"],
        &["--rate", "-1", "--endpoint", "GET", "/ok"],
        &["--no-such-flag"],
        // There is no health endpoint, and nothing else was named.
        &[],
    ] {
        let words = if words.first().is_some_and(|word| word.contains("://")) {
            words.to_vec()
        } else {
            [&[url.as_str()], words].concat()
        };
        let ran = run(&words);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (64, ""),
            "{words:?}: {ran:?}"
        );
        let said = ["error: ", "loopscope: "];
        assert!(
            said.iter().any(|word| ran.stderr.starts_with(word)),
            "{ran:?}"
        );
    }
}
