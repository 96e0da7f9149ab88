//! Whatever the order of facts: no panic, at most one open stall a loop, no negative length, and a busy
//! period that is over stays over.

use std::collections::BTreeMap;

use loopscope_engine::{
    ChangeKind, Config, Engine,
    observation::{
        AwaitingTask, Ending, Fact, Frame, Gil, InsideLoop, LoopInfo, LoopKey, LoopReading,
        LoopRuntime, Observation, ProcessInfo, ProcessKey, ProcessRuntime, Resources, RunState,
        Sample, TaskInfo, ThreadState,
    },
    report::{Incident, IncidentKind, Report},
    time::{Nanos, WallAnchor},
};
use proptest::{collection::vec, option, prelude::*};

#[path = "properties/servers.rs"]
mod servers;
#[path = "properties/work.rs"]
mod work;

const MILLI: u64 = 1_000_000;

fn process() -> impl Strategy<Value = ProcessKey> {
    (1..4_u32, 0..2_u32).prop_map(|(pid, image)| ProcessKey {
        pid,
        start_ticks: 7,
        image,
    })
}

fn loop_key() -> impl Strategy<Value = LoopKey> {
    let parts = (process(), 0..2_u32, 0..2_u32);
    parts.prop_map(|(process, slot, generation)| LoopKey {
        process,
        slot,
        generation,
    })
}

/// Few distinct times, so that periods meet: multiples of 40 ms up to 12 s.
fn time() -> impl Strategy<Value = Nanos> {
    (0..300_u64).prop_map(|step| Nanos(step * 40 * MILLI))
}

fn frame() -> impl Strategy<Value = Frame> {
    let files = prop::sample::select(vec![
        "/srv/app.py",
        "/usr/lib/python3.11/asyncio/events.py",
        "/venv/lib/python3.12/site-packages/requests/api.py",
        "node:fs",
        "",
    ]);
    let functions = prop::sample::select(vec!["Handle._run", "handler", "get", ""]);
    let calls = prop::sample::select(vec!["time.sleep", "requests.get", "loop.run_forever", ""]);
    (files, 0..3_u32, functions, any::<bool>(), vec(calls, 0..2)).prop_map(
        |(file, line, function, is_coroutine, calls)| Frame {
            file: file.into(),
            line,
            function: function.into(),
            is_coroutine,
            calls: calls.into_iter().map(Into::into).collect(),
        },
    )
}

fn gil() -> impl Strategy<Value = Gil> {
    prop_oneof![
        Just(Gil::Own),
        Just(Gil::Free),
        Just(Gil::Unknown),
        (0..2_u32, vec(frame(), 0..3))
            .prop_map(|(thread_id, frames)| Gil::Other { thread_id, frames }),
    ]
}

fn thread() -> impl Strategy<Value = ThreadState> {
    let run_state = prop::sample::select(vec![
        RunState::Runnable,
        RunState::Sleeping,
        RunState::DiskSleep,
        RunState::Stopped,
        RunState::Unknown,
    ]);
    let syscall = option::of(prop::sample::select(vec![0, 7, 98, 202, 230, 9_999]));
    let kernel = (
        run_state,
        syscall,
        any::<bool>(),
        any::<u64>(),
        any::<u64>(),
    );
    kernel.prop_map(
        |(run_state, syscall, awaits_gil, cpu_nanos, runqueue_nanos)| ThreadState {
            run_state,
            syscall,
            awaits_gil,
            cpu_nanos,
            runqueue_nanos,
        },
    )
}

fn task() -> impl Strategy<Value = TaskInfo> {
    (0..3_u64, vec(frame(), 0..2), vec(awaiting(), 0..2)).prop_map(
        |(address, await_chain, awaited_by)| TaskInfo {
            name: "Task".into(),
            address,
            await_chain,
            awaited_by,
        },
    )
}

fn awaiting() -> impl Strategy<Value = AwaitingTask> {
    (1..3_u32, vec(frame(), 0..2)).prop_map(|(level, await_chain)| AwaitingTask {
        name: "Waiting".into(),
        level,
        await_chain,
    })
}

fn sample() -> impl Strategy<Value = Sample> {
    // Mostly inside: a look from outside ends its period and with it the interesting part.
    let inside = prop_oneof![
        8 => Just(InsideLoop::Yes),
        3 => Just(InsideLoop::Unknown),
        1 => Just(InsideLoop::No),
        1 => Just(InsideLoop::Starting),
    ];
    let error = option::of(Just("could not be read".to_owned()));
    let callback = option::of(0..3_u64);
    (
        inside,
        vec(frame(), 0..5),
        option::of(task()),
        callback,
        gil(),
        thread(),
        error,
    )
        .prop_map(
            |(inside_loop, frames, task, callback, gil, thread, error)| Sample {
                inside_loop,
                frames,
                task,
                callback,
                gil,
                thread,
                error,
            },
        )
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        Just(Ending::Exited(0)),
        Just(Ending::Exited(3)),
        Just(Ending::Signaled(9)),
        Just(Ending::Closed),
        Just(Ending::Vanished),
    ]
}

