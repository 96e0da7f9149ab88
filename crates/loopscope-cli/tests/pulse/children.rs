//! Processes that come from a process with a loop: none of them may touch its recording.

use crate::bench::{Watched, text, watch_unchanged};

/// The program says by itself that its recording was, to the byte, what it was before the child ran.
fn watch_children(what: &str) -> Option<Watched> {
    let watched = watch_unchanged("children", &[what])?;
    assert!(text(&watched.output.stdout).contains("untouched 1\n"));
    Some(watched)
}

fn assert_child_has_its_own(watched: &Watched) {
    let [parent, child] = &watched.recordings[..] else {
        panic!("{} recordings", watched.recordings.len());
    };
    assert_ne!(parent.description.process, child.description.process);
    assert_eq!(parent.only_loop().generation, 0);
    assert_eq!(parent.counters.exit_status, Some(3));
    // The inherited set first; the child's own one is the next to be a loop, and polls too seldom.
    assert_eq!(child.only_loop().iterations, 8 - 1);
    assert!(!child.only_loop().is_live, "the child closed the set");
    assert_eq!(child.counters.exit_status, Some(7));
}

#[test]
fn a_forked_child_gets_a_recording_of_its_own() {
    if let Some(watched) = watch_children("fork") {
        assert_child_has_its_own(&watched);
    }
}

#[test]
fn a_child_by_a_bare_system_call_gets_a_recording_of_its_own() {
    for how in ["clone", "_Fork"] {
        if let Some(watched) = watch_children(how) {
            assert_child_has_its_own(&watched);
        }
    }
}

#[test]
fn a_bare_child_of_a_process_with_threads_runs_unobserved() {
    if let Some(watched) = watch_children("clone among threads") {
        assert_eq!(watched.only().counters.exit_status, Some(3));
    }
}

#[test]
fn a_child_that_a_signal_handler_forks_during_the_poll_does_not_write() {
    if let Some(watched) = watch_children("fork in handler") {
        assert_eq!(watched.only().counters.exit_status, Some(3));
    }
}

#[test]
fn a_child_that_borrows_the_memory_ends_neither_the_loop_nor_the_recording() {
    let Some(watched) = watch_children("vfork") else {
        return;
    };
    let recorded = watched.only();
    let state = recorded.only_loop();
    assert!(state.is_live && recorded.counters.ended_nanos.is_none());
    assert_eq!(state.iterations, 6 + 4 - 1);
}

#[test]
fn a_spawned_program_is_a_process_of_its_own() {
    let Some(watched) = watch_children("spawn") else {
        return;
    };
    assert_two_programs(&watched);
}

#[test]
fn a_forked_child_that_runs_another_program_is_seen_as_that() {
    if let Some(watched) = watch_unchanged("children", &["fork and exec"]) {
        assert_two_programs(&watched);
    }
}

fn assert_two_programs(watched: &Watched) {
    let [parent, child] = &watched.recordings[..] else {
        panic!("{} recordings", watched.recordings.len());
    };
    assert_ne!(parent.description.process, child.description.process);
    let statuses = [parent, child].map(|of| of.counters.exit_status);
    assert_eq!(statuses, [Some(3), Some(3)]);
}

#[test]
fn a_process_that_becomes_another_program_begins_its_next_image() {
    let Some(watched) = watch_unchanged("children", &["exec"]) else {
        return;
    };
    let [first, second] = &watched.recordings[..] else {
        panic!("{} recordings", watched.recordings.len());
    };
    assert_eq!(first.description.process, second.description.process);
    assert_eq!((first.description.image, second.description.image), (0, 1));
    assert_eq!(first.counters.ended_nanos, None);
    assert_eq!(second.counters.exit_status, Some(3));
}
