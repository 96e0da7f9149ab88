//! A sign of life for systemd, for as long as the loops turn.
//!
//! A unit with `WatchdogSec=` is restarted when none came for so long. It comes from us and not from a timer of the
//! service's own: a thread that says that all is well does so while the loop is blocked, too.

use std::sync::Arc;
use std::time::Duration;

use loopscope_engine::report::LoopState;
use loopscope_server::SnapshotCell;
use sd_notify::NotifyState;

use super::beat::Beat;

/// The most that passes between two signs.
const LONGEST: Duration = Duration::from_secs(10);

/// Gives signs of life until it is dropped, where systemd waits for them; `None` elsewhere.
pub(super) fn start(cell: Arc<SnapshotCell>) -> Option<std::io::Result<Beat>> {
    let limit = sd_notify::watchdog_enabled()?;
    let give = move || {
        if all_turn(&cell) {
            // Nobody to hear it is no harm.
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
    };
    Some(Beat::start(
        "loopscope-watchdog",
        (limit / 3).min(LONGEST),
        give,
    ))
}

/// Whether no loop is known to be blocked. Where the watching itself stands still nothing is known, and nothing is
/// held against the service.
fn all_turn(cell: &SnapshotCell) -> bool {
    let published = cell.latest();
    let loops = &published.report().detailed_health.event_loops;
    let is_blocked = loops.iter().any(|one| one.state == LoopState::Blocked);
    !is_blocked || published.age() > Duration::from_secs(2)
}
