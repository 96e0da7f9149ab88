//! Tasks that fail: told once nobody takes the exception, taken back when somebody does.

use crate::{
    ChangeKind::{Closed, Opened, Updated},
    observation::{Ending, Event, EventKind, TaskSiteReading},
    report::{IncidentKind, Severity, Status},
    testing::{
        Bench,
        work::{at_line, polls, task_failure, word_on},
    },
};

/// The site after so many failures, of which so many were taken.
fn site(failed: u64, retrieved: u64) -> TaskSiteReading {
    TaskSiteReading {
        spawned: 50,
        failed,
        retrieved,
        ..polls()
    }
}

fn with_failure(at: u64) -> Bench {
    let mut bench = Bench::adapted();
    bench.site(at, 0, site(1, 0));
    bench.happened(at, task_failure(1, at));
    bench
}

#[test]
fn a_task_that_nobody_awaits_is_a_failure_after_the_grace_time_and_stamped_at_its_death() {
    let mut bench = with_failure(1_000);
    bench.tick(5_900);
    assert_eq!(bench.incidents(5_900), []);
    assert_eq!(bench.report(5_900).monitoring.failed_tasks, Some(0));
    bench.tick(6_200);
    let incident = bench.only(6_200);
    assert_eq!(incident.kind, IncidentKind::TaskFailure);
    assert_eq!(incident.severity, Severity::Info);
    assert_eq!(incident.opened_at.to_string(), "2023-11-14T22:13:21Z");
    assert_eq!(
        incident.closed_at, None,
        "a reference is kept, and the task is not restarted"
    );
    insta::assert_snapshot!(
        incident.summary,
        @"task Task-7 of Bot.poll ended with ValueError: bad token, which nobody has handled, at app.py:88 in Bot.poll, on loop main (pid 41, asyncio)"
    );
    let culprit = incident.culprit.unwrap();
    assert_eq!((culprit.line, culprit.function.as_str()), (88, "Bot.poll"));
    assert_eq!(incident.r#loop.unwrap().id, "loop-1");
    assert!(
        incident
            .advice
            .steps
            .last()
            .unwrap()
            .contains("app.py:41 in start_all")
    );
    let report = bench.report(6_200);
    assert_eq!(
        report.status,
        Status::Healthy,
        "one failure is shown and degrades nothing"
    );
    assert_eq!(report.issues.len(), 1);
    assert_eq!(report.monitoring.failed_tasks, Some(1));
}

#[test]
fn an_exception_that_is_taken_in_time_never_happened() {
    let mut bench = with_failure(1_000);
    bench.happened(3_000, word_on(1, EventKind::TaskFailureRetrieved));
    bench.site(3_000, 0, site(1, 1));
    bench.tick(60_000);
    assert_eq!(bench.incidents(60_000), []);
    assert_eq!(bench.changes(), []);
    assert_eq!(bench.report(60_000).monitoring.failed_tasks, Some(0));
}

#[test]
fn an_exception_that_was_taken_is_no_failure_though_the_word_on_it_was_lost() {
    let mut bench = with_failure(1_000);
    bench.site(3_000, 0, site(1, 1));
    bench.tick(60_000);
    assert_eq!(bench.incidents(60_000), []);
}

#[test]
fn of_two_failures_one_is_left_when_the_counters_say_that_one_was_taken() {
    let mut bench = with_failure(1_000);
    bench.happened(1_000, task_failure(2, 1_000));
    bench.site(3_000, 0, site(2, 1));
    bench.tick(7_000);
    assert_eq!(bench.only(7_000).count, 1);
}

#[test]
fn an_exception_that_is_taken_late_closes_its_finding_and_says_so() {
    let mut bench = with_failure(1_000);
    bench.tick(7_000);
    bench.happened(31_000, word_on(1, EventKind::TaskFailureRetrieved));
    assert_eq!(bench.changes(), [Opened, Closed]);
    let incident = bench.only(32_000);
    assert!(incident.closed_at.is_some());
    assert!(
        incident
            .summary
            .contains("bad token, which was handled 30 s later, at app.py:88"),
        "{}",
        incident.summary
    );
}

#[test]
fn a_task_that_was_collected_with_its_exception_is_a_failure_at_once() {
    let mut bench = with_failure(1_000);
    bench.happened(1_200, word_on(1, EventKind::TaskFailureUnretrieved));
    let incident = bench.only(1_200);
    assert!(incident.closed_at.is_some());
    assert_eq!((incident.count, bench.report(1_200).issues.len()), (1, 1));
    bench.tick(20_000);
    assert_eq!(bench.only(20_000).count, 1);
}

#[test]
fn five_failures_on_one_loop_degrade_the_service() {
    let mut bench = Bench::adapted();
    bench.site(900, 0, site(5, 0));
    for number in 1..=5 {
        bench.happened(1_000, task_failure(number, 1_000));
    }
    bench.tick(5_900);
    assert_eq!(bench.report(5_900).status, Status::Healthy);
    bench.tick(6_200);
    let incident = bench.only(6_200);
    assert_eq!((incident.count, incident.severity), (5, Severity::Degraded));
    assert!(
        incident.summary.ends_with("(5 times)"),
        "{}",
        incident.summary
    );
    let report = bench.report(6_200);
    assert_eq!(report.status, Status::Degraded);
    assert_eq!(report.components["tasks"], Status::Degraded);
}

#[test]
fn an_incident_lasts_until_the_last_of_its_failures_is_settled() {
    let mut bench = with_failure(1_000);
    bench.happened(1_100, task_failure(2, 1_100));
    bench.site(1_200, 0, site(2, 0));
    bench.tick(7_000);
    bench.happened(8_000, word_on(1, EventKind::TaskFailureUnretrieved));
    assert_eq!(bench.only(8_000).closed_at, None);
    bench.happened(9_000, word_on(2, EventKind::TaskFailureUnretrieved));
    assert!(bench.only(9_000).closed_at.is_some());
}

#[test]
fn failures_of_other_code_are_other_incidents_and_a_changed_message_is_not() {
    let mut bench = with_failure(1_000);
    bench.site(1_000, 0, site(3, 0));
    let other_words = Event {
        message: "bad token of bot 7".into(),
        ..task_failure(2, 1_000)
    };
    let other_code = Event {
        frames: vec![at_line(120, "Bot.send")],
        ..task_failure(3, 1_000)
    };
    bench.happened(1_000, other_words);
    bench.happened(1_000, other_code);
    bench.tick(6_200);
    let counts: Vec<u64> = bench.incidents(6_200).iter().map(|i| i.count).collect();
    assert_eq!(counts, [2, 1]);
}

#[test]
fn a_storm_of_failures_makes_few_lines() {
    let mut bench = Bench::adapted();
    bench.site(0, 0, site(200, 0));
    for number in 0..200 {
        bench.happened(1_000 + number, task_failure(number, 1_000));
    }
    bench.tick(8_000);
    let changes = bench.changes();
    assert_eq!(
        changes.iter().filter(|change| **change == Opened).count(),
        1
    );
    assert!(changes.iter().filter(|change| **change == Updated).count() <= 2);
    assert_eq!(bench.only(8_000).count, 200);
}

#[test]
fn a_process_that_is_killed_takes_its_waiting_failures_along() {
    let mut bench = with_failure(1_000);
    let process = bench.process;
    bench.gone(1_500, process, Ending::Signaled(9));
    let kinds: Vec<_> = bench.incidents(2_000).iter().map(|i| i.kind).collect();
    assert_eq!(
        kinds,
        [IncidentKind::TaskFailure, IncidentKind::ProcessDied]
    );
}

#[test]
fn a_process_that_ends_in_order_is_given_the_benefit_of_the_doubt() {
    let mut bench = with_failure(1_000);
    let process = bench.process;
    bench.gone(1_500, process, Ending::Exited(0));
    assert_eq!(bench.incidents(2_000), []);
}

#[test]
fn a_callback_that_raises_is_told_at_once() {
    let mut bench = Bench::adapted();
    bench.happened(
        1_000,
        Event {
            name: "on_timer()".into(),
            frames: vec![at_line(12, "on_timer")],
            ..Event {
                kind: EventKind::CallbackFailed,
                slot: None,
                ..task_failure(0, 1_000)
            }
        },
    );
    let incident = bench.only(1_000);
    assert_eq!(incident.kind, IncidentKind::CallbackFailure);
    insta::assert_snapshot!(
        incident.summary,
        @"callback on_timer() raised ValueError: bad token into its loop at app.py:12 in on_timer, on loop main (pid 41, asyncio)"
    );
}
