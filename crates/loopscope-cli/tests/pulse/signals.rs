//! Signals that arrive inside the poll and beside it, and the ways that a process ends.

use crate::bench::{text, watch_unchanged};

#[test]
fn an_interrupted_poll_says_so_as_it_does_without_us() {
    let Some(watched) = watch_unchanged("signals", &["interrupted"]) else {
        return;
    };
    assert_eq!(text(&watched.output.stdout), "-1 1\n".repeat(10));
    assert_eq!(watched.only().only_loop().iterations, 6 + 10 - 1);
}

#[test]
fn a_signal_that_only_the_polls_mask_lets_in_arrives() {
    let Some(watched) = watch_unchanged("signals", &["masked"]) else {
        return;
    };
    assert!(text(&watched.output.stdout).ends_with("-1 1 10\n"));
    assert_eq!(watched.only().only_loop().iterations, 6 + 10 - 1);
}

#[test]
fn a_handler_that_jumps_out_of_the_poll_leaves_a_loop_that_goes_on() {
    let Some(watched) = watch_unchanged("signals", &["jumped"]) else {
        return;
    };
    let recorded = watched.only();
    let state = recorded.only_loop();
    assert!(state.iterations >= 5, "{state:?}");
    assert!(recorded.stalls.is_empty());
}

#[test]
fn loops_that_begin_under_a_profilers_timer_are_recorded() {
    let Some(watched) = watch_unchanged("signals", &["profiled"]) else {
        return;
    };
    assert_eq!(watched.recordings.len(), 200);
    for recorded in &watched.recordings {
        assert_eq!(recorded.only_loop().iterations, 40 - 1);
    }
}

#[test]
fn each_end_in_order_is_told_and_a_kill_is_not() {
    let ends = [
        ("return", Some(3)),
        ("exit", Some(4)),
        ("_exit", Some(5)),
        ("_Exit", Some(6)),
        ("kill", None),
    ];
    for (how, status) in ends {
        let Some(watched) = watch_unchanged("turns", &["ending", how]) else {
            return;
        };
        let counters = watched.only().counters;
        assert_eq!(counters.exit_status, status, "{how}");
        assert_eq!(counters.ended_nanos.is_some(), status.is_some(), "{how}");
    }
}
