//! The places that create tasks, each under a name, and how many of its tasks are alive.
//!
//! Counters that all workers share are most of what a short task would cost. So it moves one when it begins and one
//! when it ends: that of the second in which it began. From these the watchdog makes out how many were created, how many
//! have ended, and since when the oldest is alive, without a list of tasks.

use std::cell::Cell;
use std::panic::Location;
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};

use loopscope_recorder::clock::coarse_nanos;
use loopscope_recorder::layout::{Coverage, LoopOwner, OVERFLOW_NAME, TASK_SITE_CAPACITY};
use loopscope_recorder::writer::{TaskOutcome, TaskSiteSpec, TaskSiteWriter};

use super::counts::{Counts, Known};
use crate::adapter::Adapter;

const SECOND_NANOS: u64 = 1_000_000_000;

/// Seconds that are told apart, 34 minutes: an older task is told by its second until that has none left.
const SECONDS: usize = 2048;

/// Sites that a thread finds again without a look at the recording.
const RECENT: usize = 16;

thread_local! {
    static RECENTLY: [Cell<Option<Recent>>; RECENT] = const { [const { Cell::new(None) }; RECENT] };
}

#[derive(Clone, Copy)]
struct Recent {
    place: &'static Location<'static>,
    site: &'static Site,
}

/// Where tasks come from.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    name: &'a str,
    pub(super) place: &'static Location<'static>,
    /// What sends them there, where that matters.
    by: &'static str,
}

impl<'a> Origin<'a> {
    /// They are spawned on a runtime.
    #[inline]
    pub(crate) fn task(name: &'a str, place: &'static Location<'static>) -> Self {
        Self {
            name,
            place,
            by: "",
        }
    }

    /// They are sent to its blocking threads. The rules know these by that word.
    pub(crate) fn blocking(name: &'a str, place: &'static Location<'static>) -> Self {
        Self {
            name,
            place,
            by: "spawn_blocking",
        }
    }
}

/// All sites of a process.
#[derive(Debug)]
pub(crate) struct Sites(Box<[OnceLock<Site>]>);

impl Sites {
    pub(crate) fn new() -> Self {
        let sites = (0..TASK_SITE_CAPACITY).map(|_| OnceLock::new());
        Self(sites.collect())
    }

    /// Writes down what all tasks have come to by now.
    pub(crate) fn tell(&self, now_nanos: u64) {
        for site in self.0.iter().filter_map(OnceLock::get) {
            site.tell(now_nanos);
        }
    }
}

/// A place that creates tasks under a name.
pub(super) struct Site {
    pub(super) adapter: &'static Adapter,
    pub(super) writer: TaskSiteWriter,
    pub(super) name: Box<str>,
    counts: Counts,
    /// What the watchdog has made out so far.
    known: Mutex<Known>,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Site")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Site {
    /// The site of this origin. The same thread finds it soon again.
    #[inline]
    pub(super) fn of(adapter: &'static Adapter, origin: &Origin<'_>) -> Option<&'static Self> {
        let Origin { name, place, .. } = *origin;
        let key = (ptr::from_ref(place).addr() >> 3) ^ name.len();
        RECENTLY.with(|recently| {
            let recently = &recently[key % RECENT];
            let found = recently.get().filter(|found| {
                ptr::eq(found.place, place)
                    && ptr::eq(found.site.adapter, adapter)
                    && *found.site.name == *name
            });
            if let Some(found) = found {
                return Some(found.site);
            }
            let site = Self::look_up(adapter, origin)?;
            recently.set(Some(Recent { place, site }));
            Some(site)
        })
    }

    #[cold]
    fn look_up(adapter: &'static Adapter, origin: &Origin<'_>) -> Option<&'static Self> {
        let Origin { name, place, by } = *origin;
        adapter.covers(Coverage::TASKS);
        let writer = adapter.recording()?.task_site(&TaskSiteSpec {
            owner: LoopOwner::Nobody,
            file: place.file(),
            line: place.line(),
            function: by,
            coroutine: name,
        })?;
        let is_overflow = writer.index() + 1 == TASK_SITE_CAPACITY;
        let name = if is_overflow { OVERFLOW_NAME } else { name };
        let site = adapter.sites.0.get(writer.index() as usize)?;
        Some(site.get_or_init(|| Self::new(adapter, writer, name)))
    }

    fn new(adapter: &'static Adapter, writer: TaskSiteWriter, name: &str) -> Self {
        let counts = Counts::new(SECONDS);
        let known = counts.known(coarse_nanos() / SECOND_NANOS);
        Self {
            adapter,
            writer,
            name: name.into(),
            counts,
            known: Mutex::new(known),
        }
    }

    /// A task was created.
    #[inline]
    pub(super) fn begins(&self, started_nanos: u64) {
        self.counts.begins(started_nanos / SECOND_NANOS);
    }

    /// A task that was created then has ended.
    #[inline]
    pub(super) fn ends(&self, outcome: TaskOutcome, started_nanos: u64) {
        // Of those that end, the ones that nothing was said of are done.
        if outcome != TaskOutcome::Done {
            self.writer.ended(outcome, 1);
        }
        self.counts.ends(started_nanos / SECOND_NANOS);
    }

    fn tell(&self, now_nanos: u64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now_nanos / SECOND_NANOS;
        let counted = self.counts.take(&mut known, now);
        self.writer.spawned(counted.created);
        // Of the others that ended it is told how.
        let done = self.writer.alive().saturating_sub(counted.alive);
        self.writer.ended(TaskOutcome::Done, done);
        let until = |second: u64| (second + 1).saturating_mul(SECOND_NANOS).min(now_nanos);
        self.writer.set_oldest(counted.oldest.map(until));
    }
}
