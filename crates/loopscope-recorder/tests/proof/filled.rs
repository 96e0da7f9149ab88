//! A recording with something in each of its later tables.

use loopscope_recorder::layout::{CallKind, Coverage, FactKind, LoopOwner};
use loopscope_recorder::writer::{
    AdapterSpec, CallEnd, CallOutcome, CallSpec, FactFrame, FactRecord, HolderSpec, PoolSpec,
    Recording, TaskOutcome, TaskSiteSpec,
};

use crate::MILLIS;

/// Writes two task sites, two calls, a pool with two connections, an executor, a pause and three facts.
pub(crate) fn fill(recording: &Recording) {
    recording.announce_adapter(&AdapterSpec {
        name: "asyncio 0.1.0 on CPython 3.12.1",
        coverage: Coverage::TASKS.with(Coverage::CALLS),
    });
    fill_tasks(recording);
    fill_calls(recording);
    fill_pool(recording);
    let threads = recording.executor("asyncio_0").unwrap();
    threads.set_workers(1, 1);
    threads.submitted(MILLIS);
    threads.begun(2 * MILLIS, MILLIS);
    threads.submitted(3 * MILLIS);
    let gc = recording.gc();
    gc.begins(MILLIS, 2, 9);
    gc.ends(5 * MILLIS, 1000);
    for identity in 1..=3 {
        push(recording, identity);
    }
}

fn fill_tasks(recording: &Recording) {
    for (line, coroutine) in [(41, "Bot.poll"), (42, "Bot.send")] {
        let site = TaskSiteSpec {
            owner: LoopOwner::Thread(9),
            file: "/srv/app/bots.py",
            line,
            function: "start_all",
            coroutine,
        };
        let tasks = recording.task_site(&site).unwrap();
        tasks.spawned(5);
        tasks.ended(TaskOutcome::Done, 1);
        tasks.ended(TaskOutcome::Failed, 1);
        tasks.unretrieved(1);
        tasks.set_oldest(Some(7 * MILLIS));
    }
}

fn fill_calls(recording: &Recording) {
    for (kind, group, name) in [
        (CallKind::Call, "agno", "Agent.run"),
        (
            CallKind::Query,
            "psycopg",
            "SELECT * FROM bots WHERE id = ?",
        ),
    ] {
        let call = recording.call(&CallSpec { kind, group, name }).unwrap();
        call.start();
        call.start();
        call.finish(CallEnd {
            nanos: 250 * MILLIS,
            outcome: CallOutcome::Failed,
            held_loop: true,
        });
        call.set_last_error("TimeoutError");
        recording.count_call_error(call.index(), "TimeoutError");
    }
}

fn fill_pool(recording: &Recording) {
    let spec = PoolSpec {
        name: "db",
        driver: "asyncpg",
        server: "127.0.0.1:5432/bots",
    };
    let pool = recording.pool(&spec).unwrap();
    pool.set_sizes(10, 9, 2, 10);
    pool.opened();
    pool.waits(MILLIS);
    pool.acquired(3 * MILLIS, 2 * MILLIS);
    pool.waits(4 * MILLIS);
    pool.open_failed("OperationalError");
    let connection = recording.connection(pool.index(), 77, MILLIS).unwrap();
    let holder = HolderSpec {
        since_nanos: 5 * MILLIS,
        thread_id: 9,
        task: 0x7f00,
        task_name: "Task-7",
        file: "/srv/app/orders.py",
        line: 31,
        function: "buy",
    };
    connection.taken(&holder);
    assert_eq!(connection.returned(), Some(5 * MILLIS));
    pool.released(Some(4 * MILLIS));
    connection.taken(&HolderSpec {
        since_nanos: 9 * MILLIS,
        ..holder
    });
    recording.connection(pool.index(), 0, MILLIS).unwrap();
}

fn push(recording: &Recording, identity: u64) {
    let frame = FactFrame {
        file: "/srv/app/bots.py",
        line: 88,
        function: "Bot.poll",
    };
    recording.push_fact(&FactRecord {
        owner: LoopOwner::Thread(9),
        subject: Some(0),
        thread_id: 9,
        identity,
        started_nanos: 7 * MILLIS,
        ended_nanos: 8 * MILLIS,
        name: "Task-7",
        error_type: "ValueError",
        message: "bad token",
        frames: &[frame, frame],
        ..FactRecord::new(FactKind::TaskFailed)
    });
}
