//! Processes that the agent stayed out of: said once, and held against nobody.

use crate::{
    observation::{
        AgentlessPart, Ending, Fact, ProcessKey, ProcessRuntime, TaskInfo, TaskSiteReading,
    },
    report::{IncidentKind, Severity, Status},
    testing::{Bench, millis, process_key, work::polls},
};

fn missing(bench: &mut Bench, at: u64, process: ProcessKey) {
    let reason = "it was started with -I, which isolates it".to_owned();
    let part = AgentlessPart::Process;
    bench.at(
        at,
        Fact::Agentless {
            process,
            part,
            reason,
        },
    );
}

#[test]
fn a_process_without_its_agent_is_said_to_be_watched_by_its_loops_alone() {
    let mut bench = Bench::new();
    let process = bench.process;
    missing(&mut bench, 1_000, process);
    let incident = bench.only(1_100);
    assert_eq!(
        (incident.kind, incident.severity),
        (IncidentKind::ObserverDegraded, Severity::Info)
    );
    let report = bench.report(1_100);
    assert_eq!(report.status, Status::Healthy);
    let [note] = &report.detailed_health.agent.notes[..] else {
        panic!("{:?}", report.detailed_health.agent.notes);
    };
    assert!(
        note.starts_with("tasks and calls of ") && note.ends_with("which isolates it"),
        "{note}"
    );
}

#[test]
fn workers_that_were_started_alike_are_told_of_once() {
    let mut bench = Bench::new();
    let workers = [process_key(42), process_key(43)];
    for worker in workers {
        bench.see_process(worker, ProcessRuntime::Python, None);
        missing(&mut bench, 1_000, worker);
    }
    let notes = |bench: &Bench, at| bench.report(at).detailed_health.agent.notes.len();
    assert_eq!((bench.incidents(1_100).len(), notes(&bench, 1_100)), (1, 1));
    bench.gone(2_000, workers[0], Ending::Exited(0));
    assert_eq!(notes(&bench, 2_100), 1, "the other one is still there");
    bench.gone(3_000, workers[1], Ending::Exited(0));
    assert_eq!(notes(&bench, 3_100), 0);
}

#[test]
fn an_old_task_is_shown_with_where_it_waits_until_it_is_another_one() {
    let mut bench = Bench::adapted();
    let reading = |second: u64| TaskSiteReading {
        spawned: 1,
        oldest_started: Some(millis(second * 1_000)),
        ..polls()
    };
    bench.site(1_000, 0, reading(1));
    let task = TaskInfo {
        name: "Task-7".into(),
        address: 4_096,
        await_chain: Vec::new(),
        awaited_by: Vec::new(),
    };
    let process = bench.process;
    bench.at(
        9_000,
        Fact::TaskWaits {
            process,
            slot: 0,
            task: Some(Box::new(task)),
        },
    );
    let shown = |bench: &Bench| {
        let tasks = bench.report(9_000).detailed_health.tasks.unwrap();
        tasks.sites[0].oldest_task.clone().map(|task| task.name)
    };
    assert_eq!(shown(&bench).as_deref(), Some("Task-7"));
    let monitoring = bench.report(9_000).monitoring;
    assert_eq!(monitoring.oldest_task_seconds, Some(8.0));
    bench.site(10_000, 0, reading(9));
    assert_eq!(shown(&bench), None);
}
