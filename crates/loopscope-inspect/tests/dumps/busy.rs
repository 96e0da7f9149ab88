//! A process that never rests, dumped again and again.

use std::collections::{BTreeMap, BTreeSet};

use loopscope_inspect::{
    Dump, DumpMode, DumpedTask, Frame, Inspector, LoopState, TaskState, WaitTarget,
};

use crate::pythons::{self, Python};
use crate::support::Program;
use crate::unharmed::Busy;

const PARKED: usize = 40;
const WORKERS: usize = 4;

/// Dumps of the newest interpreter's program; `LOOPSCOPE_TEST_DUMPS` sets another number.
const DUMPS: usize = 1000;

/// After so many dumps the program is asked whether it still works.
const DUMPS_BETWEEN_QUESTIONS: usize = 100;

/// The newest interpreter is dumped so often, each other a tenth of it.
fn runs() -> impl Iterator<Item = (&'static Python, usize)> {
    let set = std::env::var("LOOPSCOPE_TEST_DUMPS").ok();
    let dumps = set.map_or(DUMPS, |count| count.parse().expect("a number"));
    let (newest, others) = pythons::all().split_last().expect("an interpreter");
    let others = others.iter().map(move |python| (python, dumps / 10));
    others.chain([(newest, dumps)])
}

#[test]
fn of_a_thousand_dumps_of_a_busy_process_none_is_wrong() {
    for (python, count) in runs() {
        check(python, DumpMode::Stop, count);
    }
}

#[test]
fn a_copy_of_a_busy_process_is_as_true_as_the_process() {
    for (python, count) in runs() {
        check(python, DumpMode::Snapshot, count / 10);
    }
}

fn check(python: &Python, mode: DumpMode, count: usize) {
    let mut busy = Busy::start(python, PARKED, WORKERS);
    let mut inspector = busy.program.attach();
    let mut expected = Expected::new(&busy.program);
    for round in 0..count {
        let dump = inspector.dump(mode).expect("a dump");
        let wrong = expected.wrong_records(&dump);
        let place = || format!("dump {round} of {:?}, {mode:?}", python.version);
        assert!(wrong.is_empty(), "{}: {}", place(), wrong.join("\n"));
        if round % DUMPS_BETWEEN_QUESTIONS == 0 {
            busy.assert_works();
        }
    }
    busy.assert_ends_well();
}

#[test]
fn a_dump_of_a_busy_process_that_runs_on_has_the_tasks_that_stand_still() {
    for (python, count) in runs() {
        let mut busy = Busy::start(python, PARKED, WORKERS);
        let mut inspector = busy.program.attach();
        let expected = Expected::new(&busy.program);
        let most = (0..count / 10)
            .map(|_| right_in_live_dump(&mut inspector, &expected))
            .max();
        assert_eq!(most, Some(PARKED));
        busy.assert_works();
        busy.assert_ends_well();
    }
}

/// How many of the parked tasks are in a dump. One that is must be right, since it never changes.
fn right_in_live_dump(inspector: &mut Inspector, expected: &Expected) -> usize {
    let dump = inspector.dump(DumpMode::Live).expect("a dump");
    let is_parked = |task: &&DumpedTask| name(task).starts_with("parked ");
    let parked: Vec<_> = dump.tasks.iter().filter(is_parked).collect();
    let wrong = parked.iter().find(|task| !expected.is_parked(task));
    assert!(wrong.is_none(), "{wrong:#?}");
    parked.len()
}

/// What an instant of the program can look like.
struct Expected {
    /// The chain of a parked task.
    parked: Vec<Frame>,
    /// The program's part of the chain of a task that comes and goes, while it waits.
    churn: Vec<Frame>,
    /// The functions of that chain, asyncio's own included.
    churn_functions: Vec<&'static str>,
    /// Where the parked tasks are.
    addresses: BTreeMap<String, u64>,
    /// The last round of each worker that was seen.
    rounds: BTreeMap<String, u64>,
}

impl Expected {
    fn new(program: &Program) -> Self {
        let frames = |functions: &[&str]| {
            let frames = functions
                .iter()
                .map(|function| program.frame(function, true));
            frames.collect::<Vec<_>>()
        };
        Self {
            parked: frames(&["parked", "inner"]),
            churn: frames(&["churn", "second", "third"]),
            churn_functions: vec!["churn", "second", "third", "sleep", "__sleep0"],
            addresses: BTreeMap::new(),
            rounds: BTreeMap::new(),
        }
    }

    fn wrong_records(&mut self, dump: &Dump) -> Vec<String> {
        let mut wrong = dump.problems.clone();
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
        let is_wrong = |task: &&DumpedTask| task.problem.is_some() || !self.is_possible(task);
        wrong.extend(
            dump.tasks
                .iter()
                .filter(is_wrong)
                .map(|task| format!("{task:?}")),
        );
        wrong.extend(self.wrong_crowd(dump));
        wrong.extend(wrong_loop(dump));
        wrong.extend(self.wrong_rounds(dump));
        wrong
    }

