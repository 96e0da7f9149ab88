//! The garbage collector's pauses.

use std::sync::atomic::Ordering::Relaxed;

use super::Recording;
use super::counting::raise;
use crate::layout::GcGauges;

/// Writes down the collector's pauses.
///
/// Threads: one pause at a time, as runtimes have it; with more, the times are those of the last. No
/// allocation, no system call. Fork: see [`super`].
#[derive(Clone, Copy, Debug)]
pub struct GcWriter {
    gauges: &'static GcGauges,
}

impl Recording {
    /// The record of the runtime's garbage collector.
    pub fn gc(&self) -> GcWriter {
        let gauges = &self.0.header.gc;
        GcWriter { gauges }
    }
}

impl GcWriter {
    /// A collection of this generation begins to pause a thread.
    #[inline]
    pub fn begins(&self, now_nanos: u64, generation: u32, thread_id: u32) {
        let gauges = self.gauges;
        gauges.generation.store(u64::from(generation), Relaxed);
        gauges.thread_id.store(u64::from(thread_id), Relaxed);
        gauges.pause_since_nanos.store(now_nanos.max(1), Relaxed);
    }

    /// It is over and freed so many objects. Returns the pause; `None` where none had begun.
    #[inline]
    pub fn ends(&self, now_nanos: u64, collected: u64) -> Option<u64> {
        let gauges = self.gauges;
        let since = gauges.pause_since_nanos.swap(0, Relaxed);
        if since == 0 {
            return None;
        }
        let pause = now_nanos.saturating_sub(since);
        gauges.collections.fetch_add(1, Relaxed);
        gauges.pause_nanos.fetch_add(pause, Relaxed);
        gauges.collected.fetch_add(collected, Relaxed);
        raise(&gauges.longest_pause_nanos, pause);
        Some(pause)
    }

    /// Objects that the collector tracks.
    pub fn set_tracked(&self, objects: u64) {
        self.gauges.tracked.store(objects, Relaxed);
    }
}
