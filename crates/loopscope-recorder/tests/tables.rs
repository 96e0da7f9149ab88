//! What is written of tasks, calls, pools and executors is what is read.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use loopscope_recorder::folder::{RuntimeFolder, recordings_in};
use loopscope_recorder::layout::{
    CALL_CAPACITY, CALL_ERROR_CAPACITY, CONNECTION_CAPACITY, CallKind, Coverage, EXECUTOR_CAPACITY,
    FACT_CAPACITY, FactKind, LoopOwner, OVERFLOW_NAME, POOL_CAPACITY, PollKind, TASK_SITE_CAPACITY,
};
use loopscope_recorder::reader::{RecordingReader, TableStates};
use loopscope_recorder::writer::{
    AdapterSpec, CallEnd, CallOutcome, CallSpec, ExecutorGauges, FactFrame, FactRecord, HolderSpec,
    JoinError, LoopSpec, PoolGauges, PoolSpec, Recording, RecordingSpec, TaskOutcome, TaskSiteSpec,
};

const MILLIS: u64 = 1_000_000;

fn create(name: &str) -> (Recording, PathBuf) {
    let path = std::env::temp_dir().join(format!("ls-tables-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let folder = RuntimeFolder::open(&path).unwrap();
    let spec = RecordingSpec {
        stall_threshold_nanos: 100 * MILLIS,
        slow_threshold_nanos: 2000 * MILLIS,
        ..RecordingSpec::default()
    };
    let recording = Recording::create(&folder, &spec).unwrap();
    let newest = recordings_in(folder.path()).into_iter().max().unwrap();
    assert_eq!(recording.path(), newest);
    (recording, newest)
}

fn read(path: &Path) -> TableStates {
    RecordingReader::open(path).unwrap().read_tables().unwrap()
}

fn site(coroutine: &str) -> TaskSiteSpec<'_> {
    TaskSiteSpec {
        owner: LoopOwner::Thread(9),
        file: "/srv/app/bots.py",
        line: 41,
        function: "start_all",
        coroutine,
    }
}

fn call(name: &str) -> CallSpec<'_> {
    CallSpec {
        kind: CallKind::Call,
        group: "agno",
        name,
    }
}

fn end(millis: u64, outcome: CallOutcome, held_loop: bool) -> CallEnd {
    CallEnd {
        nanos: millis * MILLIS,
        outcome,
        held_loop,
    }
}

#[test]
fn a_new_recording_has_nothing_in_its_tables() {
    let (_, path) = create("empty");
    assert_eq!(read(&path), TableStates::default());
}

#[test]
fn tasks_are_counted_by_the_place_that_creates_them() {
    let (recording, path) = create("tasks");
    let polls = recording.task_site(&site("Bot.poll")).unwrap();
    polls.spawned(5);
    polls.ended(TaskOutcome::Done, 1);
    polls.exclusive().ended(TaskOutcome::Failed, 1);
    polls.ended(TaskOutcome::Cancelled, 1);
    polls.unretrieved(1);
    polls.set_oldest(Some(77));
    recording.task_site(&site("Bot.send")).unwrap().spawned(1);
    recording.task_site(&site("Bot.poll")).unwrap().spawned(1);
    let found = read(&path).task_sites;
    assert_eq!(found.len(), 2);
    let first = &found[0];
    assert_eq!(
        (first.site.coroutine.as_str(), first.site.line),
        ("Bot.poll", 41)
    );
    assert_eq!(first.site.owner, LoopOwner::Thread(9));
    assert_eq!((first.spawned, first.alive()), (6, 3));
    assert_eq!((first.done, first.failed, first.cancelled), (1, 1, 1));
    assert_eq!(
        (first.unretrieved, first.oldest_started_nanos),
        (1, Some(77))
    );
    assert_eq!(
        (found[1].site.coroutine.as_str(), found[1].alive()),
        ("Bot.send", 1)
    );
    assert_eq!(recording.tasks_alive(), 4);
}

#[test]
fn sites_of_ever_new_loops_end_up_counted_without_their_loop() {
    let (recording, path) = create("loops");
    for generation in 0..2 * TASK_SITE_CAPACITY {
        let owner = LoopOwner::Slot {
            slot: 0,
            generation,
        };
        let spec = TaskSiteSpec {
            owner,
            ..site("main")
        };
        recording.task_site(&spec).unwrap().spawned(1);
    }
    let found = read(&path);
    let named = (TASK_SITE_CAPACITY as usize - 1) * 7 / 8;
    assert_eq!(found.task_sites.len(), named + 1);
    let shared = found.task_sites.last().unwrap();
    assert_eq!(
        (shared.site.owner, shared.site.coroutine.as_str()),
        (LoopOwner::Nobody, "main")
    );
    let total: u64 = found.task_sites.iter().map(|site| site.spawned).sum();
    assert_eq!(total, u64::from(2 * TASK_SITE_CAPACITY));
}

