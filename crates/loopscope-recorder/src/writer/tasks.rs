//! Counts tasks by the place that creates them.

use std::marker::PhantomData;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::Recording;
use super::counting::{Exclusive, Shared, Sharing};
use super::interning::{KeyHash, but_overflow, claim, claim_overflow, make_ready};
use super::texts::{head, store_text, tail};
use crate::clock;
use crate::layout::{
    FILE_TEXT_BYTES, FUNCTION_TEXT_BYTES, LoopOwner, OVERFLOW_NAME, Table, TaskSiteSlot,
};

/// Sites that belong to a loop may fill this share of the table, in eighths; the rest is kept for sites
/// that belong to none, so that a program with ever new loops still has its tasks told apart by place.
const OWNED_EIGHTHS: usize = 7;

/// A place that creates tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskSiteSpec<'a> {
    /// The loop that runs the tasks.
    pub owner: LoopOwner,
    /// The source file.
    pub file: &'a str,
    /// The line; 0 where it is not known.
    pub line: u32,
    /// The function that creates the tasks.
    pub function: &'a str,
    /// The coroutine that they run.
    pub coroutine: &'a str,
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskOutcome {
    /// It returned.
    Done,
    /// With an exception or a panic.
    Failed,
    /// It was cancelled or aborted.
    Cancelled,
}

/// Counts the tasks of one site.
///
/// Threads: any; see [`Sharing`] for the two ways of counting. Each method is one counter's move: no
/// allocation, no system call. Fork: see [`super`].
#[derive(Clone, Copy, Debug)]
pub struct TaskSiteWriter<S: Sharing = Shared> {
    slot: &'static TaskSiteSlot,
    index: u32,
    sharing: PhantomData<S>,
}

impl Recording {
    /// The counter of a place that creates tasks: the same one for the same place. Keep it: the call scans
    /// the table's keys, a few microseconds where the table is full.
    ///
    /// Where there is no room, the site is counted without its loop, and then together with all others
    /// that found none; that is counted as dropped. `None` never happens with a table of this version.
    pub fn task_site(&self, spec: &TaskSiteSpec<'_>) -> Option<TaskSiteWriter> {
        let kept = kept(spec);
        let (keys, table) = (self.0.keys.task_sites, self.head(Table::TaskSites));
        let named = but_overflow(keys);
        let owned = &named[..named.len() * OWNED_EIGHTHS / 8];
        let nobodys = TaskSiteSpec {
            owner: LoopOwner::Nobody,
            ..kept
        };
        let room = if kept.owner == LoopOwner::Nobody {
            named
        } else {
            owned
        };
        let (claim, spec) = claim(room, table, key_of(&kept))
            .map(|found| (found, kept))
            .or_else(|| claim(named, table, key_of(&nobodys)).map(|found| (found, nobodys)))
            .or_else(|| Some((claim_overflow(keys, table)?, overflow())))?;
        let slot = self.0.task_sites.get(claim.index)?;
        if claim.is_new {
            describe(slot, &spec);
        }
        Some(TaskSiteWriter::new(slot, claim.index))
    }

    /// The tasks that are known to have been created and not to have ended, over all sites.
    pub fn tasks_alive(&self) -> u64 {
        let used = self.head(Table::TaskSites).used.load(Acquire) as usize;
        let sites = self.0.task_sites.iter().take(used);
        sites.map(TaskSiteSlot::alive).fold(0, u64::saturating_add)
    }
}

impl TaskSiteSlot {
    fn alive(&self) -> u64 {
        let ended = [&self.done, &self.failed, &self.cancelled];
        let ended = ended.into_iter().map(|counter| counter.load(Relaxed));
        ended.fold(self.spawned.load(Relaxed), u64::saturating_sub)
    }
}

impl TaskSiteWriter {
    /// The same counter where something else keeps its writers apart.
    pub fn exclusive(self) -> TaskSiteWriter<Exclusive> {
        TaskSiteWriter::new(self.slot, self.index as usize)
    }
}

impl<S: Sharing> TaskSiteWriter<S> {
    fn new(slot: &'static TaskSiteSlot, index: usize) -> Self {
        Self {
            slot,
            index: index as u32,
            sharing: PhantomData,
        }
    }

    /// Its place in the table: the subject of facts about its tasks.
    #[inline]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// So many tasks were created.
    #[inline]
    pub fn spawned(&self, tasks: u64) {
        S::add(&self.slot.spawned, tasks);
    }

    /// So many tasks ended. One that failed has an exception that somebody may still take: say so by
    /// [`Self::retrieved`] or [`Self::unretrieved`], once for each.
    #[inline]
    pub fn ended(&self, outcome: TaskOutcome, tasks: u64) {
        let counter = match outcome {
            TaskOutcome::Done => &self.slot.done,
            TaskOutcome::Failed => &self.slot.failed,
            TaskOutcome::Cancelled => &self.slot.cancelled,
        };
        S::add(counter, tasks);
    }

    /// Somebody took the exception of so many failed tasks.
    #[inline]
    pub fn retrieved(&self, failures: u64) {
        S::add(&self.slot.retrieved, failures);
    }

    /// So many failed tasks went away and nobody had taken their exceptions.
    #[inline]
    pub fn unretrieved(&self, failures: u64) {
        S::add(&self.slot.unretrieved, failures);
    }

    /// When the oldest task alive was created; `None` where none is alive, or it is not known.
    #[inline]
    pub fn set_oldest(&self, started_nanos: Option<u64>) {
        let nanos = started_nanos.unwrap_or(0);
        self.slot.oldest_started_nanos.store(nanos, Relaxed);
    }

    /// The same where tasks have addresses: when it was created, and where it is, so that an observer may look
    /// what it waits for.
    #[inline]
    pub fn set_oldest_at(&self, oldest: Option<(u64, u64)>) {
        self.set_oldest(oldest.map(|(started_nanos, _)| started_nanos));
        let address = oldest.map_or(0, |(_, address)| address);
        self.slot.oldest_address.store(address, Relaxed);
    }

    /// Tasks alive by this site's counters.
    pub fn alive(&self) -> u64 {
        self.slot.alive()
    }
}

/// What of the texts will be in the file: keys must differ in nothing else.
fn kept<'a>(spec: &TaskSiteSpec<'a>) -> TaskSiteSpec<'a> {
    TaskSiteSpec {
        file: tail(spec.file, FILE_TEXT_BYTES),
        function: head(spec.function, FUNCTION_TEXT_BYTES),
        coroutine: head(spec.coroutine, FUNCTION_TEXT_BYTES),
        ..*spec
    }
}

fn key_of(spec: &TaskSiteSpec<'_>) -> u64 {
    let hash = KeyHash::new()
        .number(spec.owner.packed())
        .number(u64::from(spec.line));
    let hash = hash.text(spec.file).text(spec.function);
    hash.text(spec.coroutine).finish()
}

fn overflow() -> TaskSiteSpec<'static> {
    TaskSiteSpec {
        coroutine: OVERFLOW_NAME,
        ..TaskSiteSpec::default()
    }
}

fn describe(slot: &TaskSiteSlot, spec: &TaskSiteSpec<'_>) {
    slot.owner.store(spec.owner.packed(), Relaxed);
    slot.line.store(spec.line, Relaxed);
    store_text(&slot.file, spec.file);
    store_text(&slot.function, spec.function);
    store_text(&slot.coroutine, spec.coroutine);
    slot.created_nanos.store(clock::monotonic_nanos(), Relaxed);
    make_ready(&slot.state);
}
