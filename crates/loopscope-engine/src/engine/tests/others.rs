//! Deaths of processes, losses of the observer, and what keeps memory bounded.

use crate::{
    ChangeKind::{Closed, Opened},
    Config,
    observation::{Ending, Fact, LoopKey, LoopRuntime, ProcessRuntime},
    report::{IncidentKind, ProcessState, Severity, Status},
    testing::{Bench, engine, millis, process_key},
};

fn with_worker() -> (Bench, crate::observation::ProcessKey) {
    let mut bench = Bench::new();
    let worker = process_key(42);
    bench.see_process(worker, ProcessRuntime::Python, None);
    (bench, worker)
}

fn death(main: bool, ending: Ending) -> Option<Severity> {
    let (mut bench, worker) = with_worker();
    let process = if main { bench.process } else { worker };
    bench.gone(1_000, process, ending);
    let incidents = bench.incidents(1_000);
    assert!(
        incidents
            .iter()
            .all(|incident| incident.kind == IncidentKind::ProcessDied)
    );
    incidents.first().map(|incident| incident.severity)
}

#[test]
fn a_death_is_as_bad_as_what_died_and_how() {
    assert_eq!(death(true, Ending::Signaled(9)), Some(Severity::Critical));
    assert_eq!(death(true, Ending::Vanished), Some(Severity::Critical));
    assert_eq!(death(true, Ending::Exited(1)), Some(Severity::Degraded));
    assert_eq!(death(true, Ending::Exited(0)), None);
    assert_eq!(death(true, Ending::Closed), None);
    assert_eq!(death(false, Ending::Signaled(9)), Some(Severity::Degraded));
    assert_eq!(death(false, Ending::Vanished), Some(Severity::Degraded));
    assert_eq!(death(false, Ending::Exited(1)), None);
}

#[test]
fn a_process_that_was_told_to_end_did_not_die() {
    let (mut bench, worker) = with_worker();
    bench.at(900, Fact::ShuttingDown);
    bench.gone(1_000, worker, Ending::Signaled(15));
    bench.gone(1_001, bench.process, Ending::Signaled(15));
    assert_eq!(bench.incidents(2_000), []);
    assert_eq!(bench.report(2_000).status, Status::Healthy);
}

#[test]
fn a_dead_main_process_stays_critical_and_a_dead_worker_is_recent_news() {
    let (mut bench, worker) = with_worker();
    bench.gone(1_000, worker, Ending::Signaled(9));
    assert_eq!(bench.changes(), [Opened, Closed]);
    assert_eq!(bench.report(1_500).status, Status::Degraded);
    assert_eq!(bench.report(61_001).status, Status::Healthy);
    bench.gone(2_000, bench.process, Ending::Signaled(11));
    let report = bench.report(9_000_000);
    assert_eq!(report.status, Status::Critical);
    assert_eq!(
        report.issues,
        ["the main process app (pid 41) was killed by signal 11"]
    );
    assert_eq!(report.components["processes"], Status::Critical);
    let main = &report.detailed_health.processes[0];
    assert_eq!((main.state, main.signal), (ProcessState::Killed, Some(11)));
    assert!(!bench.engine.probes(millis(3_000)).ready.passes);
}

#[test]
fn an_exec_of_the_main_process_leaves_it_the_main_process() {
    let mut bench = Bench::new();
    let second = crate::observation::ProcessKey {
        image: 1,
        ..bench.process
    };
    bench.gone(500, bench.process, Ending::Closed);
    bench.see_process(second, ProcessRuntime::Python, None);
    assert!(bench.engine.probes(millis(600)).ready.passes);
    bench.gone(1_000, second, Ending::Signaled(9));
    assert_eq!(bench.only(1_000).severity, Severity::Critical);
}

#[test]
fn a_loss_is_counted_and_is_one_incident_for_each_kind() {
    let mut bench = Bench::new();
    let lost = |count| Fact::Lost {
        what: "stall records".into(),
        count,
        detail: None,
    };
    bench.at(100, lost(3));
    bench.at(200, lost(4));
    let report = bench.report(300);
    assert_eq!(report.detailed_health.agent.dropped["stall records"], 7);
    assert_eq!((report.incidents.len(), report.incidents[0].count), (1, 2));
    assert_eq!(report.status, Status::Degraded);
    assert_eq!(
        report.issues[0],
        "lost to the watching: 7 stall records, last 0.10 s ago"
    );
    assert_eq!(bench.report(61_000).status, Status::Healthy);
}

