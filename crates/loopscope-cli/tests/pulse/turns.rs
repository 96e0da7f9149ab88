//! One thread: what counts as its loop, and whether the times are right.

use loopscope_recorder::layout::PollKind;

use crate::bench::{Watched, program, text, watch, watch_unchanged};

const MILLIS: u64 = 1_000_000;
/// The time-out that `turns busy` polls with.
const WAIT_NANOS: u64 = 20 * MILLIS;
/// The threshold that the pulse takes where none is given.
const STALL_NANOS: u64 = 100 * MILLIS;
/// Polls of an epoll set, and of another one, that a thread needs to become a loop.
const EPOLL_POLLS: u64 = 1;
const OTHER_POLLS: u64 = 16;

/// The instants that a program read right before and right after each of its polls.
struct Polls(Vec<(u64, u64)>);

/// The shortest and the longest that something can have taken, seen from outside.
type Bounds = (u64, u64);

impl Polls {
    fn told_by(watched: &Watched) -> Self {
        let told = text(&watched.output.stdout);
        let number = |word: &str| word.parse::<u64>().unwrap();
        let pair = |line: &str| {
            let (before, after) = line.split_once(' ').unwrap();
            (number(before), number(after))
        };
        Self(told.lines().map(pair).collect())
    }

    /// Bounds of each busy period. A poll that waits its time-out out returns no sooner than that after
    /// the program called it, so the pulse's own look at the clock lies in a known stretch, however
    /// loaded the machine is.
    fn busy(&self) -> Vec<Bounds> {
        let pairs = self.0.windows(2);
        let bounds = pairs.map(|two| {
            let ((before, after), (next_before, next_after)) = (two[0], two[1]);
            let longest = (next_after - WAIT_NANOS) - (before + WAIT_NANOS);
            (next_before - after, longest)
        });
        bounds.collect()
    }
}

fn sum(bounds: &[Bounds]) -> Bounds {
    let (shortest, longest): (Vec<u64>, Vec<u64>) = bounds.iter().copied().unzip();
    (shortest.iter().sum(), longest.iter().sum())
}

fn assert_within(found: u64, (shortest, longest): Bounds, what: &str) {
    let is_within = (shortest..=longest).contains(&found);
    assert!(
        is_within,
        "{what}: {found} is not in {shortest}..={longest}"
    );
}

#[test]
fn busy_times_are_those_that_the_program_measures_itself() {
    let Some(watched) = watch("turns", &["busy"]) else {
        return;
    };
    let busy = Polls::told_by(&watched).busy();
    let state = watched.only().only_loop();
    assert_eq!(state.iterations, busy.len() as u64);
    assert_within(state.busy_nanos, sum(&busy), "all busy time");
    let shortest = busy.iter().map(|bounds| bounds.0).max().unwrap();
    let longest = busy.iter().map(|bounds| bounds.1).max().unwrap();
    assert_within(state.longest_busy_nanos, (shortest, longest), "the longest");
    assert!(state.idle_nanos >= 13 * WAIT_NANOS);
    let lifetime = state.last_beat_nanos - state.created_nanos;
    assert!(state.busy_nanos + state.idle_nanos <= lifetime);
    assert_eq!(state.histogram.iter().sum::<u64>(), state.iterations);
}

#[test]
fn a_busy_period_over_the_threshold_is_in_the_ring_with_its_own_times() {
    let Some(watched) = watch("turns", &["busy"]) else {
        return;
    };
    let polls = Polls::told_by(&watched);
    let recorded = watched.only();
    let state = recorded.only_loop();
    for turn in [4, 8] {
        let (after, next) = (polls.0[turn].1, polls.0[turn + 1].0);
        let covers = |stall: &&_| covers(stall, after, next);
        let stall = recorded.stalls.iter().find(covers).expect("the stall");
        assert_eq!(stall.thread_id, state.thread_id);
        assert_within(
            stall.ended_nanos - stall.started_nanos,
            polls.busy()[turn],
            "the stall",
        );
        assert_eq!(stall.iteration, turn as u64 + 1);
    }
    assert_eq!(state.stalls, recorded.stalls.len() as u64);
    let may_be_stalls = polls.busy().iter().filter(|of| of.1 >= STALL_NANOS).count();
    assert!(recorded.stalls.len() <= may_be_stalls);
}