fn process_seen() -> impl Strategy<Value = Fact> {
    let runtime = prop::sample::select(vec![
        ProcessRuntime::Python,
        ProcessRuntime::Python,
        ProcessRuntime::Node,
        ProcessRuntime::Native,
    ]);
    let reason = option::weighted(0.2, Just("not allowed".to_owned()));
    (process(), runtime, reason).prop_map(|(process, runtime, uninspectable)| {
        let info = ProcessInfo {
            name: "app".into(),
            runtime,
            parent_pid: 1,
            started: Nanos(0),
            uninspectable,
        };
        Fact::ProcessSeen { process, info }
    })
}

fn loop_seen() -> impl Strategy<Value = Fact> {
    let runtime = prop::sample::select(vec![
        LoopRuntime::Asyncio,
        LoopRuntime::Uvloop,
        LoopRuntime::Epoll,
        LoopRuntime::Poll,
    ]);
    (loop_key(), runtime, 0..2_u32).prop_map(|(key, runtime, thread_id)| {
        let info = LoopInfo {
            name: "main".into(),
            runtime,
            thread_id,
        };
        Fact::LoopSeen { key, info }
    })
}

fn reading() -> impl Strategy<Value = LoopReading> {
    (option::of(time()), time(), 0..1_000_u64).prop_map(|(busy_since, last_beat, figure)| {
        LoopReading {
            busy_since,
            last_beat,
            iterations: figure,
            busy_nanos: figure * MILLI,
            idle_nanos: figure * MILLI,
            longest_busy_nanos: figure,
            stalls: figure,
            runtime: None,
        }
    })
}

fn fact() -> impl Strategy<Value = Fact> {
    let stopped = (process(), any::<bool>())
        .prop_map(|(process, stopped)| Fact::ProcessStopped { process, stopped });
    let resources = (process(), 0..1_000_u64).prop_map(|(process, figure)| {
        let resources = Resources {
            rss_bytes: figure,
            cpu_nanos: figure,
            threads: 1,
            ..Resources::default()
        };
        Fact::ProcessResources { process, resources }
    });
    let gone =
        (process(), ending()).prop_map(|(process, ending)| Fact::ProcessGone { process, ending });
    let sampled =
        (loop_key(), time(), sample()).prop_map(|(key, busy_since, sample)| Fact::Sampled {
            key,
            busy_since,
            sample: Box::new(sample),
        });
    let ended = (loop_key(), time(), time()).prop_map(|(key, started, ended)| Fact::BusyEnded {
        key,
        started,
        ended,
    });
    let looks = vec((time(), sample()), 0..3);
    let before = (loop_key(), time(), time(), looks).prop_map(|(key, started, ended, looks)| {
        Fact::BusyBefore {
            key,
            started,
            ended,
            looks,
        }
    });
    let lost = prop::sample::select(vec!["processes", "loops", "stall records"]).prop_map(|what| {
        Fact::Lost {
            what: what.into(),
            count: 1,
            detail: None,
        }
    });
    prop_oneof![
        4 => process_seen(),
        5 => loop_seen(),
        1 => stopped,
        1 => resources,
        1 => gone,
        1 => Just(Fact::ShuttingDown),
        8 => (loop_key(), reading()).prop_map(|(key, reading)| Fact::LoopReading { key, reading }),
        1 => loop_key().prop_map(|key| Fact::LoopGone { key }),
        20 => sampled,
        8 => ended,
        2 => before,
        1 => lost,
        14 => work::fact(),
        4 => servers::fact(),
        1 => time().prop_map(|by| Fact::ObserverLate { by }),
    ]
}

fn observations() -> impl Strategy<Value = Vec<Observation>> {
    vec(
        (time(), fact()).prop_map(|(at, fact)| Observation { at, fact }),
        0..120,
    )
}

fn in_order(mut observations: Vec<Observation>) -> Vec<Observation> {
    observations.sort_by_key(|observation| observation.at);
    observations
}

fn engine() -> Engine {
    let anchor = WallAnchor {
        monotonic: Nanos(0),
        unix_nanos: 1_700_000_000_000_000_000,
    };
    let config = Config {
        max_incidents: 200,
        ..Config::default()
    };
    Engine::new(config, "shop".into(), "0.1.0", anchor, Nanos(0))
}

fn open_stalls(report: &Report) -> BTreeMap<String, usize> {
    let mut open = BTreeMap::new();
    for incident in report
        .incidents
        .iter()
        .filter(|incident| incident.kind == IncidentKind::LoopStall && incident.closed_at.is_none())
    {
        if let Some(loop_ref) = &incident.r#loop {
            *open.entry(loop_ref.id.clone()).or_default() += 1;
        }
    }
    open
}

