//! Who waits for whom: tasks, and the futures that join them.
//!
//! Pure: works on the addresses that were read. A task waits for one future; what leads there through
//! `gather`, `wait`, `shield` or a `TaskGroup` is found by following links backward, and who waits for a
//! task by following them forward.

use std::collections::BTreeSet;

use super::TaskIndex;
use super::walked::{Link, Walked};
use crate::asyncio::Through;
use crate::memory::{AddressMap, AddressSet};

/// Tasks that are listed in all as waiting for others, or as waited for.
const MAX_LISTED: usize = 4_000_000;

/// The waits of one dump.
#[derive(Debug, Default)]
pub(super) struct Graph {
    indexes: AddressMap<TaskIndex>,
    /// The tasks that wait for a future or task, by its address.
    waiting: AddressMap<SmallList>,
    outgoing: AddressMap<Vec<Link>>,
    incoming: AddressMap<Vec<Link>>,
    listed: usize,
}

/// What leads to a future that a task waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sources {
    /// The tasks, each once.
    pub(super) tasks: Vec<TaskIndex>,
    /// How the future is joined to what it waits for.
    pub(super) through: Option<Through>,
    /// Whether all of them have to be done before the task goes on.
    pub(super) needs_all: bool,
}

/// Tasks, of which there is nearly always one.
#[derive(Debug, Default)]
struct SmallList {
    first: Option<TaskIndex>,
    others: Vec<TaskIndex>,
}

impl SmallList {
    fn push(&mut self, task: TaskIndex) {
        match self.first {
            None => self.first = Some(task),
            Some(_) => self.others.push(task),
        }
    }

    fn iter(&self) -> impl Iterator<Item = TaskIndex> {
        self.first.into_iter().chain(self.others.iter().copied())
    }
}

impl Graph {
    pub(super) fn new(walked: &Walked) -> Self {
        let mut graph = Self::default();
        graph.indexes.reserve(walked.tasks.len());
        graph.waiting.reserve(walked.tasks.len());
        for (index, task) in walked.tasks.iter().enumerate() {
            graph.indexes.insert(task.address, TaskIndex(index));
            if let Some(waiter) = task.words.waiter {
                graph
                    .waiting
                    .entry(waiter)
                    .or_default()
                    .push(TaskIndex(index));
            }
        }
        for link in &walked.links {
            graph.outgoing.entry(link.from).or_default().push(*link);
            // What a future says of itself leads to tasks and not to the futures that they wait for, and
            // a direct wait is known from the one that waits.
            if !matches!(link.through, None | Some(Through::Stated)) {
                graph.incoming.entry(link.to).or_default().push(*link);
            }
        }
        graph
    }

    /// The task at an address.
    pub(super) fn index_of(&self, address: u64) -> Option<TaskIndex> {
        self.indexes.get(&address).copied()
    }

    /// Whether lists had to be cut.
    pub(super) fn is_cut(&self) -> bool {
        self.listed >= MAX_LISTED
    }

    /// The tasks that wait for a task.
    pub(super) fn awaited_by(&mut self, task: u64) -> Vec<TaskIndex> {
        // Nobody waits for most tasks.
        if !self.waiting.contains_key(&task) && !self.outgoing.contains_key(&task) {
            return Vec::new();
        }
        let mut found = BTreeSet::new();
        let mut seen = AddressSet::default();
        let mut open = vec![task];
        while let Some(address) = open.pop() {
            if !seen.insert(address) || self.listed + found.len() >= MAX_LISTED {
                continue;
            }
            found.extend(
                self.waiting
                    .get(&address)
                    .into_iter()
                    .flat_map(SmallList::iter),
            );
            for link in self.outgoing.get(&address).into_iter().flatten() {
                match self.index_of(link.to) {
                    Some(index) => {
                        found.insert(index);
                    }
                    None => open.push(link.to),
                }
            }
        }
        if let Some(own) = self.index_of(task) {
            found.remove(&own);
        }
        self.listed += found.len();
        found.into_iter().collect()
    }

    /// What leads to a future.
    pub(super) fn sources(&mut self, future: u64) -> Sources {
        if !self.incoming.contains_key(&future) {
            return Sources::default();
        }
        let mut found = BTreeSet::new();
        let mut seen = AddressSet::default();
        let mut sources = Sources {
            needs_all: true,
            ..Sources::default()
        };
        let mut open = vec![future];
        while let Some(address) = open.pop() {
            if !seen.insert(address) || self.listed + found.len() >= MAX_LISTED {
                continue;
            }
            for link in self.incoming.get(&address).into_iter().flatten() {
                if address == future {
                    sources.through = sources.through.or(link.through);
                }
                sources.needs_all &= !matches!(
                    link.through,
                    Some(Through::WaitAny | Through::AsCompleted | Through::Other)
                );
                match self.index_of(link.from) {
                    Some(index) => {
                        found.insert(index);
                    }
                    None => open.push(link.from),
                }
            }
        }
        self.listed += found.len();
        sources.tasks = found.into_iter().collect();
        sources
    }
}