    fn is_possible(&self, task: &DumpedTask) -> bool {
        match name(task).split(' ').next() {
            Some("parked") => self.is_parked(task),
            Some("churn" | "part") => self.is_churn(task),
            Some("worker") => is_alive(task) && first_function(task) == Some("worker"),
            // The task of `main`, which nobody gave a name.
            Some(name) => name.starts_with("Task-") && is_alive(task),
            None => false,
        }
    }

    fn is_parked(&self, task: &DumpedTask) -> bool {
        task.state == TaskState::Pending
            && task.await_chain == self.parked
            && matches!(target(task), Some(WaitTarget::Future { .. }))
    }

    /// A task that comes and goes is in any state, but never waits for anything: it yields.
    fn is_churn(&self, task: &DumpedTask) -> bool {
        let functions: Vec<_> = task
            .await_chain
            .iter()
            .map(|frame| &*frame.function)
            .collect();
        match (&task.state, target(task)) {
            (TaskState::Pending, Some(WaitTarget::FirstStep)) => functions == ["churn"],
            (TaskState::Pending, Some(WaitTarget::NextStep)) => {
                task.await_chain.starts_with(&self.churn) && functions == self.churn_functions
            }
            (TaskState::Running, None) => self.churn_functions.starts_with(&functions),
            (TaskState::Done, None) => functions.is_empty(),
            _ => false,
        }
    }

    /// All parked tasks are there, where they always were, and all workers.
    fn wrong_crowd(&mut self, dump: &Dump) -> Option<String> {
        let parked = dump
            .tasks
            .iter()
            .filter(|task| name(task).starts_with("parked "));
        let parked: BTreeMap<_, _> = parked
            .map(|task| (name(task).to_owned(), task.address))
            .collect();
        if self.addresses.is_empty() {
            self.addresses.clone_from(&parked);
        }
        let workers = dump
            .tasks
            .iter()
            .filter(|task| name(task).starts_with("worker "));
        let counts = (parked.len(), workers.count());
        let is_right = counts == (PARKED, WORKERS) && parked == self.addresses;
        (!is_right).then(|| format!("parked tasks and workers: {counts:?}"))
    }

    /// The tasks of a worker are all of its last two rounds, and rounds go up.
    fn wrong_rounds(&mut self, dump: &Dump) -> Vec<String> {
        let mut seen: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for task in &dump.tasks {
            if let ["churn" | "part", worker, round] = *name(task).split(' ').collect::<Vec<_>>() {
                let rounds = seen.entry(worker.to_owned()).or_default();
                rounds.insert(round.parse().expect("a number"));
            }
        }
        let mut wrong = Vec::new();
        for (worker, rounds) in seen {
            let (first, last) = (*rounds.first().unwrap(), *rounds.last().unwrap());
            let before = self.rounds.insert(worker, last).unwrap_or(0);
            if first + 1 < before || last > first + 1 || last < before {
                wrong.push(format!("rounds {rounds:?} after {before}"));
            }
        }
        wrong
    }
}

/// There is one loop, on a thread of its own, and at most one task runs on it.
fn wrong_loop(dump: &Dump) -> Option<String> {
    let running: Vec<_> = dump
        .tasks
        .iter()
        .filter(|task| task.state == TaskState::Running)
        .map(|task| task.address)
        .collect();
    let [event_loop] = dump.loops.as_slice() else {
        return Some(format!("loops: {:?}", dump.loops));
    };
    let thread = event_loop.thread.and_then(|index| dump.thread(index));
    let thread_name = thread.and_then(|thread| thread.name.as_deref());
    let current = match event_loop.state {
        LoopState::Running { task } => task.and_then(|index| dump.task(index)),
        LoopState::Idle => None,
        _ => return Some(format!("{event_loop:?}")),
    };
    let is_right = thread_name == Some("loop")
        && running.len() <= 1
        && running
            .iter()
            .all(|address| current.is_some_and(|task| task.address == *address));
    (!is_right).then(|| format!("tasks {running:?} run on {event_loop:?}"))
}

fn name(task: &DumpedTask) -> &str {
    task.name.as_deref().unwrap_or("")
}

fn target(task: &DumpedTask) -> Option<&WaitTarget> {
    task.waits_for.as_ref().map(|wait| &wait.target)
}

fn is_alive(task: &DumpedTask) -> bool {
    matches!(task.state, TaskState::Pending | TaskState::Running)
}

fn first_function(task: &DumpedTask) -> Option<&str> {
    Some(&*task.await_chain.first()?.function)
}