/// Whether a stall holds everything between two instants.
fn covers(stall: &loopscope_recorder::reader::StallEvent, from: u64, until: u64) -> bool {
    stall.started_nanos <= from && stall.ended_nanos >= until
}

/// Forty polls of one set, by one call: the thread is a loop from the n-th on.
fn assert_variant(call: &str, kind: PollKind, polls_to_begin: u64) {
    for timeout_millis in ["0", "1"] {
        let words = ["variant", call, timeout_millis];
        let Some(watched) = watch_unchanged("turns", &words) else {
            return;
        };
        let state = watched.only().only_loop();
        assert_eq!(state.kind, Some(kind), "{words:?}");
        assert_eq!(state.iterations, 40 - polls_to_begin, "{words:?}");
        let waited = (40 - polls_to_begin) * MILLIS;
        match timeout_millis {
            "0" => assert_eq!(state.idle_nanos, 0, "{words:?}"),
            _ => assert!(state.idle_nanos >= waited, "{words:?}"),
        }
    }
}

#[test]
fn each_epoll_call_is_seen_and_unchanged() {
    for call in ["epoll_wait", "epoll_pwait", "epoll_pwait2"] {
        assert_variant(call, PollKind::Epoll, EPOLL_POLLS);
    }
}

#[test]
fn each_poll_call_is_seen_and_unchanged() {
    for call in ["poll", "ppoll", "__poll_chk", "__ppoll_chk"] {
        assert_variant(call, PollKind::Poll, OTHER_POLLS);
    }
}

#[test]
fn each_select_call_is_seen_and_unchanged() {
    for call in ["select", "pselect"] {
        assert_variant(call, PollKind::Select, OTHER_POLLS);
    }
}

#[test]
fn a_loop_that_an_agent_spoke_of_is_one_from_its_first_poll_on_whoever_its_clients_are() {
    for (call, kind) in [("poll", PollKind::Poll), ("select", PollKind::Select)] {
        let Some(watched) = watch_unchanged("turns", &["expected", call]) else {
            return;
        };
        let recorded = watched.only();
        let state = recorded.only_loop();
        assert_eq!(state.kind, Some(kind));
        assert_eq!((state.generation, state.iterations), (0, 39), "{call}");
        assert!(state.idle_nanos >= 39 * MILLIS, "{call}");
    }
}

#[test]
fn a_handler_that_waits_patiently_does_not_take_the_place_of_a_loop_that_was_spoken_of() {
    let Some(watched) = watch_unchanged("turns", &["expected patient"]) else {
        return;
    };
    let recorded = watched.only();
    let state = recorded.only_loop();
    assert_eq!((state.generation, state.iterations), (0, 11));
    assert_eq!(recorded.stalls.len(), 1, "{:?}", recorded.stalls);
    assert!(state.longest_busy_nanos >= 100 * 2 * MILLIS);
}

#[test]
fn an_endless_wait_that_is_ready_at_once_is_a_turn() {
    let Some(watched) = watch_unchanged("turns", &["endless"]) else {
        return;
    };
    assert_eq!(watched.only().only_loop().iterations, 40 - EPOLL_POLLS);
}

#[test]
fn what_is_no_loop_leaves_no_recording() {
    for what in ["client", "sleeper"] {
        let Some(watched) = watch_unchanged("turns", &[what]) else {
            return;
        };
        assert!(watched.recordings.is_empty(), "{what}");
    }
}

#[test]
fn a_set_that_is_made_for_one_wait_ends_with_it() {
    let Some(watched) = watch_unchanged("turns", &["driver"]) else {
        return;
    };
    let recorded = watched.only();
    let state = recorded.only_loop();
    assert_eq!(
        (state.is_live, state.iterations, state.stalls),
        (false, 0, 0)
    );
    assert!(recorded.stalls.is_empty());
}

