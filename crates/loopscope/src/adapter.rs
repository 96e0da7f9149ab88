//! What this process writes besides its loops, and for whom: found by code that has no [`Scope`](crate::Scope) at
//! hand, such as a tracked function.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::{Mutex, PoisonError};

use loopscope_recorder::layout::Coverage;
use loopscope_recorder::writer::{AdapterSpec, Recording};

use crate::process::Bound;
use crate::tasks::Ages;

static CURRENT: Mutex<Option<&'static Adapter>> = Mutex::new(None);

/// The writer of tasks, calls and pools.
pub(crate) struct Adapter {
    bound: Bound,
    pub(crate) ages: Ages,
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
    pub(crate) fn install(bound: Bound) -> &'static Self {
        let adapter: &'static Self = Box::leak(Box::new(Self {
            bound,
            ages: Ages::new(),
            covered: AtomicU64::new(0),
            announcing: Mutex::new(()),
        }));
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(adapter);
        adapter
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
