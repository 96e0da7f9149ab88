//! Which cause, which line, which shares.

use crate::{
    observation::{
        Fact, Frame, Gil, LoopKey, LoopRuntime, RunState, Sample, TaskInfo, ThreadState,
    },
    report::{Incident, StallCause},
    syscalls::FUTEX,
    testing::{
        APP, Bench, awaiting, coroutine, frame, frame_calling, in_asyncio, millis, running, sample,
        sleeping_in_handler, task,
    },
    time::Nanos,
};

const LIB: &str = "/venv/lib/python3.12/site-packages/lib/mod.py";

/// One stall from 0 ms on, looked at every 20 ms from 50 ms on, with these looks.
fn stalled_with(looks: Vec<Sample>) -> Incident {
    let mut bench = Bench::new();
    let last = 50 + 20 * looks.len() as u64;
    for (index, look) in looks.into_iter().enumerate() {
        bench.look(50 + 20 * index as u64, 0, look);
    }
    bench.ended(last, 0, last.max(100));
    bench.only(last)
}

fn place(incident: &Incident) -> (StallCause, String) {
    let culprit = incident.culprit.as_ref();
    let place = culprit.map_or_else(String::new, |c| format!("{}:{}", c.function, c.line));
    (incident.cause.unwrap(), place)
}

fn at_line(line: u32) -> Frame {
    coroutine(APP, line, "handler")
}

#[test]
fn one_callback_over_all_looks_is_a_blocking_call() {
    let incident = stalled_with(vec![sleeping_in_handler(); 5]);
    assert_eq!(
        place(&incident),
        (StallCause::BlockingCall, "handler:42".into())
    );
    assert_eq!(incident.advice.rule.as_deref(), Some("ASYNC251"));
    assert_eq!(
        incident.summary,
        "loop main (pid 41, asyncio) stalled for 0.15 s at app.py:42 in handler: time.sleep; \
         write await asyncio.sleep(...) instead"
    );
}

#[test]
fn one_look_is_enough_for_a_blocking_call() {
    let mut bench = Bench::new();
    bench.look(120, 0, sleeping_in_handler());
    assert_eq!(bench.only(120).cause, Some(StallCause::BlockingCall));
}

#[test]
fn two_late_looks_at_one_callback_are_no_overload() {
    let mut bench = Bench::new();
    bench.look(300, 0, sleeping_in_handler());
    bench.look(302, 0, sleeping_in_handler());
    assert_eq!(bench.only(310).cause, Some(StallCause::BlockingCall));
}

#[test]
fn changing_callbacks_are_an_overload_and_share_the_time() {
    let looks = (0..10).map(|n| {
        let function = if n % 5 == 0 { "rare" } else { "often" };
        sample(
            &[frame(LIB, 3, "helper"), frame(APP, 10 + n, function)],
            u64::from(n),
        )
    });
    let incident = stalled_with(looks.collect());
    assert_eq!(incident.cause, Some(StallCause::Overload));
    let shares: Vec<(&str, f64)> = incident
        .shares
        .iter()
        .map(|share| (&*share.function, share.share))
        .collect();
    assert_eq!(shares, [("often", 0.8), ("rare", 0.2)]);
    assert_eq!(
        incident.culprit.map(|culprit| culprit.function).as_deref(),
        Some("often")
    );
    assert!(
        incident.summary.contains("often at app.py"),
        "{}",
        incident.summary
    );
}

/// A look at a callback that comes to this call by another line each time, in which the thread is in this state.
fn in_callback(callback: u64, call: &str, run_state: RunState) -> Sample {
    let mut look = sample(
        &[
            frame_calling(APP, 26, "ask_model", &[call]),
            frame(APP, 30 + callback as u32, "answer"),
        ],
        callback,
    );
    look.thread.run_state = run_state;
    look
}

#[test]
fn many_callbacks_that_sleep_at_one_line_are_that_lines_fault() {
    let incident = stalled_with(
        (0..10)
            .map(|n| in_callback(n, "score", RunState::Sleeping))
            .collect(),
    );
    assert_eq!(
        place(&incident),
        (StallCause::BlockingCall, "ask_model:26".into())
    );
}

