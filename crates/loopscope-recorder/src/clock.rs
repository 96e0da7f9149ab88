//! The two clocks of a recording, and what is cheaper where only a length matters.

mod ticks;

use rustix::time::{ClockId, clock_gettime};

pub use ticks::Ticks;

/// `CLOCK_MONOTONIC` in nanoseconds. About 20 ns where the kernel offers it without a system call.
#[inline]
pub fn monotonic_nanos() -> u64 {
    nanos_of(ClockId::Monotonic)
}

/// The same clock as of the kernel's last tick, a few milliseconds ago at most; a quarter of the price.
#[inline]
pub fn coarse_nanos() -> u64 {
    nanos_of(ClockId::MonotonicCoarse)
}

/// Wall-clock nanoseconds since the Unix epoch.
pub fn unix_nanos() -> u64 {
    nanos_of(ClockId::Realtime)
}

#[inline]
fn nanos_of(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    (time.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec as u64)
}