#[test]
fn a_report_is_never_healthy_about_processes_that_nobody_watches() {
    let mut bench = Bench::new();
    let detail = Some("pid 77 is statically linked; start it without".to_owned());
    bench.at(
        100,
        Fact::Lost {
            what: "processes".into(),
            count: 1,
            detail,
        },
    );
    bench.at(
        200,
        Fact::Lost {
            what: "processes".into(),
            count: 1,
            detail: None,
        },
    );
    let report = bench.report(10_000_000);
    assert_eq!(
        (report.status, report.components["agent"]),
        (Status::Degraded, Status::Degraded)
    );
    assert_eq!(report.incidents.len(), 1);
    assert_eq!(report.detailed_health.agent.notes.len(), 1);
}

#[test]
fn stacks_out_of_reach_are_said_and_do_not_colour_the_status() {
    let mut bench = Bench::new();
    bench.see_process(
        bench.process,
        ProcessRuntime::Python,
        Some("ptrace is not allowed"),
    );
    let note = "the stacks of app (pid 41) cannot be read: ptrace is not allowed";
    let report = bench.report(1_000);
    assert_eq!(
        (report.status, report.incidents[0].severity),
        (Status::Healthy, Severity::Info)
    );
    assert_eq!(report.issues, [note]);
    assert_eq!(report.detailed_health.agent.notes, [note]);
    bench.see_process(bench.process, ProcessRuntime::Python, None);
    assert!(bench.report(1_000).detailed_health.agent.notes.is_empty());
}

#[test]
fn a_process_without_the_pulse_is_said_while_it_lives_and_does_not_colour_the_status() {
    let (mut bench, worker) = with_worker();
    let reason = "it is statically linked; watch another build".to_owned();
    let unwatched = Fact::Unwatched {
        process: worker,
        reason,
    };
    bench.at(100, unwatched.clone());
    bench.at(200, unwatched);
    let note = "app (pid 42) is not watched: it is statically linked; watch another build";
    let report = bench.report(1_000);
    assert_eq!(
        (report.status, report.incidents.len()),
        (Status::Healthy, 1)
    );
    assert_eq!(report.detailed_health.agent.notes, [note]);
    bench.gone(2_000, worker, Ending::Closed);
    assert!(bench.report(2_000).detailed_health.agent.notes.is_empty());
}

#[test]
fn processes_that_come_and_go_for_years_do_not_pile_up() {
    let mut bench = Bench::new();
    bench.engine = engine(Config {
        max_processes: 50,
        max_loops: 60,
        ..Config::default()
    });
    bench.see_process(bench.process, ProcessRuntime::Python, None);
    for pid in 100..1_100 {
        let process = process_key(pid);
        bench.see_process(process, ProcessRuntime::Python, None);
        let key = LoopKey {
            process,
            slot: 0,
            generation: 0,
        };
        bench.see_loop(key, LoopRuntime::Asyncio, pid);
        bench.gone(u64::from(pid), process, Ending::Exited(0));
    }
    let report = bench.report(1_100);
    assert!(report.detailed_health.processes.len() <= 50);
    assert!(report.detailed_health.event_loops.len() <= 60);
    assert_eq!(report.monitoring.processes_count, 1);
    assert_eq!(
        report.detailed_health.agent.dropped.len(),
        0,
        "all of them found room"
    );
    bench.at(100_000, Fact::ObserverLate { by: millis(1) });
    let report = bench.report(100_000);
    assert_eq!(report.detailed_health.processes.len(), 1);
    assert_eq!(report.detailed_health.event_loops.len(), 0);
}

#[test]
fn what_finds_no_room_is_counted() {
    let mut bench = Bench::new();
    bench.engine = engine(Config {
        max_processes: 1,
        max_loops: 1,
        ..Config::default()
    });
    bench.see_process(bench.process, ProcessRuntime::Python, None);
    bench.see_process(process_key(50), ProcessRuntime::Python, None);
    for slot in [0, 1] {
        bench.see_loop(LoopKey { slot, ..bench.key }, LoopRuntime::Asyncio, 1);
    }
    let report = bench.report(10);
    let dropped = &report.detailed_health.agent.dropped;
    assert_eq!((dropped["processes"], dropped["loops"]), (1, 1));
    assert_eq!(report.status, Status::Degraded);
}

#[test]
fn the_main_process_stays_in_the_report_after_its_end() {
    let (mut bench, worker) = with_worker();
    bench.gone(1_000, worker, Ending::Exited(0));
    bench.gone(1_000, bench.process, Ending::Exited(0));
    bench.at(600_000, Fact::ShuttingDown);
    let report = bench.report(600_000);
    let pids: Vec<u32> = report
        .detailed_health
        .processes
        .iter()
        .map(|process| process.pid)
        .collect();
    assert_eq!(pids, [41]);
}
