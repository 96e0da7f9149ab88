//! Many threads, each with a loop; threads that end, and that are ended.

use crate::bench::{text, watch_unchanged};

#[test]
fn a_thread_that_ends_ends_its_loop() {
    let Some(watched) = watch_unchanged("threads", &["exit"]) else {
        return;
    };
    let state = watched.only().only_loop();
    assert!(!state.is_live && state.busy_since_nanos.is_none());
    assert_eq!(state.thread_name, "poller");
    assert_ne!(state.thread_id, watched.only().description.process.pid);
}

#[test]
fn of_three_hundred_loops_the_table_holds_what_it_can_and_counts_the_rest() {
    let Some(watched) = watch_unchanged("threads", &["crowd"]) else {
        return;
    };
    let recorded = watched.only();
    let held = recorded.loops.len() as u64;
    assert_eq!((held, recorded.counters.loops_dropped), (256, 300 - 256));
    // The program's first loop of all made the recording, and left its slot to another.
    let (first, rest) = recorded.loops.split_first().unwrap();
    assert_eq!(first.generation, 1);
    assert!(rest.iter().all(|state| state.generation == 0));
}

#[test]
fn ten_thousand_threads_one_after_the_other_share_a_few_slots() {
    let Some(watched) = watch_unchanged("threads", &["short lived"]) else {
        return;
    };
    let recorded = watched.only();
    assert!(recorded.loops.len() <= 16, "sixteen at a time");
    assert_eq!(recorded.counters.loops_dropped, 0);
    let loops: u32 = recorded
        .loops
        .iter()
        .map(|state| state.generation + 1)
        .sum();
    assert_eq!(loops, 1 + 10_000);
}

#[test]
fn a_thread_is_cancelled_out_of_its_poll_as_it_is_without_us() {
    let Some(watched) = watch_unchanged("threads", &["cancelled"]) else {
        return;
    };
    assert_eq!(text(&watched.output.stdout), "cleaned up\ncancelled 1\n");
    assert!(!watched.only().only_loop().is_live);
}

#[test]
fn a_cancellation_that_is_pending_when_a_loop_begins_waits_for_the_programs_own_call() {
    let Some(watched) = watch_unchanged("threads", &["cancelled early"]) else {
        return;
    };
    assert_eq!(text(&watched.output.stdout), "cleaned up\ncancelled 1\n");
    assert_eq!(watched.output.status.code(), Some(3));
}
