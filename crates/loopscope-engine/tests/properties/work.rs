//! Facts about tasks, calls, pools and executors in any order, with any figures.

use std::sync::Arc;

use loopscope_engine::observation::{
    AdapterInfo, CallKind, CallName, CallReading, Event, EventFrame, EventKind, ExecutorReading,
    Fact, GcReading, Owner, PoolName, PoolReading, TaskSite, TaskSiteReading,
};
use loopscope_engine::time::Nanos;
use proptest::{collection::vec, option, prelude::*};

use super::{loop_key, process, time};

/// Small figures, so that they meet, and now and then any.
fn figure() -> impl Strategy<Value = u64> {
    prop_oneof![9 => 0..30_u64, 1 => any::<u64>()]
}

/// A length of at most eleven days: a number of more digits does not read back the same.
fn length() -> impl Strategy<Value = u64> {
    prop_oneof![9 => 0..30_u64, 1 => 0..1_u64 << 50]
}

fn owner() -> impl Strategy<Value = Owner> {
    prop_oneof![
        Just(Owner::Nobody),
        (0..2_u32).prop_map(Owner::Thread),
        loop_key().prop_map(Owner::Loop),
    ]
}

fn adapter() -> impl Strategy<Value = AdapterInfo> {
    (any::<bool>(), any::<bool>(), figure()).prop_map(|(tasks, calls, faults)| AdapterInfo {
        name: "asyncio".into(),
        tasks,
        calls,
        databases: calls,
        executors: tasks,
        gc: tasks,
        faults,
    })
}

fn task_site() -> impl Strategy<Value = TaskSiteReading> {
    (owner(), [(); 6].map(|()| figure()), option::of(time())).prop_map(
        |(owner, [spawned, done, failed, cancelled, retrieved, unretrieved], oldest_started)| {
            let site = TaskSite {
                owner,
                file: "/srv/bots.py".into(),
                line: 41,
                function: "start_all".into(),
                coroutine: "Bot.poll".into(),
            };
            TaskSiteReading {
                site: Arc::new(site),
                spawned,
                done,
                failed,
                cancelled,
                retrieved,
                unretrieved,
                oldest_started,
            }
        },
    )
}

fn call_kind() -> impl Strategy<Value = CallKind> {
    prop::sample::select(vec![
        CallKind::Call,
        CallKind::Request,
        CallKind::Query,
        CallKind::Connect,
        CallKind::Acquire,
    ])
}

fn call() -> impl Strategy<Value = CallReading> {
    let groups = prop::sample::select(vec!["agno", "psycopg", "Größe 7", ""]);
    let figures = [(); 4].map(|()| figure());
    (groups, call_kind(), figures, length()).prop_map(
        |(group, kind, [started, finished, failed, blocking], total)| {
            let call = CallName {
                kind,
                group: group.into(),
                name: "Agent.run".into(),
            };
            CallReading {
                call: Arc::new(call),
                started,
                finished,
                failed,
                blocking,
                total_nanos: total,
                p50_nanos: Some(total),
                ..CallReading::default()
            }
        },
    )
}

fn pool() -> impl Strategy<Value = PoolReading> {
    ([(); 6].map(|()| figure()), option::of(time())).prop_map(
        |([size, largest, in_use, waiting, timeouts, opened], waiting_since)| {
            let pool = PoolName {
                name: "db".into(),
                driver: "asyncpg".into(),
                server: "127.0.0.1:5432/bots".into(),
            };
            PoolReading {
                pool: Arc::new(pool),
                size,
                largest,
                in_use,
                waiting,
                waiting_since,
                timeouts,
                opened,
                ..PoolReading::default()
            }
        },
    )
}

fn executor() -> impl Strategy<Value = ExecutorReading> {
    (
        [(); 3].map(|()| figure()),
        option::of(time()),
        any::<bool>(),
    )
        .prop_map(
            |([max_workers, busy, queued], saturated_since, ended)| ExecutorReading {
                name: Arc::new("asyncio_0".into()),
                max_workers,
                workers: max_workers,
                busy,
                queued,
                submitted: queued,
                saturated_since,
                ended,
                ..ExecutorReading::default()
            },
        )
}

fn gc() -> impl Strategy<Value = GcReading> {
    (figure(), option::of(time())).prop_map(|(collections, pause_since)| GcReading {
        collections,
        pause_since,
        generation: 2,
        ..GcReading::default()
    })
}

fn event_kind() -> impl Strategy<Value = EventKind> {
    // Mostly failures of tasks, whose words meet.
    prop_oneof![
        6 => Just(EventKind::TaskFailed),
        3 => Just(EventKind::TaskFailureRetrieved),
        3 => Just(EventKind::TaskFailureUnretrieved),
        8 => prop::sample::select(vec![
            EventKind::CallbackFailed,
            EventKind::CallFailed,
            EventKind::SlowCall,
            EventKind::BlockingCall,
            EventKind::ConnectionFailed,
            EventKind::ConnectionLeaked,
            EventKind::AcquireTimedOut,
            EventKind::GcPause,
            EventKind::ConnectionShared,
        ]),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let frame = (0..3_u32).prop_map(|line| EventFrame {
        file: "/srv/bots.py".into(),
        line,
        function: "poll".into(),
    });
    let about = (
        option::of(0..3_u32),
        option::of(0..2_u32),
        0..6_u64,
        0..4_u32,
    );
    let when = (time(), option::of(time()));
    (event_kind(), owner(), about, when, vec(frame, 0..3)).prop_map(
        |(kind, owner, (slot, thread_id, identity, count), (started, ended), frames)| Event {
            owner,
            slot,
            thread_id,
            identity,
            count,
            started,
            ended,
            error_type: "ValueError".into(),
            frames,
            ..Event::new(kind)
        },
    )
}

/// Any fact about a process's work.
pub(crate) fn fact() -> impl Strategy<Value = Fact> {
    let slot = || 0..3_u32;
    prop_oneof![
        2 => (process(), adapter()).prop_map(|(process, adapter)| Fact::AdapterSeen { process, adapter }),
        4 => (process(), slot(), task_site()).prop_map(|(process, slot, reading)| {
            Fact::TaskSiteReading { process, slot, reading }
        }),
        3 => (process(), slot(), call()).prop_map(|(process, slot, reading)| {
            Fact::CallReading { process, slot, reading }
        }),
        3 => (process(), slot(), pool()).prop_map(|(process, slot, reading)| {
            Fact::PoolReading { process, slot, reading }
        }),
        3 => (process(), slot(), executor()).prop_map(|(process, slot, reading)| {
            Fact::ExecutorReading { process, slot, reading }
        }),
        1 => (process(), gc()).prop_map(|(process, reading)| Fact::GcReading { process, reading }),
        12 => (process(), event()).prop_map(|(process, event)| {
            Fact::Happened { process, event: Box::new(event) }
        }),
    ]
}

/// A time that is longer ago than anything else, for facts that must have settled.
pub(crate) fn long_after(at: Nanos) -> Nanos {
    at.plus(Nanos::from_millis(60_000))
}