#[test]
fn a_call_that_is_known_to_wait_may_be_seen_at_work() {
    let state = |n| match n % 2 {
        0 => RunState::Sleeping,
        _ => RunState::Runnable,
    };
    let looks = |call| {
        let look = |n| in_callback(n, call, state(n));
        (0..10).map(look).collect()
    };
    let incident = stalled_with(looks("requests.get"));
    assert_eq!(
        place(&incident),
        (StallCause::BlockingCall, "ask_model:26".into())
    );
    assert!(incident.advice.replacement.is_some());
}

#[test]
fn many_callbacks_that_work_at_one_line_are_an_overload() {
    for call in ["json.dumps", "score"] {
        let look = |n| in_callback(n, call, RunState::Runnable);
        let incident = stalled_with((0..10).map(look).collect());
        assert_eq!(incident.cause, Some(StallCause::Overload), "{call}");
    }
}

#[test]
fn many_callbacks_of_which_few_sleep_are_an_overload() {
    let state = |n| match n {
        0..=3 => RunState::Sleeping,
        _ => RunState::Runnable,
    };
    let incident = stalled_with((0..10).map(|n| in_callback(n, "score", state(n))).collect());
    assert_eq!(incident.cause, Some(StallCause::Overload));
}

#[test]
fn the_share_of_an_overloaded_loop_goes_to_the_callback_not_to_its_helpers() {
    let looks = (0..6).map(|n| {
        let helper = format!("helper_{n}");
        sample(&[frame(APP, 70, &helper), frame(APP, 20, "callback")], n)
    });
    let incident = stalled_with(looks.collect());
    assert_eq!(
        place(&incident),
        (StallCause::Overload, "callback:20".into())
    );
    assert_eq!(incident.shares.len(), 1);
}

#[test]
fn the_loop_itself_has_no_share_of_an_overloaded_turn() {
    let looks = (0..8).map(|n| match n % 2 {
        0 => sample(&[], n),
        _ => sample(&[frame(APP, 20, "callback")], n),
    });
    let incident = stalled_with(looks.collect());
    assert_eq!(
        place(&incident),
        (StallCause::Overload, "callback:20".into())
    );
    assert_eq!((incident.shares.len(), incident.shares[0].share), (1, 1.0));
}

#[test]
fn a_callback_that_is_on_for_half_of_the_time_is_to_blame() {
    let looks = |same: u64| -> Vec<Sample> {
        let own = sample(&[frame(APP, 1, "long")], 99);
        let others = (0..10 - same).map(|n| sample(&[frame(APP, 2, "short")], n));
        others.chain((0..same).map(|_| own.clone())).collect()
    };
    // Looks from 50 to 230 ms: a run of n covers 20 (n - 1) ms of 230.
    assert_eq!(place(&stalled_with(looks(7))).0, StallCause::BlockingCall);
    assert_eq!(place(&stalled_with(looks(7))).1, "long:1");
    assert_eq!(place(&stalled_with(looks(6))).0, StallCause::Overload);
}

#[test]
fn looks_between_two_callbacks_do_not_cost_the_others_their_identity() {
    let mut looks: Vec<Sample> = (0..8)
        .map(|n| sample(&[frame(APP, 1, "tick")], n))
        .collect();
    looks[3] = Sample {
        callback: None,
        ..sample(&[], 0)
    };
    assert_eq!(stalled_with(looks).cause, Some(StallCause::Overload));
}

#[test]
fn tasks_tell_callbacks_apart_where_callbacks_have_no_identity() {
    let of_task = |address| Sample {
        callback: None,
        task: Some(task("Task-1", address)),
        ..sample(&[at_line(5)], 0)
    };
    let changing = (0..8).map(of_task).collect();
    assert_eq!(stalled_with(changing).cause, Some(StallCause::Overload));
    let same = (0..8).map(|_| of_task(1)).collect();
    assert_eq!(stalled_with(same).cause, Some(StallCause::BlockingCall));
}

