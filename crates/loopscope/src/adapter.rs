//! What this process writes besides its loops, and for whom: found by code that has no [`Scope`](crate::Scope) at
//! hand, such as a tracked function.

use std::fs;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Mutex, PoisonError};

use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::layout::Coverage;
use loopscope_recorder::writer::{AdapterSpec, Recording};

use crate::blocking::BlockingThreads;
use crate::process::{self, Bound};
use crate::tasks::Sites;

static CURRENT: Mutex<Option<&'static Adapter>> = Mutex::new(None);

/// The writer of tasks, calls and pools.
pub(crate) struct Adapter {
    bound: Bound,
    is_own: bool,
    pub(crate) sites: Sites,
    pub(crate) blocking: BlockingThreads,
    /// Those who wait for a connection and are written down.
    pub(crate) waiters: AtomicUsize,
    covered: AtomicU64,
    announcing: Mutex<()>,
}

impl std::fmt::Debug for Adapter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Adapter").finish_non_exhaustive()
    }
}

impl Adapter {
    /// The one of this process from now on. It lives as long as the process.
    pub(crate) fn install(bound: Bound, is_own: bool) -> &'static Self {
        let adapter: &'static Self = Box::leak(Box::new(Self {
            bound,
            is_own,
            sites: Sites::new(),
            blocking: BlockingThreads::default(),
            waiters: AtomicUsize::new(0),
            covered: AtomicU64::new(0),
            announcing: Mutex::new(()),
        }));
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(adapter);
        process::at_exit(|| adapter.end());
        adapter
    }

    /// The process ends. A recording of its own goes with it: nobody will want to know what its loops did last.
    fn end(&self) {
        let Some(recording) = self.recording() else {
            return;
        };
        self.sites.tell(monotonic_nanos());
        if self.is_own {
            recording.close(None);
            // Where it cannot be deleted, whoever comes next does so in a minute.
            let _ = fs::remove_file(recording.path());
        }
    }

    /// The one of this process, once it is installed. Takes a lock.
    pub(crate) fn current() -> Option<&'static Self> {
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The recording; `None` in a forked child. Costs a load.
    #[inline]
    pub(crate) fn recording(&self) -> Option<Recording> {
        self.bound.recording()
    }

    /// Says that this is written. Not before it is: a figure that nobody writes is absent, not zero.
    #[inline]
    pub(crate) fn covers(&self, what: Coverage) {
        if !Coverage(self.covered.load(Relaxed)).has(what) {
            self.announce(what);
        }
    }

    #[cold]
    fn announce(&self, what: Coverage) {
        let Some(recording) = self.recording() else {
            return;
        };
        let _alone = self
            .announcing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = self.covered.fetch_or(what.0, AcqRel);
        recording.announce_adapter(&AdapterSpec {
            name: concat!("tokio ", env!("CARGO_PKG_VERSION")),
            coverage: Coverage(before).with(what),
        });
    }
}
