//! A sign of life for systemd, for as long as the loops turn.
//!
//! A unit with `WatchdogSec=` is restarted when none came for so long. It comes from us and not from a timer of the
//! service's own: a thread that says that all is well does so while the loop is blocked, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use loopscope_engine::report::LoopState;
use loopscope_server::SnapshotCell;
use sd_notify::NotifyState;

/// The most that passes between two signs.
const LONGEST: Duration = Duration::from_secs(10);

/// Gives signs of life until it is dropped.
pub(crate) struct Watchdog {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts where systemd waits for signs; `None` elsewhere.
    pub(crate) fn start(cell: Arc<SnapshotCell>) -> Option<std::io::Result<Self>> {
        let limit = sd_notify::watchdog_enabled()?;
        let distance = (limit / 3).min(LONGEST);
        let is_over = Arc::new(AtomicBool::new(false));
        let own = Arc::clone(&is_over);
        let work = move || {
            while !own.load(Ordering::Relaxed) {
                if all_turn(&cell) {
                    // Nobody to hear it is no harm.
                    let _ = sd_notify::notify(&[NotifyState::Watchdog]);
                }
                thread::park_timeout(distance);
            }
        };
        let thread = thread::Builder::new().name("loopscope-watchdog".into());
        Some(thread.spawn(work).map(|thread| Self {
            is_over,
            thread: Some(thread),
        }))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// Whether no loop is known to be blocked. Where the watching itself stands still nothing is known, and nothing is
/// held against the service.
fn all_turn(cell: &SnapshotCell) -> bool {
    let published = cell.latest();
    let loops = &published.report().detailed_health.event_loops;
    let is_blocked = loops.iter().any(|one| one.state == LoopState::Blocked);
    !is_blocked || published.age() > Duration::from_secs(2)
}