#[test]
fn outermost_frames_tell_callbacks_apart_where_nothing_else_does() {
    let of_function = |function: &str| Sample {
        callback: None,
        ..sample(&[frame(LIB, 3, "helper"), frame(APP, 5, function)], 0)
    };
    let names = ["a", "b", "c", "d", "e", "f"];
    let changing = names.iter().map(|name| of_function(name)).collect();
    assert_eq!(stalled_with(changing).cause, Some(StallCause::Overload));
    let same = names.iter().map(|_| of_function("a")).collect();
    assert_eq!(stalled_with(same).cause, Some(StallCause::BlockingCall));
}

#[test]
fn the_culprit_is_the_deepest_own_frame_that_all_looks_share() {
    let deep = |helper: &str, line| {
        sample(
            &[
                frame(LIB, 3, "read"),
                frame(APP, 30, helper),
                frame(APP, line, "fetch_all"),
                at_line(8),
            ],
            1,
        )
    };
    let looks = vec![
        deep("one", 21),
        deep("two", 22),
        deep("three", 22),
        deep("four", 23),
    ];
    let incident = stalled_with(looks);
    assert_eq!(
        place(&incident),
        (StallCause::BlockingCall, "fetch_all:22".into())
    );
    assert_eq!(
        incident.frames[2].line, 22,
        "the shown stack stands on that line"
    );
    let own: Vec<bool> = incident.frames.iter().map(|frame| frame.in_app).collect();
    assert_eq!(own, [false, true, true, true, false, true]);
}

#[test]
fn of_the_lines_of_one_function_the_one_seen_most_leads_on_to_its_own_culprit() {
    let pauses = sample(&[frame(LIB, 3, "sleep"), frame(APP, 69, "answer")], 1);
    let asks = sample(
        &[
            frame(LIB, 9, "lock"),
            frame(APP, 82, "ask"),
            frame(APP, 73, "answer"),
        ],
        1,
    );
    let looks = vec![pauses.clone(), pauses, asks.clone(), asks.clone(), asks];
    assert_eq!(
        place(&stalled_with(looks)),
        (StallCause::BlockingCall, "ask:82".into())
    );
}

#[test]
fn a_callback_of_a_library_blames_the_own_frame_seen_most() {
    let dispatch = |function: &str| {
        sample(
            &[
                frame(APP, 9, function),
                frame(LIB, 3, function),
                frame(LIB, 7, "dispatch"),
            ],
            1,
        )
    };
    let incident = stalled_with(vec![dispatch("a"), dispatch("b"), dispatch("b")]);
    assert_eq!(place(&incident).1, "b:9");
}

#[test]
fn a_stack_without_own_frames_has_no_culprit_and_still_shows_where() {
    let looks = vec![sample(&[frame(LIB, 3, "read"), frame(LIB, 7, "dispatch")], 1); 3];
    let incident = stalled_with(looks);
    assert_eq!(incident.culprit, None);
    assert!(
        incident.summary.contains("at mod.py:3 in read"),
        "{}",
        incident.summary
    );
}

#[test]
fn the_task_and_its_await_chain_are_shown() {
    let look = Sample {
        task: Some(task("fetch-7", 1)),
        ..sleeping_in_handler()
    };
    let shown = stalled_with(vec![look; 3]).task.unwrap();
    assert_eq!((&*shown.name, shown.await_chain.len()), ("fetch-7", 1));
}

#[test]
fn the_tasks_that_wait_for_it_are_shown_and_do_not_tell_faults_apart() {
    let look = Sample {
        task: Some(TaskInfo {
            awaited_by: vec![awaiting("order", 1, 61), awaiting("main", 2, 80)],
            ..task("fetch-7", 1)
        }),
        ..sleeping_in_handler()
    };
    let awaited = stalled_with(vec![look; 3]);
    let alone = stalled_with(vec![sleeping_in_handler(); 3]);
    assert_eq!(awaited.fingerprint, alone.fingerprint);
    let shown = awaited.task.unwrap().awaited_by;
    let places = shown.iter().map(|task| (&*task.name, task.level));
    assert_eq!(places.collect::<Vec<_>>(), [("order", 1), ("main", 2)]);
    assert_eq!(shown[1].waits_at().unwrap().line, 80);
}

