//! A target that never rests, dumped again and again, and one with very many tasks.

use std::collections::BTreeSet;

use loopscope_inspect::{Dump, DumpMode, DumpedTask, TaskState, WaitTarget};
use serde::Deserialize;

use crate::pythons;
use crate::support::Program;

const PARKED: usize = 200;

/// Dumps of each interpreter's target; `LOOPSCOPE_TEST_DUMPS` sets another number.
const DUMPS: usize = 1000;

#[derive(Debug, Deserialize)]
struct Work {
    rounds: u64,
    wrong: u64,
}

fn dumps() -> usize {
    let set = std::env::var("LOOPSCOPE_TEST_DUMPS").ok();
    set.map_or(DUMPS, |count| count.parse().expect("a number"))
}

fn work(program: &mut Program) -> Work {
    serde_json::from_str(&program.go_on()).expect("the program answers")
}

#[test]
fn a_busy_target_is_dumped_a_thousand_times_without_a_wrong_record() {
    let pythons = pythons::all();
    let share = dumps().div_ceil(pythons.len());
    for python in pythons {
        let arguments = [&PARKED.to_string() as &str];
        let mut program = Program::start(python, "busy_tasks.py", &arguments);
        let mut inspector = program.attach();
        let mut before = work(&mut program);
        for round in 0..share {
            let dump = inspector.dump(DumpMode::Stop).expect("a dump");
            let wrong = wrong_records(&program, &dump);
            assert!(wrong.is_empty(), "dump {round}: {wrong:#?}");
            if round % 50 == 49 {
                let now = work(&mut program);
                assert!(now.rounds > before.rounds, "the target stands still");
                before = now;
            }
        }
        assert_eq!(work(&mut program).wrong, 0);
        assert!(
            is_free(program.pid()),
            "the target is left stopped or traced"
        );
    }
}

/// What no instant of the target looks like.
fn wrong_records(program: &Program, dump: &Dump) -> Vec<String> {
    let mut wrong = dump.problems.clone();
    let parked: BTreeSet<&str> = names(dump, "parked ");
    if parked.len() != PARKED || names(dump, "worker ").len() != 4 {
        wrong.push(format!("{} parked tasks", parked.len()));
    }
    let chain = ["parked", "inner"].map(|function| program.frame(function, true));
    for task in &dump.tasks {
        let name = task.name.as_deref().unwrap_or("no name");
        let is_right = match name.split(' ').next() {
            _ if task.problem.is_some() => false,
            Some("parked") => is_parked(task) && task.await_chain == chain,
            Some("churn") => is_churn(task),
            // Up to 3.12 a task has its name an instant after it is made.
            Some(name) if name.starts_with("Task-") => is_new(task),
            // Up to 3.12 a task has its name an instant after it is made.
            Some(name) if name.starts_with("Task-") => is_new(task),
            Some("worker" | "main") => {
                matches!(task.state, TaskState::Pending | TaskState::Running)
            }
            _ => false,
        };
        if !is_right {
            wrong.push(format!("{task:?}"));
        }
    }
    let running = |task: &&DumpedTask| task.state == TaskState::Running;
    if dump.tasks.iter().filter(running).count() > 1 {
        wrong.push("two tasks run on one loop".to_owned());
    }
    wrong.extend(
        dump.threads
            .iter()
            .filter_map(|thread| thread.problem.clone()),
    );
    wrong.extend(
        dump.loops
            .iter()
            .filter_map(|event_loop| event_loop.problem.clone()),
    );
    wrong
}

fn names<'dump>(dump: &'dump Dump, start: &str) -> BTreeSet<&'dump str> {
    let names = dump.tasks.iter().filter_map(|task| task.name.as_deref());
    names.filter(|name| name.starts_with(start)).collect()
}

fn is_parked(task: &DumpedTask) -> bool {
    let target = task.waits_for.as_ref().map(|wait| &wait.target);
    task.state == TaskState::Pending && matches!(target, Some(WaitTarget::Future { .. }))
}

fn is_new(task: &DumpedTask) -> bool {
    let target = task.waits_for.as_ref().map(|wait| &wait.target);
    task.state == TaskState::Pending && target == Some(&WaitTarget::FirstStep)
}

/// A task that comes and goes is in any state, but never waits for anything: it yields.
fn is_churn(task: &DumpedTask) -> bool {
    let target = task.waits_for.as_ref().map(|wait| &wait.target);
    match task.state {
        TaskState::Pending => {
            matches!(target, Some(WaitTarget::FirstStep | WaitTarget::NextStep))
        }
        TaskState::Running | TaskState::Done => target.is_none(),
        _ => false,
    }
}

/// Whether a process is neither stopped nor traced.
fn is_free(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    field("TracerPid:") == "0" && !field("State:").starts_with(['T', 't'])
}

#[test]
fn ten_thousand_tasks_are_all_told() {
    for python in pythons::all() {
        let program = Program::start(python, "busy_tasks.py", &["10000"]);
        let mut inspector = program.attach();
        for mode in [DumpMode::Stop, DumpMode::Snapshot] {
            let dump = inspector.dump(mode).expect("a dump");
            assert_eq!(names(&dump, "parked ").len(), 10_000);
            let chain = ["parked", "inner"].map(|function| program.frame(function, true));
            let parked = |task: &&DumpedTask| {
                task.name
                    .as_ref()
                    .is_some_and(|name| name.starts_with("parked "))
            };
            let mut tasks = dump.tasks.iter().filter(parked);
            assert!(tasks.all(|task| is_parked(task) && task.await_chain == chain));
            assert_eq!(dump.problems, Vec::<String>::new());
        }
    }
}
