//! Thread pools and the collector.

use loopscope_recorder::layout::FactKind;

use crate::harness::{Program, pythons};

#[test]
fn work_of_a_thread_pool_is_followed_from_its_submission_to_its_end() {
    for python in pythons() {
        let watched = Program::new(&python, "executors.py", &[]).unchanged();
        let executors = &watched.only().tables.executors;
        let small = executors
            .iter()
            .find(|one| one.name.as_str() == "small")
            .unwrap();
        assert_eq!((small.max_workers, small.submitted), (2, 7));
        assert_eq!((small.completed, small.failed, small.cancelled), (5, 1, 1));
        assert_eq!((small.busy, small.queued), (0, 0));
        // Three pieces of work waited for as long as the program slept.
        assert!(small.wait_nanos >= 3 * 50_000_000, "{small:?}");
        assert!(
            executors
                .iter()
                .any(|one| one.name.as_str() == "asyncio" && one.completed == 1)
        );
    }
}

#[test]
fn work_that_is_given_up_with_its_pool_waits_no_more() {
    for python in pythons() {
        let watched = Program::new(&python, "executors.py", &[]).unchanged();
        let executors = &watched.only().tables.executors;
        let given_up = executors.iter().find(|one| one.name.as_str() == "given up");
        let given_up = given_up.unwrap();
        assert_eq!((given_up.submitted, given_up.queued), (4, 0));
        assert_eq!((given_up.completed, given_up.cancelled), (1, 3));
    }
}

#[test]
fn a_long_pause_of_the_collector_is_told_with_the_line_that_paused() {
    for python in pythons() {
        let watched = Program::new(&python, "executors.py", &[]).watched();
        let recorded = watched.only();
        let gc = &recorded.tables.gc;
        assert!(
            gc.collections > 0 && gc.longest_pause_nanos >= 10_000_000,
            "{gc:?}"
        );
        let pauses = recorded.facts_of(FactKind::GcPause);
        let of_collect =
            |frame: &loopscope_recorder::reader::FrameState| frame.function == "collect";
        assert!(
            pauses.iter().any(|fact| fact.frames.iter().any(of_collect)),
            "{pauses:?}"
        );
    }
}
