//! How old the oldest task of each site is, without a list of them: tasks alive are counted by the second in which they
//! were created, and the watchdog looks for the first second that has any left.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

use loopscope_recorder::layout::TASK_SITE_CAPACITY;
use loopscope_recorder::writer::TaskSiteWriter;

const SECOND_NANOS: u64 = 1_000_000_000;

/// Seconds that are told apart, 34 minutes. A second that comes round to a task that is older still shares its count.
const SECONDS: usize = 2048;

/// The tasks alive of every site.
#[derive(Debug)]
pub(crate) struct Ages(Box<[OnceLock<Site>]>);

#[derive(Debug)]
struct Site {
    writer: TaskSiteWriter,
    alive: Box<[AtomicU32]>,
    /// The first second that may have tasks left. Only the watchdog moves it.
    oldest: AtomicU64,
}

impl Ages {
    pub(crate) fn new() -> Self {
        let sites = (0..TASK_SITE_CAPACITY).map(|_| OnceLock::new());
        Self(sites.collect())
    }

    /// A task of this site was created.
    #[inline]
    pub(super) fn begin(&self, writer: &TaskSiteWriter, started_nanos: u64) {
        let Some(site) = self.0.get(writer.index() as usize) else {
            return;
        };
        let site = site.get_or_init(|| Site::new(*writer, started_nanos));
        site.of_second(started_nanos / SECOND_NANOS)
            .fetch_add(1, Relaxed);
    }

    /// A task that was created then has ended.
    #[inline]
    pub(super) fn end(&self, writer: &TaskSiteWriter, started_nanos: u64) {
        let site = self.0.get(writer.index() as usize).and_then(OnceLock::get);
        if let Some(site) = site {
            site.of_second(started_nanos / SECOND_NANOS)
                .fetch_sub(1, Relaxed);
        }
    }

    /// Writes down how old the oldest of each site is, to a second.
    pub(crate) fn tell(&self, now_nanos: u64) {
        for site in self.0.iter().filter_map(OnceLock::get) {
            site.writer.set_oldest(site.oldest_started(now_nanos));
        }
    }
}

impl Site {
    fn new(writer: TaskSiteWriter, now_nanos: u64) -> Self {
        Self {
            writer,
            alive: (0..SECONDS).map(|_| AtomicU32::new(0)).collect(),
            oldest: AtomicU64::new(now_nanos / SECOND_NANOS),
        }
    }

    fn of_second(&self, second: u64) -> &AtomicU32 {
        // As many as the remainder can say.
        &self.alive[second as usize % SECONDS]
    }

    /// When the oldest was created, at the latest; `None` where none is alive.
    fn oldest_started(&self, now_nanos: u64) -> Option<u64> {
        let now = now_nanos / SECOND_NANOS;
        let oldest = self.oldest.load(Relaxed);
        let is_left = |second: &u64| self.of_second(*second).load(Relaxed) > 0;
        let found = (oldest..=now).find(is_left);
        self.oldest.store(found.unwrap_or(now), Relaxed);
        let until = found?.saturating_add(1).saturating_mul(SECOND_NANOS);
        Some(until.min(now_nanos))
    }
}