#[test]
fn what_finds_no_room_is_counted_together_and_said() {
    let (recording, path) = create("full");
    for number in 0..CALL_CAPACITY + 9 {
        let name = format!("call_{number}");
        recording.call(&call(&name)).unwrap().start();
        let spec = TaskSiteSpec {
            owner: LoopOwner::Nobody,
            ..site(&name)
        };
        for _ in 0..3 {
            let name = format!("{name}_{number}");
            let spec = TaskSiteSpec {
                coroutine: &name,
                ..spec
            };
            recording.task_site(&spec).unwrap().spawned(1);
        }
    }
    for number in 0..TASK_SITE_CAPACITY {
        let name = format!("more_{number}");
        recording.task_site(&site(&name)).unwrap().spawned(1);
    }
    let found = read(&path);
    assert_eq!(found.calls.len(), CALL_CAPACITY as usize);
    let other = found.calls.last().unwrap();
    assert_eq!(
        (other.call.name.as_str(), other.started),
        (OVERFLOW_NAME, 10)
    );
    assert_eq!(found.dropped.calls, 10);
    assert_eq!(found.task_sites.len(), TASK_SITE_CAPACITY as usize);
    let total: u64 = found.task_sites.iter().map(|site| site.spawned).sum();
    assert_eq!(
        total,
        u64::from(3 * (CALL_CAPACITY + 9) + TASK_SITE_CAPACITY)
    );
    assert!(found.dropped.task_sites > 0);
}

#[test]
fn a_call_is_counted_with_its_time_and_its_end() {
    let (recording, path) = create("calls");
    let ask = recording.call(&call("Agent.run")).unwrap();
    for _ in 0..6 {
        ask.start();
    }
    assert_eq!(ask.finish(end(10, CallOutcome::Ok, true)), None);
    let blocking = ask.finish(end(250, CallOutcome::Ok, true));
    assert_eq!(blocking, Some(FactKind::BlockingCall));
    let slow = ask.exclusive().finish(end(2500, CallOutcome::Ok, false));
    assert_eq!(slow, Some(FactKind::SlowCall));
    let failed = ask.finish(end(1, CallOutcome::Failed, false));
    ask.set_last_error("TimeoutError");
    ask.set_last_error("TimeoutError");
    assert_eq!(failed, Some(FactKind::CallFailed));
    assert_eq!(ask.finish(end(300, CallOutcome::Cancelled, false)), None);
    let state = &read(&path).calls[0];
    assert_eq!(
        (state.call.group.as_str(), state.call.kind),
        ("agno", Some(CallKind::Call))
    );
    assert_eq!(
        (state.started, state.finished, state.in_flight()),
        (6, 5, 1)
    );
    assert_eq!((state.failed, state.cancelled), (1, 1));
    assert_eq!(
        (state.on_loop, state.blocking, state.blocking_nanos),
        (2, 1, 250 * MILLIS)
    );
    assert_eq!((state.slow, state.longest_nanos), (1, 2500 * MILLIS));
    assert_eq!(state.total_nanos, 3061 * MILLIS);
    assert_eq!(state.last_error.as_deref(), Some("TimeoutError"));
    assert!(state.last_failed_nanos.is_some());
}

#[test]
fn the_kind_and_the_group_tell_calls_of_one_name_apart() {
    let (recording, _) = create("kinds");
    let index = |kind, group| {
        let spec = CallSpec {
            kind,
            group,
            name: "connect",
        };
        recording.call(&spec).unwrap().index()
    };
    let found = [
        index(CallKind::Call, "psycopg"),
        index(CallKind::Connect, "psycopg"),
        index(CallKind::Connect, "asyncpg"),
        index(CallKind::Call, "psycopg"),
    ];
    assert_eq!(found, [0, 1, 2, 0]);
}