#[test]
fn who_holds_the_interpreters_lock_is_told_by_most_looks() {
    let with = |gil| Sample {
        gil,
        ..sleeping_in_handler()
    };
    let of = |looks: Vec<Sample>| stalled_with(looks).gil_held;
    assert_eq!(
        of(vec![with(Gil::Own), with(Gil::Own), with(Gil::Free)]),
        Some(true)
    );
    assert_eq!(
        of(vec![with(Gil::Own), with(Gil::Free), with(Gil::Free)]),
        Some(false)
    );
    assert_eq!(of(vec![with(Gil::Unknown); 3]), None);
}

fn waiting_for_lock(holder: u32, line: u32) -> Sample {
    let frames = in_asyncio(&[frame_calling(APP, line, "crunch", &["re.match"])]);
    Sample {
        gil: Gil::Other {
            thread_id: holder,
            frames,
        },
        thread: ThreadState {
            run_state: RunState::Sleeping,
            syscall: Some(FUTEX),
            ..running()
        },
        ..sample(&[at_line(8)], 1)
    }
}

#[test]
fn a_loop_that_waits_for_the_interpreters_lock_blames_its_holder() {
    let incident = stalled_with(vec![waiting_for_lock(77, 60); 4]);
    assert_eq!(
        place(&incident),
        (StallCause::BlockingCall, "crunch:60".into())
    );
    assert_eq!((incident.gil_held, incident.origin), (Some(true), None));
    assert_eq!(incident.frames[0].function, "crunch");
    assert_eq!(
        incident.summary,
        "loop main (pid 41, asyncio) stalled for 0.13 s: it waits for the interpreter lock, which \
         thread 77 holds at app.py:60 in crunch: re.match"
    );
}

#[test]
fn a_lock_that_was_free_for_a_moment_is_still_waited_for() {
    let free = Sample {
        gil: Gil::Free,
        ..waiting_for_lock(77, 60)
    };
    let mut looks = vec![waiting_for_lock(77, 60); 6];
    looks.insert(0, free.clone());
    looks.push(free);
    assert_eq!(place(&stalled_with(looks)).1, "crunch:60");
}

/// Looks at a thread that runs on while another one holds the lock, with these looks' frames and callbacks.
fn awake_without_lock(look: impl Fn(u64) -> Sample) -> Vec<Sample> {
    let awake = |n: u64| Sample {
        gil: waiting_for_lock(77, 60).gil,
        thread: ThreadState {
            cpu_nanos: millis(1_000 + 20 * n).0,
            ..running()
        },
        ..look(n)
    };
    (0..6).map(awake).collect()
}

#[test]
fn a_thread_that_is_back_from_its_poll_waits_for_the_lock_awake_or_asleep() {
    let poll = frame(
        "/usr/lib/python3.11/selectors.py",
        468,
        "EpollSelector.select",
    );
    let looks = awake_without_lock(|n| sample(std::slice::from_ref(&poll), n));
    let incident = stalled_with(looks);
    assert_eq!(
        place(&incident),
        (StallCause::BlockingCall, "crunch:60".into())
    );
    assert_eq!(incident.gil_held, Some(true));
}

#[test]
fn a_thread_that_a_loop_in_c_is_back_on_waits_for_the_lock() {
    let driver = frame(
        "/venv/lib/python3.11/site-packages/uvloop/__init__.py",
        69,
        "run",
    );
    let looks = awake_without_lock(|n| Sample {
        frames: vec![driver.clone(), frame(APP, 99, "<module>")],
        callback: None,
        ..sample(&[], n)
    });
    let incident = stalled_with(looks);
    assert_eq!(place(&incident).1, "crunch:60");
}

