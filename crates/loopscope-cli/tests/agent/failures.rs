//! Failed tasks are told when they die, and again when it is known what became of their exceptions.

use loopscope_recorder::layout::FactKind;

use crate::harness::{Program, Recorded, Watched, pythons, text};

fn run(how: &str) -> Vec<Watched> {
    let pythons = pythons();
    let watched = pythons
        .iter()
        .map(|python| Program::new(python, "failures.py", &[how]).unchanged());
    watched.collect()
}

/// Failed, and of these retrieved and lost.
fn outcome(recorded: &Recorded) -> [u64; 3] {
    let site = recorded.site("fails");
    [site.failed, site.retrieved, site.unretrieved]
}

#[test]
fn a_failure_is_told_when_it_happens_though_somebody_keeps_the_task() {
    for watched in run("killed") {
        assert_eq!(watched.recordings.len(), 1);
        let recorded = &watched.recordings[0];
        assert_eq!(outcome(recorded), [1, 0, 0]);
        let facts = recorded.facts_of(FactKind::TaskFailed);
        assert_eq!(facts.len(), 1);
        let fact = facts[0];
        assert_eq!(
            (fact.error_type.as_str(), fact.message.as_str()),
            ("ValueError", "kept")
        );
        assert_eq!(fact.subject, Some(recorded.site("fails").slot));
        assert!(fact.name.starts_with("Task-"), "{}", fact.name);
        assert_eq!(fact.frames[0].function, "fails");
        assert!(fact.frames[0].file.ends_with("failures.py"));
    }
}

#[test]
fn an_exception_that_is_awaited_and_handled_is_no_loss() {
    for watched in run("handled") {
        let recorded = watched.only();
        assert_eq!(outcome(recorded), [1, 1, 0]);
        assert!(
            recorded
                .facts_of(FactKind::TaskFailureUnretrieved)
                .is_empty()
        );
    }
}

#[test]
fn an_exception_that_is_taken_later_is_no_loss_and_that_is_told() {
    for watched in run("later") {
        let recorded = watched.only();
        assert_eq!(outcome(recorded), [1, 1, 0]);
        let failed = recorded.facts_of(FactKind::TaskFailed);
        let retrieved = recorded.facts_of(FactKind::TaskFailureRetrieved);
        assert_eq!((failed.len(), retrieved.len()), (1, 1));
        assert_eq!(failed[0].identity, retrieved[0].identity);
    }
}

#[test]
fn an_exception_that_nobody_takes_is_lost_when_its_task_goes_away() {
    for watched in run("lost") {
        assert_eq!(
            text(&watched.output.stdout),
            "Task exception was never retrieved\n"
        );
        let recorded = watched.only();
        assert_eq!(outcome(recorded), [1, 0, 1]);
        let lost = recorded.facts_of(FactKind::TaskFailureUnretrieved);
        assert_eq!(lost.len(), 1);
        assert_eq!(
            lost[0].identity,
            recorded.facts_of(FactKind::TaskFailed)[0].identity
        );
    }
}

#[test]
fn an_exception_that_is_handled_is_not_asked_for_its_text() {
    for watched in run("speaking") {
        assert_eq!(text(&watched.output.stdout), "handled\n");
        let recorded = watched.only();
        let told = &recorded.facts_of(FactKind::TaskFailed)[0];
        assert!(told.error_type.ends_with("Speaking"), "{}", told.error_type);
        assert_eq!(told.message, "");
    }
}

#[test]
fn the_same_failure_over_and_over_is_counted_and_told_a_few_times() {
    for watched in run("many") {
        let recorded = watched.only();
        assert_eq!(outcome(recorded), [100, 100, 0]);
        assert_eq!(recorded.facts_of(FactKind::TaskFailed).len(), 8);
    }
}

#[test]
fn an_exception_in_a_callback_is_told_with_the_callbacks_name() {
    for watched in run("callback") {
        assert_eq!(text(&watched.output.stdout), "Exception in callback\n");
        let told = watched.only().facts_of(FactKind::CallbackFailed);
        assert_eq!(told.len(), 1);
        assert_eq!(
            (told[0].name.as_str(), told[0].message.as_str()),
            ("callback", "in a callback")
        );
        assert_eq!(told[0].frames[0].function, "callback");
    }
}
