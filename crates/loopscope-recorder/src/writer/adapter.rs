//! Who writes tasks and calls, and what of them.

use std::sync::atomic::Ordering::{Relaxed, Release};

use super::Recording;
use super::texts::store_text;
use crate::clock;
use crate::layout::Coverage;

/// What an adapter says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdapterSpec<'a> {
    /// Its name and version: `asyncio 0.1.0 on CPython 3.12.1`.
    pub name: &'a str,
    /// What it watches. What it does not is absent from a report, not zero.
    pub coverage: Coverage,
}

impl Recording {
    /// An adapter begins to write, or watches something else from now on.
    ///
    /// Threads: one at a time. Fork: the child's own recording must be told anew.
    pub fn announce_adapter(&self, spec: &AdapterSpec<'_>) {
        let header = self.0.header;
        store_text(&header.adapter, spec.name);
        header.adapter_coverage.store(spec.coverage.0, Relaxed);
        let now = clock::monotonic_nanos();
        header.adapter_since_nanos.store(now, Release);
    }

    /// Something failed inside the adapter and was swallowed there. Any thread may say so.
    pub fn count_adapter_fault(&self) {
        self.0.header.adapter_faults.fetch_add(1, Relaxed);
    }

    /// Calls from this length on are slow.
    pub fn slow_threshold_nanos(&self) -> u64 {
        self.0.header.slow_threshold_nanos.load(Relaxed)
    }

    /// Busy periods, and calls that hold a loop, from this length on are stalls.
    pub fn stall_threshold_nanos(&self) -> u64 {
        self.0.header.stall_threshold_nanos.load(Relaxed)
    }
}