/// Looks at a thread that is awake in every second of them, having run for `ran` meanwhile.
fn seen_awake_at_times(ran: Nanos) -> Vec<Sample> {
    let look = |n: u64| {
        let asleep = waiting_for_lock(77, 60);
        let thread = if n.is_multiple_of(2) {
            asleep.thread
        } else {
            running()
        };
        let cpu_nanos = millis(1_000).0 + n * ran.0;
        Sample {
            thread: ThreadState {
                cpu_nanos,
                ..thread
            },
            ..asleep
        }
    };
    (0..6).map(look).collect()
}

#[test]
fn a_thread_that_waits_for_the_lock_may_be_seen_awake() {
    let waits = stalled_with(seen_awake_at_times(Nanos(30_000)));
    assert_eq!(place(&waits).1, "crunch:60");
    let computes = stalled_with(seen_awake_at_times(millis(8)));
    assert_eq!(place(&computes).1, "handler:8");
}

#[test]
fn a_holder_that_moves_or_changes_is_not_to_blame() {
    let moving = (60..64).map(|line| waiting_for_lock(77, line)).collect();
    assert_eq!(place(&stalled_with(moving)).1, "handler:8");
    let changing = (70..74)
        .map(|thread| waiting_for_lock(thread, 60))
        .collect();
    assert_eq!(place(&stalled_with(changing)).1, "handler:8");
    assert_eq!(
        place(&stalled_with(vec![waiting_for_lock(77, 60)])).1,
        "handler:8"
    );
}

const THREADING: &str = "/usr/lib/python3.11/threading.py";

/// A thread that stands in these functions of `threading`, innermost first, called by a handler, while the
/// holder of the interpreter's lock moves.
fn in_threading(functions: &[&str], line: u32, awaits_gil: bool) -> Sample {
    let mut frames: Vec<Frame> = functions
        .iter()
        .map(|function| frame(THREADING, 600, function))
        .collect();
    frames.push(frame_calling(APP, 8, "handler", &["thread.start"]));
    let waiting = waiting_for_lock(77, line);
    Sample {
        gil: waiting.gil,
        thread: ThreadState {
            awaits_gil,
            ..waiting.thread
        },
        ..sample(&frames, 1)
    }
}

const STARTING: &[&str] = &["Condition.wait", "Event.wait", "Thread.start"];

#[test]
fn a_loop_that_starts_a_thread_waits_for_who_holds_the_interpreters_lock() {
    let looks = (60..66).map(|line| in_threading(STARTING, line / 2, false));
    let incident = stalled_with(looks.collect());
    let (cause, place) = place(&incident);
    assert_eq!(cause, StallCause::BlockingCall);
    assert!(place.starts_with("crunch:"), "{place}");
    assert_eq!(incident.gil_held, Some(true));
    assert_eq!(incident.advice.replacement, None);
    assert!(
        incident.advice.steps[0].contains("the work that holds the lock"),
        "{:?}",
        incident.advice
    );
}

#[test]
fn a_thread_that_starts_slowly_while_the_lock_is_free_is_no_wait_for_it() {
    let looks = (0..6).map(|_| Sample {
        gil: Gil::Free,
        ..in_threading(STARTING, 60, false)
    });
    assert_eq!(place(&stalled_with(looks.collect())).1, "handler:8");
}

#[test]
fn one_look_at_a_thread_that_is_being_started_gets_no_advice_on_an_event() {
    let mut bench = Bench::new();
    bench.look(120, 0, in_threading(STARTING, 60, false));
    let advice = bench.only(120).advice;
    assert_eq!(advice.replacement, None);
    assert!(
        advice.steps[0].contains("turn of the interpreter"),
        "{advice:?}"
    );
}

#[test]
fn an_event_of_the_program_is_waited_for_whoever_computes_meanwhile() {
    let wait: &[&str] = &["Condition.wait", "Event.wait"];
    let looks = (60..66).map(|line| in_threading(wait, line, false));
    let incident = stalled_with(looks.collect());
    assert_eq!(place(&incident).1, "handler:8");
    let replacement = incident.advice.replacement.unwrap();
    assert!(replacement.contains("asyncio.Event"), "{replacement}");
}

