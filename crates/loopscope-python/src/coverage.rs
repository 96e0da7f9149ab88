//! What the agent says of itself in the recording: which version, in which interpreter, and what it watches.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use loopscope_recorder::layout::Coverage;
use loopscope_recorder::writer::{AdapterSpec, Recording};

use crate::process;

static WATCHED: AtomicU64 = AtomicU64::new(0);
static NAME: OnceLock<String> = OnceLock::new();

/// Names the agent after the interpreter's version, such as `3.12.1`.
pub(crate) fn name_after(python: &str) {
    NAME.get_or_init(|| format!("asyncio {} on CPython {python}", env!("CARGO_PKG_VERSION")));
}

/// Watches this too from now on.
pub(crate) fn add(coverage: Coverage) {
    WATCHED.fetch_or(coverage.0, Relaxed);
}

/// Tells a recording.
pub(crate) fn announce(recording: &Recording) {
    recording.announce_adapter(&AdapterSpec {
        name: NAME.get().map_or("asyncio", String::as_str),
        coverage: Coverage(WATCHED.load(Relaxed)),
    });
}

/// Something failed in the agent and was swallowed there.
#[cold]
pub(crate) fn count_fault() {
    if let Some(recording) = process::bind().recording {
        recording.count_adapter_fault();
    }
}
