//! Where the oldest task of each site waits: looked at now and then, for those that have been waiting long.

use std::collections::BTreeMap;

use super::sampling::Sampler;
use crate::observation::{Fact, ProcessKey, TaskInfo};
use crate::time::Nanos;

/// A task is old enough to be looked at from here on.
const OLD: Nanos = Nanos::from_millis(5_000);

/// Old tasks are looked at so many at once: some tens of microseconds each.
const MOST_LOOKS: usize = 16;

/// The oldest task of one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Oldest {
    pub(super) slot: u32,
    pub(super) started: Nanos,
    pub(super) address: u64,
}

/// What was told of old tasks.
#[derive(Debug, Default)]
pub(super) struct Waits {
    due: Nanos,
    told: BTreeMap<u32, TaskInfo>,
}

impl Waits {
    /// Looks where that is due, the longest wait first, and tells what is new. It is due next `again` after now.
    pub(super) fn look(
        &mut self,
        process: ProcessKey,
        oldest: impl Iterator<Item = Oldest>,
        sampler: &mut Sampler,
        (now, again): (Nanos, Nanos),
        out: &mut Vec<Fact>,
    ) {
        if now < self.due {
            return;
        }
        self.due = now.plus(again);
        let mut old: Vec<Oldest> = oldest.filter(|one| now.since(one.started) >= OLD).collect();
        old.sort_by_key(|one| one.started);
        old.truncate(MOST_LOOKS);
        self.told
            .retain(|slot, _| old.iter().any(|one| one.slot == *slot));
        for one in old {
            let found = sampler.waiting_task(one.address);
            if found.as_ref() != self.told.get(&one.slot) {
                self.tell(process, one.slot, found, out);
            }
        }
    }

    fn tell(
        &mut self,
        process: ProcessKey,
        slot: u32,
        found: Option<TaskInfo>,
        out: &mut Vec<Fact>,
    ) {
        match &found {
            Some(task) => drop(self.told.insert(slot, task.clone())),
            None => drop(self.told.remove(&slot)),
        }
        out.push(Fact::TaskWaits {
            process,
            slot,
            task: found.map(Box::new),
        });
    }
}
