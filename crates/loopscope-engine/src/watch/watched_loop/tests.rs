//! When a thread that polls is called a loop, and what is told of it before and after.

use super::*;
use crate::watch::testing::{Bench, busy, idle, stall};

fn ms(at: &Nanos) -> u64 {
    at.0 / 1_000_000
}

/// What was told, in words.
fn told(facts: &[Fact]) -> Vec<String> {
    let word = |fact: &Fact| match fact {
        Fact::LoopSeen { info, .. } => Some(format!("{:?} seen", info.runtime)),
        Fact::Sampled { busy_since, .. } => Some(format!("looked at {}", ms(busy_since))),
        Fact::BusyEnded { started, ended, .. } => {
            Some(format!("busy {} to {}", ms(started), ms(ended)))
        }
        Fact::BusyBefore {
            started,
            ended,
            looks,
            ..
        } => {
            let looks: Vec<u64> = looks.iter().map(|(at, _)| ms(at)).collect();
            Some(format!(
                "was busy {} to {}, looked at {looks:?}",
                ms(started),
                ms(ended)
            ))
        }
        _ => None,
    };
    facts.iter().filter_map(word).collect()
}

/// A loop in its first turns.
fn young(state: LoopState, iterations: u64) -> LoopState {
    LoopState {
        iterations,
        ..state
    }
}

#[test]
fn the_main_loop_of_node_is_one_from_its_first_wait_on() {
    let mut bench = Bench::new(ProcessRuntime::Node);
    let facts = bench.read(100, &[young(idle(0, 0), 0)], &[]);
    assert_eq!(told(&facts), ["Node seen"]);
    let facts = bench.read(300, &[young(busy(0, 0, 150), 0)], &[]);
    assert_eq!(told(&facts), ["looked at 150"]);
}

#[test]
fn a_node_program_that_has_not_waited_yet_is_still_starting() {
    let mut bench = Bench::new(ProcessRuntime::Node);
    let facts = bench.read(300, &[young(busy(0, 0, 10), 2)], &[]);
    assert_eq!(told(&facts), [""; 0]);
}

#[test]
fn another_thread_of_node_has_to_come_back_a_few_times() {
    let mut bench = Bench::new(ProcessRuntime::Node);
    let mut state = young(idle(0, 0), 2);
    state.thread_id += 1;
    assert_eq!(told(&bench.read(100, &[state.clone()], &[])), [""; 0]);
    state.iterations = 3;
    assert_eq!(told(&bench.read(200, &[state], &[])), ["Node seen"]);
}

#[test]
fn a_native_program_that_polls_once_or_twice_and_works_on_raises_nothing() {
    let mut bench = Bench::new(ProcessRuntime::Native);
    bench.read(100, &[young(idle(0, 0), 0)], &[]);
    let mut told_of = Vec::new();
    for now in (200..9_000).step_by(100) {
        let state = young(busy(0, 0, 150), 1);
        told_of.extend(told(&bench.read(now, &[state], &[])));
    }
    assert_eq!(told_of, [""; 0]);
}

#[test]
fn a_native_loop_tells_what_it_did_in_its_first_turns_once_it_is_one() {
    let mut bench = Bench::new(ProcessRuntime::Native);
    bench.read(100, &[young(idle(0, 0), 0)], &[]);
    bench.read(300, &[young(busy(0, 0, 150), 0)], &[]);
    bench.read(310, &[young(busy(0, 0, 150), 0)], &[]);
    let ring = [stall(0, 0, 150, 320)];
    assert_eq!(
        told(&bench.read(330, &[young(idle(0, 0), 1)], &ring)),
        [""; 0]
    );
    let facts = bench.read(400, &[young(idle(0, 0), 3)], &[]);
    assert_eq!(
        told(&facts),
        ["Epoll seen", "was busy 150 to 320, looked at [300, 310]"]
    );
    let facts = bench.read(500, &[young(idle(0, 0), 4)], &[]);
    assert_eq!(told(&facts), [""; 0]);
}

#[test]
fn a_native_loop_is_not_blamed_for_a_time_in_which_nobody_looked_at_it() {
    let mut bench = Bench::new(ProcessRuntime::Native);
    bench.read(100, &[young(idle(0, 0), 0)], &[]);
    let ring = [stall(0, 0, 150, 320)];
    let facts = bench.read(330, &[young(idle(0, 0), 3)], &ring);
    assert_eq!(told(&facts), ["Epoll seen"]);
}

const MISSED: &str = "was busy 900 to 1300, looked at []";

