//! Waits: what each task waits for, through whatever stands between, and which of them nothing can end.

use std::sync::Arc;

use super::Resolver;
use crate::asyncio::{ChainEnd, Through};
use crate::dump::graph::Sources;
use crate::dump::walked::WalkedTask;
use crate::dump::{
    DumpedLoop, DumpedTask, LoopState, Orphan, Primitive, TaskIndex, TaskState, Wait, WaitTarget,
};

impl Resolver<'_> {
    pub(super) fn wait(&mut self, task: &WalkedTask) -> (Wait, Vec<usize>) {
        if task.words.waiter.is_some_and(|waiter| self.is_done(waiter)) {
            let wait = Wait {
                target: WaitTarget::NextStep,
                primitive: None,
                due_seconds: None,
            };
            return (wait, Vec::new());
        }
        let sources = match task.words.waiter {
            Some(waiter) if self.graph.index_of(waiter).is_none() => self.graph.sources(waiter),
            _ => Sources::default(),
        };
        let due_seconds = self.due_seconds(task);
        let target = self.target(task, &sources);
        let needed = match (&target, due_seconds) {
            // What a timer ends is no deadlock.
            (_, Some(_)) => Vec::new(),
            (WaitTarget::Task(one), _) if sources.tasks.is_empty() || sources.needs_all => {
                vec![one.0]
            }
            (WaitTarget::Tasks(all), _) if sources.needs_all => {
                all.iter().map(|one| one.0).collect()
            }
            _ => Vec::new(),
        };
        let wait = Wait {
            target,
            primitive: self.primitive(task, &sources),
            due_seconds,
        };
        (wait, needed)
    }

    fn target(&self, task: &WalkedTask, sources: &Sources) -> WaitTarget {
        let Some(waiter) = task.words.waiter else {
            return match task.chain.end {
                ChainEnd::NotBegun => WaitTarget::FirstStep,
                _ if task.problem.is_some() => WaitTarget::Unknown,
                _ => WaitTarget::NextStep,
            };
        };
        if let Some(task) = self.graph.index_of(waiter) {
            return WaitTarget::Task(task);
        }
        match (sources.tasks.as_slice(), self.walked.futures.get(&waiter)) {
            ([one], _) => WaitTarget::Task(*one),
            ([], Some(future)) => WaitTarget::Future {
                address: waiter,
                type_name: Arc::clone(&future.type_name),
            },
            ([], None) => WaitTarget::Unknown,
            (several, _) => WaitTarget::Tasks(several.to_vec()),
        }
    }

    fn primitive(&self, task: &WalkedTask, sources: &Sources) -> Option<Primitive> {
        let waiter = task.words.waiter?;
        if let Some(primitive) = &task.primitive {
            let detail = primitive
                .address
                .and_then(|object| self.walked.details.get(&object));
            return Some(Primitive {
                kind: Arc::clone(&primitive.kind),
                address: primitive.address,
                detail: detail.cloned().flatten(),
            });
        }
        let named = |kind: &str, address| Primitive {
            kind: kind.into(),
            address,
            detail: None,
        };
        let future = self.walked.futures.get(&waiter);
        let source = future.and_then(|future| future.source);
        if source.is_some() && sources.tasks.is_empty() {
            return Some(named("executor", source));
        }
        let kind = match sources.through? {
            Through::Gather => "gather",
            Through::Shield => "shield",
            Through::WaitAll | Through::WaitAny => "wait",
            Through::WaitFor => "wait_for",
            Through::AsCompleted => "as_completed",
            Through::TaskGroup => "TaskGroup",
            Through::Chain => "run_coroutine_threadsafe",
            Through::Other | Through::Stated => return None,
        };
        Some(named(kind, None))
    }

    /// Whether what a task waits for has an outcome.
    fn is_done(&self, waiter: u64) -> bool {
        match self.graph.index_of(waiter) {
            Some(index) => {
                let task = self.walked.tasks.get(index.0);
                task.is_some_and(|task| !task.is_pending())
            }
            None => self
                .walked
                .futures
                .get(&waiter)
                .is_some_and(|future| future.is_done),
        }
    }

    fn due_seconds(&self, task: &WalkedTask) -> Option<f64> {
        let due = &self.walked.due;
        // What ends another task is not what this one's wait was given.
        let waiter = task.words.waiter;
        let waiter = waiter.filter(|waiter| self.graph.index_of(*waiter).is_none());
        let of_waiter = waiter.and_then(|waiter| due.get(&waiter));
        let earliest = match (of_waiter, due.get(&task.address)) {
            (Some(one), Some(other)) => one.min(*other),
            (one, other) => *one.or(other)?,
        };
        Some(earliest - self.taken_seconds)
    }
}

/// Says of tasks that nothing can finish why that is so.
pub(super) fn mark_orphans(loops: &[DumpedLoop], tasks: &mut [DumpedTask]) {
    let states: Vec<Option<LoopState>> = tasks
        .iter()
        .map(|task| Some(loops.get(task.event_loop?.0)?.state))
        .collect();
    let is_closed = |index: &TaskIndex| states.get(index.0) == Some(&Some(LoopState::Closed));
    for (task, state) in tasks.iter_mut().zip(&states) {
        if task.state != TaskState::Pending {
            continue;
        }
        let waits_on_closed = match task.waits_for.as_ref().map(|wait| &wait.target) {
            Some(WaitTarget::Task(one)) => is_closed(one),
            Some(WaitTarget::Tasks(several)) => several.iter().any(is_closed),
            _ => false,
        };
        task.orphan = match state {
            Some(LoopState::Closed) => Some(Orphan::LoopClosed),
            Some(LoopState::NotRunning) => Some(Orphan::LoopNotRunning),
            _ if waits_on_closed => Some(Orphan::WaitsOnClosedLoop),
            _ => None,
        };
    }
}
