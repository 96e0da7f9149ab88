//! The clock that fixtures, Loopscope and this harness share.

use rustix::time::{ClockId, clock_gettime};

/// Seconds on `CLOCK_MONOTONIC`, Python's `time.monotonic()`.
pub(crate) fn monotonic_seconds() -> f64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// A report's timestamp on the monotonic clock, as the two clocks stand to each other now.
pub(crate) fn monotonic_of(timestamp: jiff::Timestamp) -> f64 {
    let wall = clock_gettime(ClockId::Realtime);
    let offset = monotonic_seconds() - (wall.tv_sec as f64 + wall.tv_nsec as f64 / 1e9);
    timestamp.as_nanosecond() as f64 / 1e9 + offset
}