#[test]
fn a_thread_that_the_kernel_holds_at_the_interpreters_lock_waits_for_its_holder() {
    let wait: &[&str] = &["Condition.wait", "Event.wait"];
    let looks = (60..66).map(|line| in_threading(wait, line / 2, true));
    let incident = stalled_with(looks.collect());
    assert!(place(&incident).1.starts_with("crunch:"), "{incident:?}");
    assert_eq!(incident.origin, None);
}

#[test]
fn a_callback_that_computes_long_enough_by_itself_is_to_blame_though_others_compute_too() {
    // Two of three looks find it waiting for its turn of the interpreter.
    let turns = |count: u32| {
        let look = |n: u32| match n % 3 {
            0 => sample(&[frame(APP, 8, "handler")], 1),
            _ => in_threading(&[], 60 + n, true),
        };
        stalled_with((0..count).map(look).collect())
    };
    assert!(place(&turns(6)).1.starts_with("crunch:"));
    assert_eq!(place(&turns(24)).1, "handler:8");
}

#[test]
fn a_wait_for_a_busy_interpreter_gets_no_advice_on_a_lock_of_the_program() {
    let lock_of = |gil: fn(u32) -> Gil| {
        let looks = (60..64).map(|line| Sample {
            gil: gil(line),
            ..waiting_for_lock(77, line)
        });
        stalled_with(looks.collect()).advice
    };
    let busy = lock_of(|line| waiting_for_lock(77, line).gil);
    assert_eq!(busy.replacement, None);
    assert!(busy.steps[1].contains("interpreter"), "{busy:?}");
    let own = lock_of(|_| Gil::Free);
    assert!(own.replacement.unwrap().starts_with("async with lock"));
}