fn check(incident: &Incident) -> Result<(), TestCaseError> {
    prop_assert!(incident.duration_seconds >= 0.0 && incident.longest_seconds >= 0.0);
    prop_assert!(incident.duration_seconds >= incident.longest_seconds - 1e-5);
    prop_assert!(incident.count >= 1);
    prop_assert!(
        incident
            .closed_at
            .is_none_or(|closed| closed >= incident.opened_at)
    );
    prop_assert_eq!(
        incident.cause.is_some(),
        incident.kind == IncidentKind::LoopStall
    );
    prop_assert!(!incident.summary.is_empty());
    Ok(())
}

/// A fault that lasts is one open incident, however often it is heard of.
fn assert_each_fault_is_open_once(report: &Report) -> Result<(), TestCaseError> {
    let mut open = BTreeMap::new();
    for incident in report.incidents.iter().filter(|i| i.closed_at.is_none()) {
        let on = incident.r#loop.as_ref().map(|on| &on.id);
        let which = (
            incident.kind,
            incident.process.pid,
            on,
            &incident.fingerprint,
        );
        *open.entry(which).or_insert(0) += 1;
    }
    let lasting = open.into_iter().filter(|((kind, ..), _)| {
        matches!(kind, IncidentKind::TaskFailure | IncidentKind::MemoryHigh)
    });
    for (which, times) in lasting {
        prop_assert!(times == 1, "{which:?} is open {times} times");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_leaves_the_engine_whole(observations in observations()) {
        let mut engine = engine();
        for observation in &observations {
            engine.observe(observation);
            let report = engine.final_report(observation.at);
            for (loop_id, open) in open_stalls(&report) {
                prop_assert!(open <= 1, "{loop_id} has {open} open stalls");
            }
            assert_each_fault_is_open_once(&report)?;
        }
        let report = engine.final_report(Nanos::from_millis(13_000));
        for incident in &report.incidents {
            check(incident)?;
        }
        let text = serde_json::to_string(&report).unwrap();
        prop_assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        engine.probes(Nanos::from_millis(13_000));
    }

    #[test]
    fn an_ended_period_is_counted_once_however_often_it_is_heard_of(
        observations in observations(),
        key in loop_key(),
        started in time(),
        looks in vec(sample(), 0..4),
    ) {
        let mut engine = engine();
        for observation in in_order(observations) {
            engine.observe(&observation);
        }
        let at = Nanos::from_millis(20_000);
        let ended = started.plus(Nanos::from_millis(300));
        let tell = |engine: &mut Engine, fact| engine.observe(&Observation { at, fact });
        tell(&mut engine, Fact::BusyEnded { key, started, ended });
        engine.take_changes();
        let before = engine.final_report(at);
        for sample in looks {
            let sample = Box::new(sample);
            tell(&mut engine, Fact::Sampled { key, busy_since: started, sample });
        }
        let reading = LoopReading { busy_since: Some(started), last_beat: started, ..Default::default() };
        tell(&mut engine, Fact::LoopReading { key, reading });
        tell(&mut engine, Fact::BusyEnded { key, started, ended });
        let after = engine.final_report(at);
        prop_assert_eq!(before.monitoring.total_stalls, after.monitoring.total_stalls);
        let opened = engine.take_changes().into_iter().filter(|c| c.kind == ChangeKind::Opened);
        prop_assert_eq!(opened.count(), 0);
    }

    #[test]
    fn no_work_lasts_in_a_process_that_is_gone(observations in observations()) {
        let mut engine = engine();
        for observation in in_order(observations) {
            engine.observe(&observation);
        }
        let at = work::long_after(Nanos::from_millis(13_000));
        for (pid, image) in (1..4).flat_map(|pid| [(pid, 0), (pid, 1)]) {
            let process = ProcessKey { pid, start_ticks: 7, image };
            let fact = Fact::ProcessGone { process, ending: Ending::Closed };
            engine.observe(&Observation { at, fact });
        }
        let open = engine.final_report(at).incidents.into_iter().filter(|i| i.closed_at.is_none());
        let lasting = open.filter(|incident| {
            // A loop may be heard of in a process that was gone before, and a server outlives them all.
            !matches!(
                incident.kind,
                IncidentKind::DatabaseLock
                    | IncidentKind::IdleTransaction
                    | IncidentKind::ServerConnections
                    | IncidentKind::ServerUnreachable
                    | IncidentKind::ProcessDied
                    | IncidentKind::ObserverDegraded
                    | IncidentKind::LoopStall
            )
        });
        prop_assert_eq!(lasting.count(), 0);
    }

    #[test]
    fn the_same_observations_give_the_same_report(observations in observations()) {
        let run = || {
            let mut engine = engine();
            for observation in &observations {
                engine.observe(observation);
            }
            (engine.final_report(Nanos::from_millis(13_000)), engine.take_changes())
        };
        prop_assert_eq!(run(), run());
    }
}