#[test]
fn a_pool_that_is_followed_says_who_waits_since_when() {
    let (recording, path) = create("pool");
    let spec = PoolSpec {
        name: "db",
        driver: "asyncpg",
        server: "127.0.0.1:5432/bots",
    };
    let pool = recording.pool(&spec).unwrap();
    pool.set_sizes(10, 0, 2, 10);
    pool.waits(5 * MILLIS);
    pool.waits(7 * MILLIS);
    pool.acquired(9 * MILLIS, 4 * MILLIS);
    let state = read(&path).pools.remove(0);
    assert_eq!(
        (state.waiting, state.waiting_since_nanos),
        (1, Some(5 * MILLIS))
    );
    assert_eq!(
        (state.in_use, state.acquires, state.acquire_nanos),
        (1, 1, 4 * MILLIS)
    );
    pool.timed_out(30 * MILLIS);
    pool.released(Some(6));
    pool.opened();
    pool.opened();
    pool.closed(3);
    pool.leaked(4);
    pool.open_failed("OperationalError");
    let state = read(&path).pools.remove(0);
    assert_eq!(
        (state.waiting, state.waiting_since_nanos, state.timeouts),
        (0, None, 1)
    );
    assert_eq!((state.in_use, state.open(), state.leaked), (0, 0, 1));
    assert_eq!((state.releases, state.use_nanos), (1, 6));
    assert_eq!(
        (state.opened, state.open_failed, state.lifetime_nanos),
        (2, 1, 7)
    );
    assert_eq!(state.last_error.as_deref(), Some("OperationalError"));
    assert_eq!((state.pool.driver.as_str(), state.largest), ("asyncpg", 10));
}

#[test]
fn failures_of_calls_are_told_apart_by_their_errors() {
    let (recording, path) = create("errors");
    let run = recording.call(&call("Agent.run")).unwrap();
    let other = recording.call(&call("Team.run")).unwrap();
    for error_type in ["TimeoutError", "openai.RateLimitError", "TimeoutError"] {
        recording.count_call_error(run.index(), error_type);
    }
    recording.count_call_error(other.index(), "TimeoutError");
    let calls = read(&path).calls;
    let errors = |call: usize| {
        let errors = calls[call].errors.iter();
        errors
            .map(|error| (error.error_type.to_string(), error.failed))
            .collect::<Vec<_>>()
    };
    let of = |name: &str, failed| (name.to_owned(), failed);
    assert_eq!(
        errors(0),
        [of("TimeoutError", 2), of("openai.RateLimitError", 1)]
    );
    assert_eq!(errors(1), [of("TimeoutError", 1)]);
}

#[test]
fn errors_that_find_no_room_are_no_call_s() {
    let (recording, path) = create("more-errors");
    let run = recording.call(&call("Agent.run")).unwrap();
    for number in 0..CALL_ERROR_CAPACITY + 9 {
        recording.count_call_error(run.index(), &format!("Error{number}"));
    }
    let errors = &read(&path).calls[0].errors;
    assert_eq!(errors.len(), CALL_ERROR_CAPACITY as usize - 1);
    assert!(errors.iter().all(|error| error.failed == 1));
}

fn holder(file: &str, since_nanos: u64) -> HolderSpec<'_> {
    HolderSpec {
        since_nanos,
        thread_id: 9,
        task: 0x7f00,
        task_name: "Task-7",
        file,
        line: 31,
        function: "buy",
    }
}

#[test]
fn a_connection_says_who_has_it_until_it_is_given_back() {
    let (recording, path) = create("holder");
    let connection = recording.connection(3, 77, 5).unwrap();
    let state = || read(&path).connections.remove(0);
    assert_eq!((state().pool, state().backend), (3, Some(77)));
    assert_eq!((state().taken_nanos, state().holder), (None, None));
    connection.taken(&holder("/srv/orders.py", 8));
    let found = state().holder.unwrap();
    assert_eq!((found.file.as_str(), found.line), ("/srv/orders.py", 31));
    assert_eq!(state().taken_nanos, Some(8));
    connection.taken(&holder("/srv/mails.py", 9));
    assert_eq!(state().holder.unwrap().file, "/srv/mails.py");
    assert_eq!(connection.returned(), Some(9));
    assert_eq!(connection.returned(), None, "given back twice");
    assert_eq!((state().taken_nanos, state().holder), (None, None));
}

