//! What is written into a recording is what the rules are told.

use std::path::PathBuf;

use loopscope_recorder::folder::RuntimeFolder;
use loopscope_recorder::layout::{FactKind, LoopOwner};
use loopscope_recorder::writer::{
    AdapterSpec, CallEnd, CallOutcome, CallSpec, FactFrame, FactRecord, PoolSpec, Recording,
    RecordingSpec, TaskOutcome, TaskSiteSpec,
};

use super::*;
use crate::observation::CallKind;
use crate::testing::{millis, process_key};

const MILLIS: u64 = 1_000_000;

fn recording(name: &str) -> (Recording, RecordingReader) {
    let path = std::env::temp_dir().join(format!("ls-told-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let folder = RuntimeFolder::open(&path).unwrap();
    let spec = RecordingSpec {
        stall_threshold_nanos: 100 * MILLIS,
        slow_threshold_nanos: 2_000 * MILLIS,
        ..RecordingSpec::default()
    };
    let recording = Recording::create(&folder, &spec).unwrap();
    let path: PathBuf = recording.path().into();
    (recording, RecordingReader::open(&path).unwrap())
}

/// What is told at this time.
fn told(tables: &mut WatchedTables, reader: &mut RecordingReader, at: u64) -> Vec<Fact> {
    let seen = Seen {
        process: process_key(41),
        thread: &|thread_id| thread_id + 1_000,
    };
    let mut facts = Vec::new();
    tables
        .read(reader, &seen, false, millis(at), &mut facts)
        .unwrap();
    facts
}

fn polls() -> TaskSiteSpec<'static> {
    TaskSiteSpec {
        owner: LoopOwner::Thread(9),
        file: "/srv/bots.py",
        line: 41,
        function: "start_all",
        coroutine: "Bot.poll",
    }
}

#[test]
fn a_recording_without_an_adapter_tells_nothing() {
    let (_recording, mut reader) = recording("nothing");
    assert_eq!(told(&mut WatchedTables::default(), &mut reader, 0), []);
}

#[test]
fn a_slot_is_told_once_and_again_where_it_moved() {
    let (recording, mut reader) = recording("moved");
    let mut tables = WatchedTables::default();
    let tasks = recording.task_site(&polls()).unwrap();
    tasks.spawned(3);
    let first = told(&mut tables, &mut reader, 0);
    let [
        Fact::TaskSiteReading {
            slot: 0, reading, ..
        },
    ] = &first[..]
    else {
        panic!("{first:?}");
    };
    assert_eq!((reading.spawned, reading.alive()), (3, 3));
    assert_eq!(reading.site.owner, Owner::Thread(1_009));
    assert_eq!(told(&mut tables, &mut reader, 300), [], "nothing moved");
    tasks.ended(TaskOutcome::Done, 1);
    assert_eq!(told(&mut tables, &mut reader, 450).len(), 1);
    tasks.ended(TaskOutcome::Done, 1);
    assert_eq!(
        told(&mut tables, &mut reader, 560),
        [],
        "too soon after the last"
    );
    assert_eq!(told(&mut tables, &mut reader, 720).len(), 1);
}

#[test]
fn a_fact_comes_after_the_readings_that_introduce_it_and_only_once() {
    let (recording, mut reader) = recording("fact");
    let mut tables = WatchedTables::default();
    let tasks = recording.task_site(&polls()).unwrap();
    tasks.ended(TaskOutcome::Failed, 1);
    recording.push_fact(&FactRecord {
        subject: Some(tasks.index()),
        identity: 7,
        thread_id: 9,
        started_nanos: 5,
        ended_nanos: 6,
        name: "Task-7",
        error_type: "ValueError",
        frames: &[FactFrame {
            file: "/srv/bots.py",
            line: 88,
            function: "poll",
        }],
        ..FactRecord::new(FactKind::TaskFailed)
    });
    let facts = told(&mut tables, &mut reader, 0);
    let [Fact::TaskSiteReading { .. }, Fact::Happened { event, .. }] = &facts[..] else {
        panic!("{facts:?}");
    };
    assert_eq!(
        (event.kind, event.slot, event.identity),
        (EventKind::TaskFailed, Some(0), 7)
    );
    assert_eq!((event.thread_id, event.until()), (Some(1_009), Nanos(6)));
    assert_eq!(event.frames[0].line, 88);
    assert_eq!(told(&mut tables, &mut reader, 200), []);
}

#[test]
fn a_call_is_told_with_its_quantiles() {
    let (recording, mut reader) = recording("call");
    let spec = CallSpec {
        kind: layout::CallKind::Query,
        group: "psycopg",
        name: "SELECT 1",
    };
    let call = recording.call(&spec).unwrap();
    for length in 1..=100 {
        call.start();
        call.finish(CallEnd {
            nanos: length * MILLIS,
            outcome: CallOutcome::Ok,
            held_loop: false,
        });
    }
    let facts = told(&mut WatchedTables::default(), &mut reader, 0);
    let [Fact::CallReading { reading, .. }] = &facts[..] else {
        panic!("{facts:?}");
    };
    assert_eq!(
        (reading.call.kind, reading.finished),
        (CallKind::Query, 100)
    );
    let near = |nanos: Option<u64>, millis: u64| {
        nanos.is_some_and(|nanos| nanos.abs_diff(millis * MILLIS) <= millis * MILLIS / 4)
    };
    assert!(near(reading.p50_nanos, 50), "{reading:?}");
    assert!(near(reading.p99_nanos, 99), "{reading:?}");
}

#[test]
fn everything_else_is_told_too() {
    let (recording, mut reader) = recording("else");
    recording.announce_adapter(&AdapterSpec {
        name: "asyncio",
        coverage: Coverage::TASKS.with(Coverage::GC),
    });
    let pool = PoolSpec {
        name: "db",
        driver: "asyncpg",
        server: "h",
    };
    recording.pool(&pool).unwrap().waits(7);
    recording.executor("threads").unwrap().submitted(8);
    let gc = recording.gc();
    gc.begins(1, 2, 9);
    let facts = told(&mut WatchedTables::default(), &mut reader, 0);
    let [
        Fact::AdapterSeen { adapter, .. },
        Fact::PoolReading { reading: pool, .. },
        Fact::ExecutorReading {
            reading: executor, ..
        },
        Fact::GcReading { reading: gc, .. },
    ] = &facts[..]
    else {
        panic!("{facts:?}");
    };
    assert!(adapter.tasks && adapter.gc && !adapter.calls);
    assert_eq!((pool.waiting, pool.waiting_since), (1, Some(Nanos(7))));
    assert_eq!((executor.name.as_str(), executor.queued), ("threads", 1));
    assert_eq!((gc.pause_since, gc.generation), (Some(Nanos(1)), 2));
}

#[test]
fn what_found_no_room_is_said() {
    let (recording, mut reader) = recording("room");
    for number in 0..layout::POOL_CAPACITY + 2 {
        let name = format!("pool-{number}");
        let spec = PoolSpec {
            name: &name,
            ..PoolSpec::default()
        };
        recording.pool(&spec);
    }
    let facts = told(&mut WatchedTables::default(), &mut reader, 0);
    let lost = facts.iter().find_map(|fact| match fact {
        Fact::Lost { what, count, .. } => Some((what.as_str(), *count)),
        _ => None,
    });
    assert_eq!(lost, Some(("pools", 2)));
}