#[test]
fn a_stall_that_was_over_before_the_loop_was_found_is_told_where_the_loop_has_one_run() {
    let mut bench = Bench::new(ProcessRuntime::Python);
    bench.run_loop_once();
    let facts = bench.read(2_000, &[idle(0, 0)], &[stall(0, 0, 900, 1_300)]);
    assert_eq!(told(&facts), ["Asyncio seen", MISSED]);
    let facts = bench.read(2_100, &[idle(0, 0)], &[stall(0, 0, 1_500, 1_700)]);
    assert_eq!(told(&facts), ["was busy 1500 to 1700, looked at []"]);
}

#[test]
fn a_stall_that_was_over_before_is_told_once_the_loop_is_seen_in_its_poll() {
    let mut bench = Bench::new(ProcessRuntime::Python);
    bench.run_loop_once();
    let ring = [stall(0, 0, 900, 1_300)];
    let facts = bench.read(2_000, &[busy(0, 0, 1_990)], &ring);
    assert_eq!(told(&facts), ["Asyncio seen"]);
    assert_eq!(told(&bench.read(2_300, &[idle(0, 0)], &[])), [MISSED]);
    assert_eq!(told(&bench.read(9_000, &[idle(0, 0)], &[])), [""; 0]);
}

#[test]
fn what_a_program_may_have_done_between_two_runs_of_its_loop_is_not_told_afterwards() {
    let mut bench = Bench::new(ProcessRuntime::Python);
    bench.run_loop(Some(LoopRuntime::Asyncio));
    let mut told_of = Vec::new();
    for now in (2_000..9_000).step_by(250) {
        let ring = [stall(0, 0, 900, 1_300)];
        told_of.extend(told(&bench.read(now, &[idle(0, 0)], &ring)));
    }
    assert_eq!(told_of, ["Asyncio seen"]);
}

#[test]
fn what_a_program_did_while_it_set_itself_up_is_not_told_afterwards() {
    let mut bench = Bench::new(ProcessRuntime::Python);
    bench.run_loop_once();
    let in_turn = |iteration| StallEvent {
        iteration,
        ..stall(0, 0, 900, 1_300)
    };
    let ring = [in_turn(1), in_turn(TURNS_OF_A_START)];
    let facts = bench.read(2_000, &[idle(0, 0)], &ring);
    assert_eq!(told(&facts), ["Asyncio seen"]);
    let facts = bench.read(2_010, &[idle(0, 0)], &[in_turn(TURNS_OF_A_START + 1)]);
    assert_eq!(told(&facts), [MISSED]);
}

#[test]
fn what_happened_while_the_observer_was_stopped_in_the_middle_of_a_look_was_not_seen() {
    let ring = [stall(0, 0, 900, 1_300)];
    let seen = |begun| {
        let mut bench = Bench::new(ProcessRuntime::Python);
        bench.run_loop(Some(LoopRuntime::Asyncio));
        told(&bench.read_slowly((begun, 1_310), &[idle(0, 0)], &ring))
    };
    assert_eq!(seen(890), ["Asyncio seen"]);
    assert_eq!(seen(1_310), ["Asyncio seen"]);
}

#[test]
fn what_polls_without_a_loop_in_a_python_process_is_never_blamed_for_what_nobody_saw() {
    let mut bench = Bench::new(ProcessRuntime::Python);
    bench.run_loop(None);
    let mut told_of = Vec::new();
    for now in (2_000..9_000).step_by(250) {
        let ring = [stall(0, 0, now - 200, now - 10)];
        told_of.extend(told(&bench.read(now, &[idle(0, 0)], &ring)));
    }
    assert_eq!(told_of, ["Epoll seen"]);
}

#[test]
fn a_set_that_is_selected_may_have_been_another_loops_before() {
    let mut bench = Bench::new(ProcessRuntime::Python);
    bench.run_loop_once();
    let mut state = idle(0, 0);
    state.kind = Some(PollKind::Select);
    let facts = bench.read(2_000, &[state], &[stall(0, 0, 900, 1_300)]);
    assert_eq!(told(&facts), ["Asyncio seen"]);
}

#[test]
fn what_a_set_that_is_selected_did_is_told_only_where_a_look_found_its_loop() {
    let mut bench = Bench::new(ProcessRuntime::Python);
    bench.run_loop(Some(LoopRuntime::Asyncio));
    let select = |state| LoopState {
        kind: Some(PollKind::Select),
        ..state
    };
    assert_eq!(
        told(&bench.read(100, &[select(idle(0, 0))], &[])),
        ["Asyncio seen"]
    );
    let ring = [stall(0, 0, 150, 320)];
    assert_eq!(
        told(&bench.read(330, &[select(idle(0, 0))], &ring)),
        [""; 0]
    );
}