#[test]
fn a_wait_for_the_lock_points_at_the_stall_of_the_loop_that_holds_it() {
    let mut bench = Bench::new();
    let holder = LoopKey {
        slot: 1,
        ..bench.key
    };
    bench.see_loop(holder, LoopRuntime::Asyncio, 77);
    let crunching = sample(&[frame_calling(APP, 60, "crunch", &["re.match"])], 5);
    for at in [110, 130, 150] {
        bench.look_at(holder, at, 0, crunching.clone());
        bench.look(at + 1, 0, waiting_for_lock(77, 60));
    }
    let incidents = bench.incidents(200);
    assert_eq!(incidents[0].r#loop.as_ref().map(|l| l.thread_id), Some(77));
    assert_eq!(incidents[1].origin.as_ref(), Some(&incidents[0].id));
}

#[test]
fn a_thread_that_got_no_processor_is_starved_and_its_code_gets_no_advice() {
    let starved = |waited: u64| {
        let thread = ThreadState {
            runqueue_nanos: millis(waited).0,
            ..running()
        };
        Sample {
            thread,
            ..sleeping_in_handler()
        }
    };
    // Looks at 50, 70 and 90 ms: 10 of 40 ms in the run queue is the limit.
    let incident = stalled_with(vec![starved(0), starved(5), starved(10)]);
    assert_eq!(
        place(&incident),
        (StallCause::CpuStarved, "handler:42".into())
    );
    assert_eq!(
        (incident.advice.replacement, incident.advice.rule),
        (None, None)
    );
    let incident = stalled_with(vec![starved(0), starved(5), starved(9)]);
    assert_eq!(incident.cause, Some(StallCause::BlockingCall));
}

#[test]
fn a_call_that_would_have_blocked_with_a_processor_too_is_to_blame_on_a_busy_machine() {
    let half_starved = |n: u64| Sample {
        thread: ThreadState {
            runqueue_nanos: millis(10 * n).0,
            ..running()
        },
        ..sleeping_in_handler()
    };
    let short = stalled_with((0..5).map(half_starved).collect());
    assert_eq!(short.cause, Some(StallCause::CpuStarved));
    let long = stalled_with((0..9).map(half_starved).collect());
    assert_eq!(long.cause, Some(StallCause::BlockingCall));
}

#[test]
fn a_thread_that_is_ready_and_never_runs_is_starved_before_the_kernel_books_it() {
    let ready = |ran: u64| Sample {
        thread: ThreadState {
            cpu_nanos: millis(1_000 + ran).0,
            ..running()
        },
        ..sleeping_in_handler()
    };
    let kept_waiting = stalled_with((0..4).map(|_| ready(0)).collect());
    assert_eq!(kept_waiting.cause, Some(StallCause::CpuStarved));
    let at_work = stalled_with((0..4).map(|n| ready(20 * n)).collect());
    assert_eq!(at_work.cause, Some(StallCause::BlockingCall));
    let asleep = |_| Sample {
        thread: ThreadState {
            run_state: RunState::Sleeping,
            ..ready(0).thread
        },
        ..ready(0)
    };
    let sleeping = stalled_with((0..4).map(asleep).collect());
    assert_eq!(sleeping.cause, Some(StallCause::BlockingCall));
}

#[test]
fn an_observer_that_was_late_itself_puts_an_unseen_stall_down_to_the_machine() {
    let stalled_for = |late: u64| {
        let mut bench = Bench::new();
        bench.at(1_000, Fact::ObserverLate { by: millis(late) });
        bench.ended(1_001, 800, 1_000);
        bench.only(1_001).cause
    };
    assert_eq!(stalled_for(100), Some(StallCause::CpuStarved));
    assert_eq!(stalled_for(99), Some(StallCause::Unknown));
    let mut bench = Bench::new();
    bench.at(700, Fact::ObserverLate { by: millis(600) });
    bench.ended(1_001, 800, 1_000);
    assert_eq!(
        bench.only(1_001).cause,
        Some(StallCause::Unknown),
        "it was late before"
    );
}

#[test]
fn the_cause_is_told_again_with_each_look() {
    let mut bench = Bench::new();
    bench.look(100, 0, sample(&[frame(APP, 1, "tick")], 0));
    assert_eq!(bench.only(100).cause, Some(StallCause::BlockingCall));
    for n in 1..10 {
        bench.look(100 + 20 * n, 0, sample(&[frame(APP, 1, "tick")], n));
    }
    assert_eq!(bench.only(300).cause, Some(StallCause::Overload));
}

#[test]
fn shares_stay_right_when_looks_are_merged() {
    let mut bench = Bench::new();
    for n in 0..400 {
        let function = if n < 200 { "first" } else { "second" };
        bench.look(100 + 10 * n, 0, sample(&[frame(APP, 1, function)], n));
    }
    let shares = bench.only(4_100).shares;
    let first = shares.iter().find(|share| share.function == "first");
    let share = first.map_or(0.0, |share| share.share);
    assert!((0.47..0.53).contains(&share), "{share}");
}

#[test]
fn a_look_that_fell_after_the_call_does_not_lift_the_blame_to_the_caller() {
    let awaiter = coroutine(APP, 8, "main");
    let in_call = sample(
        &[
            frame_calling(APP, 6, "export", &["json.dumps"]),
            awaiter.clone(),
        ],
        7,
    );
    let freeing = sample(&[awaiter], 7);
    let mut looks = vec![in_call.clone(); 8];
    looks.push(freeing.clone());
    assert_eq!(place(&stalled_with(looks)).1, "export:6");
    // What half of the looks found elsewhere is no stray: the caller has all of the time.
    let halves = [in_call, freeing].into_iter().cycle().take(8).collect();
    assert_eq!(place(&stalled_with(halves)).1, "main:8");
}

#[test]
fn threads_that_take_turns_with_the_lock_are_blamed_for_a_loop_that_waits_for_it() {
    let poll = frame(
        "/usr/lib/python3.11/selectors.py",
        468,
        "EpollSelector.select",
    );
    let behind = |thread_id: u32| Sample {
        gil: Gil::Other {
            thread_id,
            frames: vec![frame(APP, 4, "crunch")],
        },
        ..sample(std::slice::from_ref(&poll), 7)
    };
    let incident = stalled_with((0..4).map(|n| behind(80 + n)).collect());
    assert_eq!(
        place(&incident),
        (StallCause::BlockingCall, "crunch:4".into())
    );
    assert!(
        incident.summary.contains("waits for the interpreter lock"),
        "{}",
        incident.summary
    );
}
