//! What an adapter writes into its recording is found by who watches that, with nothing in between.
//!
//! The process watched is this test's own: it writes, and looks at what it wrote from outside.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use loopscope_engine::report::{IncidentKind, Report};
use loopscope_engine::time::{Nanos, WallAnchor};
use loopscope_engine::watch::{Scope, WatchOptions, Watcher};
use loopscope_engine::{Config, Engine};
use loopscope_recorder::clock::{monotonic_nanos, unix_nanos};
use loopscope_recorder::folder::RuntimeFolder;
use loopscope_recorder::layout::{CallKind, Coverage, FactKind, LoopOwner, PollKind};
use loopscope_recorder::writer::{
    AdapterSpec, CallEnd, CallOutcome, CallSpec, FactFrame, FactRecord, LoopSpec, Recording,
    RecordingSpec, TaskOutcome, TaskSiteSpec,
};

const MILLIS: u64 = 1_000_000;
const RUN: u64 = 0x7e57;

/// Longer than any look takes on a busy machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

fn recording(folder: &RuntimeFolder) -> Recording {
    let spec = RecordingSpec {
        run_id: RUN,
        service: "bots".into(),
        stall_threshold_nanos: 100 * MILLIS,
        slow_threshold_nanos: 2_000 * MILLIS,
    };
    let recording = Recording::create(folder, &spec).unwrap();
    recording.announce_adapter(&AdapterSpec {
        name: "test 0.1.0",
        coverage: Coverage::TASKS
            .with(Coverage::CALLS)
            .with(Coverage::EXECUTORS),
    });
    recording
}

/// A loop that has come back to its poll often enough to be one.
fn run_a_loop(recording: &Recording, thread_id: u32) {
    let spec = LoopSpec {
        kind: PollKind::Epoll,
        poll_key: 5,
        thread_id,
        thread_name: "main".into(),
    };
    let stamps = recording.claim_loop(&spec).unwrap();
    for _ in 0..5 {
        let now = monotonic_nanos();
        stamps.leave_poll(now, now);
        stamps.enter_poll(now + 1, true);
    }
}

fn fail_a_task(recording: &Recording, thread_id: u32) {
    let site = TaskSiteSpec {
        owner: LoopOwner::Thread(thread_id),
        file: "/srv/bots.py",
        line: 41,
        function: "start_all",
        coroutine: "Bot.poll",
    };
    let tasks = recording.task_site(&site).unwrap();
    tasks.spawned(3);
    tasks.ended(TaskOutcome::Failed, 1);
    tasks.unretrieved(1);
    let now = monotonic_nanos();
    let failed = FactRecord {
        owner: LoopOwner::Thread(thread_id),
        subject: Some(tasks.index()),
        identity: 1,
        started_nanos: now,
        ended_nanos: now,
        name: "Task-7",
        error_type: "ValueError",
        message: "bad token",
        frames: &[FactFrame {
            file: "/srv/bots.py",
            line: 88,
            function: "Bot.poll",
        }],
        ..FactRecord::new(FactKind::TaskFailed)
    };
    assert!(recording.push_fact(&failed));
    let lost = FactRecord::new(FactKind::TaskFailureUnretrieved);
    recording.push_fact(&FactRecord {
        identity: 1,
        ..lost
    });
}

fn hold_the_loop(recording: &Recording, thread_id: u32) {
    let (kind, group, name) = (CallKind::Call, "agno", "Agent.run");
    let call = recording.call(&CallSpec { kind, group, name }).unwrap();
    call.start();
    let end = CallEnd {
        nanos: 250 * MILLIS,
        outcome: CallOutcome::Ok,
        held_loop: true,
    };
    let kind = call.finish(end).unwrap();
    let now = monotonic_nanos();
    recording.push_fact(&FactRecord {
        subject: Some(call.index()),
        thread_id,
        started_nanos: now - end.nanos,
        ended_nanos: now,
        ..FactRecord::new(kind)
    });
}

fn saturate(recording: &Recording) {
    let threads = recording.executor("asyncio_0").unwrap();
    threads.set_workers(1, 1);
    let then = monotonic_nanos() - 2_000 * MILLIS;
    threads.submitted(then);
    threads.begun(then, 0);
    threads.submitted(then);
}

/// Looks until the report is as wanted.
fn watch_until(folder: &RuntimeFolder, is_there: impl Fn(&Report) -> bool) -> Report {
    let start = Nanos(monotonic_nanos());
    let mut watcher = Watcher::new(WatchOptions {
        pulse: None,
        run_id: RUN,
        folder: folder.path().into(),
        main_pid: std::process::id(),
        main_name: "test".into(),
        stall_threshold: Nanos(100 * MILLIS),
        scope: Scope::Run,
    });
    let anchor = WallAnchor {
        monotonic: start,
        unix_nanos: unix_nanos() as i64,
    };
    let mut engine = Engine::new(Config::default(), "bots".into(), "0.1.0", anchor, start);
    let begun = Instant::now();
    loop {
        let now = Nanos(monotonic_nanos());
        let mut seen = Vec::new();
        watcher.look(now, &mut seen);
        for observation in &seen {
            engine.observe(observation);
        }
        let report = engine.final_report(now);
        if is_there(&report) {
            return report;
        }
        assert!(begun.elapsed() < PATIENCE, "{report:#?}");
        std::thread::yield_now();
    }
}

#[test]
fn what_an_adapter_writes_is_found() {
    let path = std::env::temp_dir().join(format!("ls-recorded-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let folder = RuntimeFolder::open(&path).unwrap();
    let recording = recording(&folder);
    let thread_id = std::process::id();
    run_a_loop(&recording, thread_id);
    fail_a_task(&recording, thread_id);
    hold_the_loop(&recording, thread_id);
    saturate(&recording);
    let wanted = [
        IncidentKind::TaskFailure,
        IncidentKind::BlockingCall,
        IncidentKind::ExecutorSaturation,
    ];
    let has = |report: &Report, kind| report.incidents.iter().any(|found| found.kind == kind);
    let report = watch_until(&folder, |report| {
        wanted.iter().all(|kind| has(report, *kind))
    });
    let of = |kind| report.incidents.iter().find(|found| found.kind == kind);
    let failure = of(IncidentKind::TaskFailure).unwrap();
    assert_eq!(failure.culprit.as_ref().unwrap().line, 88);
    let call = of(IncidentKind::BlockingCall).unwrap();
    let on = call.r#loop.as_ref().unwrap();
    assert_eq!((on.name.as_str(), on.runtime.as_str()), ("main", "epoll"));
    assert_eq!(report.monitoring.total_tasks, Some(3));
    assert_eq!(report.monitoring.failed_tasks, Some(1));
    let executors = report.detailed_health.executors.unwrap();
    assert_eq!((executors[0].busy, executors[0].queued), (1, 1));
    assert!(
        !report.components.contains_key("database"),
        "nobody watches it"
    );
    let _ = std::fs::remove_dir_all(&path);
}