#[test]
fn threads_that_come_and_go_at_once_leave_nobody_waiting() {
    const THREADS: usize = 4;
    let (recording, path) = create("at_once");
    let pool = recording.pool(&PoolSpec::default()).unwrap();
    let executor = recording.executor("threads").unwrap();
    executor.set_workers(0, 0);
    for round in 1..4_000 {
        let together = Barrier::new(THREADS);
        thread::scope(|scope| {
            for stays in 0..THREADS {
                let together = &together;
                scope.spawn(move || {
                    together.wait();
                    for now in 1..4 {
                        pool.waits(now);
                        pool.stops_waiting(now);
                        executor.submitted(now);
                        executor.begun(now, 0);
                        executor.ended(now, 0, true);
                    }
                    // One of them stays, every other time.
                    if stays == 0 && round % 2 == 0 {
                        pool.waits(round);
                        executor.submitted(round);
                    }
                });
            }
        });
        let stays = round % 2 == 0;
        let state = read(&path);
        assert_eq!(state.pools[0].waiting_since_nanos.is_some(), stays);
        assert_eq!(state.executors[0].saturated_since_nanos.is_some(), stays);
        if stays {
            pool.stops_waiting(round);
            executor.cancelled(round);
        }
    }
}

#[test]
fn one_who_waits_for_a_connection_is_none() {
    let (recording, path) = create("waiter");
    recording.connection(3, 77, 5).unwrap();
    let waiter = recording.waiter(3).unwrap();
    waiter.taken(&holder("/srv/orders.py", 8));
    let both = read(&path).connections;
    let waits: Vec<_> = both.iter().map(|one| (one.pool, one.waits)).collect();
    assert_eq!(waits, [(3, false), (3, true)]);
    assert_eq!(both[1].taken_nanos, Some(8));
    assert_eq!(both[1].holder.as_ref().unwrap().line, 31);
    assert_eq!(waiter.returned(), Some(8));
    let state = read(&path).connections.remove(1);
    assert_eq!((state.waits, state.taken_nanos), (true, None));
    waiter.closed();
    assert_eq!(read(&path).connections.len(), 1);
}

#[test]
fn the_slot_of_a_closed_connection_is_taken_again_by_the_next_one() {
    let (recording, path) = create("again");
    let first = recording.connection(0, 1, 5).unwrap();
    first.taken(&holder("/srv/orders.py", 8));
    first.closed();
    assert_eq!(read(&path).connections, []);
    recording.connection(0, 2, 9).unwrap();
    // One that is closed twice does not close what came after it.
    first.closed();
    let [second] = &read(&path).connections[..] else {
        panic!("one connection");
    };
    assert_eq!((second.generation, second.backend), (1, Some(2)));
    assert_eq!(second.holder, None);
}

#[test]
fn connections_that_find_no_room_are_counted() {
    let (recording, path) = create("many");
    for _ in 0..CONNECTION_CAPACITY {
        recording.connection(0, 1, 5).unwrap();
    }
    assert!(recording.connection(0, 1, 5).is_none());
    assert!(recording.waiter(0).is_none(), "which loses no connection");
    let found = read(&path);
    assert_eq!(found.connections.len(), CONNECTION_CAPACITY as usize);
    assert_eq!(found.dropped.connections, 1);
}

#[test]
fn a_pool_that_is_asked_keeps_since_when_somebody_waits() {
    let (recording, path) = create("gauges");
    let pool = recording.pool(&PoolSpec::default()).unwrap();
    let waiting = |waiting| PoolGauges {
        waiting,
        in_use: 3,
        ..PoolGauges::default()
    };
    pool.set_gauges(&waiting(2), 5);
    pool.set_gauges(&waiting(1), 9);
    assert_eq!(read(&path).pools[0].waiting_since_nanos, Some(5));
    pool.set_gauges(&waiting(0), 11);
    assert_eq!(read(&path).pools[0].waiting_since_nanos, None);
}

#[test]
fn an_executor_is_saturated_from_the_first_wait_behind_busy_threads_to_the_empty_queue() {
    let (recording, path) = create("executor");
    let threads = recording.executor("asyncio_0").unwrap();
    threads.set_workers(1, 1);
    let since = || read(&path).executors[0].saturated_since_nanos;
    threads.submitted(1);
    threads.begun(2, 1);
    assert_eq!(since(), None);
    threads.submitted(3);
    threads.submitted(4);
    assert_eq!(since(), Some(3));
    threads.ended(5, 3, true);
    assert_eq!(
        since(),
        Some(3),
        "a thread between two pieces of work is no break"
    );
    threads.begun(5, 2);
    threads.cancelled(6);
    assert_eq!(since(), None);
    threads.ended(7, 2, false);
    let state = read(&path).executors.remove(0);
    assert_eq!(
        (
            state.submitted,
            state.completed,
            state.failed,
            state.cancelled
        ),
        (3, 1, 1, 1)
    );
    assert_eq!(
        (state.busy, state.queued, state.longest_wait_nanos),
        (0, 0, 2)
    );
    threads.set_gauges(
        &ExecutorGauges {
            max_workers: 4,
            workers: 4,
            busy: 4,
            queued: 9,
        },
        8,
    );
    assert_eq!(since(), Some(8));
    threads.shut_down(9);
    assert_eq!(read(&path).executors[0].ended_nanos, Some(9));
    threads.set_workers(1, 4);
    assert_eq!(
        read(&path).executors[0].ended_nanos,
        None,
        "another of its name"
    );
}