#[test]
fn polling_another_set_in_a_handler_is_work_of_the_loop() {
    let Some(watched) = watch_unchanged("turns", &["nested"]) else {
        return;
    };
    let recorded = watched.only();
    let state = recorded.only_loop();
    assert_eq!((state.generation, state.iterations), (0, 12 - EPOLL_POLLS));
    assert_eq!(recorded.stalls.len(), 1, "{:?}", recorded.stalls);
    assert!(state.longest_busy_nanos >= 10 * (13 + 1) * MILLIS);
}

#[test]
fn a_driver_that_makes_a_set_for_each_wait_does_not_take_the_loops_place() {
    let Some(watched) = watch_unchanged("turns", &["nested driver"]) else {
        return;
    };
    let recorded = watched.only();
    let state = recorded.only_loop();
    assert_eq!((state.generation, state.iterations), (0, 12 - EPOLL_POLLS));
    assert!(state.longest_busy_nanos >= 130 * MILLIS);
}

#[test]
fn a_handler_that_waits_in_many_small_steps_is_one_long_stall() {
    let Some(watched) = watch_unchanged("turns", &["patient"]) else {
        return;
    };
    let recorded = watched.only();
    let state = recorded.only_loop();
    assert_eq!((state.generation, state.iterations), (0, 12 - EPOLL_POLLS));
    assert_eq!(recorded.stalls.len(), 1, "{:?}", recorded.stalls);
    assert!(state.longest_busy_nanos >= 100 * 2 * MILLIS);
}

#[test]
fn a_handler_that_waits_for_a_talkative_child_is_one_long_stall() {
    let Some(watched) = watch_unchanged("turns", &["talkative child"]) else {
        return;
    };
    let state = watched.only().only_loop();
    assert_eq!(state.kind, Some(PollKind::Epoll));
    assert_eq!((state.generation, state.iterations), (0, 12 - EPOLL_POLLS));
    assert!(state.longest_busy_nanos >= 60 * (2 + 1) * MILLIS);
}

#[test]
fn a_second_loop_takes_the_place_of_one_that_polls_no_more() {
    let Some(watched) = watch_unchanged("turns", &["takeover"]) else {
        return;
    };
    let state = watched.only().only_loop();
    let second = text(&watched.output.stdout).trim().parse().unwrap();
    assert_eq!((state.generation, state.poll_key), (1, second));
    assert_eq!(state.iterations, 40 - OTHER_POLLS);
}

#[test]
fn a_set_with_the_number_of_a_closed_one_is_a_new_loop_and_the_time_between_is_not_busy() {
    for how in ["close", "bare"] {
        let Some(watched) = watch_unchanged("turns", &["renewed", how]) else {
            return;
        };
        let told = text(&watched.output.stdout);
        assert_eq!(told.trim(), "1", "the same descriptor number");
        let recorded = watched.only();
        let state = recorded.only_loop();
        assert_eq!((state.generation, state.iterations), (1, 6 - EPOLL_POLLS));
        assert!(state.busy_nanos < 150 * MILLIS && recorded.stalls.is_empty());
    }
}

#[test]
fn calls_that_fail_fail_alike() {
    let Some(watched) = watch_unchanged("turns", &["refused"]) else {
        return;
    };
    assert_eq!(watched.output.status.code(), Some(3));
}

#[test]
fn a_poller_that_was_loaded_later_is_seen() {
    let Some(plugin) = program("plugin") else {
        return;
    };
    let Some(watched) = watch_unchanged("loader", &[plugin.to_str().unwrap()]) else {
        return;
    };
    assert_eq!(watched.only().only_loop().iterations, 20 - EPOLL_POLLS);
}

#[test]
fn what_the_environment_said_at_the_start_holds_after_the_program_wiped_it() {
    let Some(watched) = watch_unchanged("turns", &["forgetful"]) else {
        return;
    };
    assert_eq!(watched.only().only_loop().iterations, 20 - EPOLL_POLLS);
}