#[test]
fn tables_without_an_overflow_say_how_many_found_no_room() {
    let (recording, path) = create("dropped");
    for number in 0..POOL_CAPACITY + 2 {
        let name = format!("pool-{number}");
        let spec = PoolSpec {
            name: &name,
            ..PoolSpec::default()
        };
        assert_eq!(recording.pool(&spec).is_some(), number < POOL_CAPACITY);
    }
    for number in 0..EXECUTOR_CAPACITY + 3 {
        let found = recording.executor(&format!("threads-{number}"));
        assert_eq!(found.is_some(), number < EXECUTOR_CAPACITY);
    }
    let found = read(&path);
    assert_eq!((found.dropped.pools, found.dropped.executors), (2, 3));
}

#[test]
fn the_collector_s_pause_is_seen_while_it_lasts_and_counted_after() {
    let (recording, path) = create("gc");
    let gc = recording.gc();
    assert_eq!(gc.ends(1, 0), None);
    gc.begins(10, 2, 9);
    let during = read(&path).gc;
    assert_eq!((during.pause_since_nanos, during.generation), (Some(10), 2));
    assert_eq!(gc.ends(300, 40), Some(290));
    gc.set_tracked(5000);
    let after = read(&path).gc;
    assert_eq!(
        (after.pause_since_nanos, after.collections, after.collected),
        (None, 1, 40)
    );
    assert_eq!(
        (after.longest_pause_nanos, after.tracked),
        (290, Some(5000))
    );
}

#[test]
fn an_adapter_says_what_it_watches() {
    let (recording, path) = create("adapter");
    let coverage = Coverage::TASKS.with(Coverage::CALLS);
    let name = "asyncio 0.1.0 on CPython 3.12.1";
    recording.announce_adapter(&AdapterSpec { name, coverage });
    recording.count_adapter_fault();
    let found = read(&path).adapter.unwrap();
    assert_eq!((found.name.as_str(), found.faults), (name, 1));
    assert!(found.coverage.has(Coverage::TASKS) && !found.coverage.has(Coverage::GC));
}

#[test]
fn a_fact_comes_back_with_its_texts_and_frames_once() {
    let (recording, path) = create("facts");
    let frames = [
        FactFrame {
            file: "/srv/app/bots.py",
            line: 88,
            function: "Bot.poll",
        },
        FactFrame {
            file: "/srv/app/main.py",
            line: 12,
            function: "main",
        },
    ];
    let fact = FactRecord {
        owner: LoopOwner::Thread(9),
        subject: Some(0),
        thread_id: 9,
        identity: 42,
        started_nanos: 5,
        ended_nanos: 6,
        name: "Task-7",
        error_type: "ValueError",
        message: "bad token\nfor bot 3",
        frames: &frames,
        ..FactRecord::new(FactKind::TaskFailed)
    };
    assert!(recording.push_fact(&fact));
    assert!(recording.push_fact(&FactRecord::new(FactKind::GcPause)));
    let mut reader = RecordingReader::open(&path).unwrap();
    let found = reader.read_facts().unwrap();
    assert_eq!((found.events.len(), found.lost), (2, 0));
    let failed = &found.events[0];
    assert_eq!(
        (failed.kind, failed.identity, failed.subject),
        (FactKind::TaskFailed, 42, Some(0))
    );
    assert_eq!(
        (failed.name.as_str(), failed.error_type.as_str()),
        ("Task-7", "ValueError")
    );
    assert_eq!(failed.message, "bad token for bot 3");
    assert_eq!((failed.frames.len(), failed.frames_left_out), (2, 0));
    assert_eq!(
        (failed.frames[0].function.as_str(), failed.frames[0].line),
        ("Bot.poll", 88)
    );
    assert_eq!(
        (failed.ended_nanos, found.events[1].ended_nanos),
        (Some(6), None)
    );
    assert_eq!((found.events[1].subject, found.events[1].count), (None, 1));
    assert!(reader.read_facts().unwrap().events.is_empty());
}

#[test]
fn facts_that_were_overwritten_unread_are_counted() {
    let (recording, path) = create("overwritten");
    for identity in 0..u64::from(FACT_CAPACITY) + 7 {
        let fact = FactRecord {
            identity,
            ..FactRecord::new(FactKind::CallFailed)
        };
        recording.push_fact(&fact);
    }
    let found = RecordingReader::open(&path).unwrap().read_facts().unwrap();
    assert_eq!((found.events.len() as u32, found.lost), (FACT_CAPACITY, 7));
    assert_eq!(found.events[0].identity, 7);
}

#[test]
fn writers_of_facts_in_many_threads_lose_nothing_unsaid_and_tear_nothing() {
    const FACTS: u64 = 5_000;
    let (recording, path) = create("threads");
    let mut reader = RecordingReader::open(&path).unwrap();
    let (mut seen, mut lost) = (0, 0);
    let mut read = |reader: &mut RecordingReader| {
        let found = reader.read_facts().unwrap();
        for event in &found.events {
            let letter = event.message.chars().next().unwrap();
            assert!(
                event.message.chars().all(|other| other == letter),
                "a torn record"
            );
            assert_eq!(event.identity, letter as u64);
        }
        seen += found.events.len() as u64;
        lost += found.lost;
    };
    std::thread::scope(|scope| {
        let writers = ['a', 'b', 'c'].map(|letter| {
            scope.spawn(move || {
                let message = letter.to_string().repeat(400);
                let fact = FactRecord {
                    identity: letter as u64,
                    message: &message,
                    ..FactRecord::new(FactKind::TaskFailed)
                };
                for _ in 0..FACTS {
                    recording.push_fact(&fact);
                }
            })
        });
        while !writers.iter().all(|writer| writer.is_finished()) {
            read(&mut reader);
        }
    });
    read(&mut reader);
    read(&mut reader);
    assert_eq!(seen + lost, 3 * FACTS);
}

#[test]
fn counters_of_many_threads_add_up() {
    let (recording, path) = create("sums");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let tasks = recording.task_site(&site("Bot.poll")).unwrap();
                let calls = recording.call(&call("Agent.run")).unwrap();
                for _ in 0..10_000 {
                    tasks.spawned(1);
                    calls.start();
                    calls.finish(end(1, CallOutcome::Ok, false));
                    tasks.ended(TaskOutcome::Done, 1);
                }
            });
        }
    });
    let found = read(&path);
    assert_eq!((found.task_sites.len(), found.calls.len()), (1, 1));
    assert_eq!(
        (found.task_sites[0].spawned, found.task_sites[0].alive()),
        (40_000, 0)
    );
    assert_eq!(
        (found.calls[0].finished, found.calls[0].in_flight()),
        (40_000, 0)
    );
    assert_eq!(found.calls[0].total_nanos, 40_000 * MILLIS);
}

#[test]
fn two_objects_of_one_process_share_its_recording() {
    let (recording, path) = create("join");
    let joined = Recording::join(&path).unwrap();
    let spec = LoopSpec {
        kind: PollKind::Epoll,
        poll_key: 5,
        thread_id: 9,
        thread_name: "main".into(),
    };
    let stamps = recording.claim_loop(&spec).unwrap();
    assert_eq!(joined.loop_on_thread(9), Some(stamps.owner()));
    assert_eq!(joined.loop_on_thread(10), None);
    recording.task_site(&site("Bot.poll")).unwrap().spawned(1);
    joined.task_site(&site("Bot.poll")).unwrap().spawned(1);
    assert_eq!(read(&path).task_sites[0].spawned, 2);
    stamps.end();
    assert_eq!(joined.loop_on_thread(9), None);
}

#[test]
fn another_process_s_recording_is_not_joined() {
    let (_, path) = create("theirs");
    let at = std::mem::offset_of!(loopscope_recorder::layout::Header, start_ticks);
    let mut content = std::fs::read(&path).unwrap();
    content[at] ^= 1;
    std::fs::write(&path, content).unwrap();
    let error = Recording::join(&path).err().unwrap();
    assert!(matches!(error, JoinError::NotOurs { .. }), "{error}");
}
