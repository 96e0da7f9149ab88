//! How long something took, for less than the clock costs: by the processor's own counter.
//!
//! Used where the processor says that the counter runs evenly whatever it does, and where the kernel keeps its own time by
//! it; elsewhere this is [`monotonic_nanos`](super::monotonic_nanos). How fast the counter runs is measured against that
//! clock, over a tenth of a second once; until then the clock is used. The kernel lets its clock run up to 500 millionths
//! faster or slower to follow others, and lengths differ by that. A counter that a suspended machine set back gives 0.
#![expect(unsafe_code, reason = "reads the processor's counter")]

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::monotonic_nanos;

/// Set in a moment that the clock told.
const BY_CLOCK: u64 = 1 << 63;

/// The rate is measured over this long at least.
const MEASURED_OVER_NANOS: u64 = 100_000_000;

/// Counter and clock are read within this time, a hundred-thousandth of what the rate is measured over.
const ONE_MOMENT_NANOS: u64 = 1_000;

/// So often they are read.
const TRIES: u32 = 64;

/// Binary places of [`RATE`].
const PLACES: u32 = 32;

/// Nanoseconds for each tick; 0 while that is not known, or is none of our business.
static RATE: AtomicU64 = AtomicU64::new(0);

/// Counter and clock when they were first read; `None` where the counter is of no use.
static BEGIN: OnceLock<Option<(u64, u64)>> = OnceLock::new();

/// A moment, to be asked how long ago it was. Threads: any. About 8 ns, where the clock takes 20.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks(u64);

impl Ticks {
    /// This moment.
    #[inline]
    pub fn now() -> Self {
        if RATE.load(Relaxed) == 0 {
            return Self::by_clock();
        }
        Self(counter())
    }

    /// How long ago it was, in nanoseconds.
    #[inline]
    pub fn elapsed_nanos(self) -> u64 {
        if self.0 & BY_CLOCK != 0 {
            return monotonic_nanos().saturating_sub(self.0 & !BY_CLOCK);
        }
        let ticks = counter().saturating_sub(self.0);
        let nanos = u128::from(ticks) * u128::from(RATE.load(Relaxed));
        (nanos >> PLACES) as u64
    }

    #[cold]
    fn by_clock() -> Self {
        let now = monotonic_nanos();
        let begin = BEGIN.get_or_init(|| is_trusted().then(both).flatten());
        if let Some((counter_then, then)) = begin
            && now.saturating_sub(*then) >= MEASURED_OVER_NANOS
            && let Some((counter, now)) = both()
        {
            let ticks = counter.saturating_sub(*counter_then);
            RATE.store(rate(ticks, now - then), Relaxed);
        }
        Self(now | BY_CLOCK)
    }
}

/// Counter and clock of one moment; `None` where others took the processor in between each time, which would make every
/// length wrong by as much.
fn both() -> Option<(u64, u64)> {
    (0..TRIES).find_map(|_| {
        let before = monotonic_nanos();
        let counter = counter();
        let after = monotonic_nanos();
        (after - before <= ONE_MOMENT_NANOS).then_some((counter, before))
    })
}

/// Nanoseconds for each tick, in units of 2^-[`PLACES`]; 0 for a counter that does not run, or is slower than a
/// microsecond.
fn rate(ticks: u64, nanos: u64) -> u64 {
    if ticks < nanos / 1_000 {
        return 0;
    }
    u64::try_from((u128::from(nanos) << PLACES) / u128::from(ticks.max(1))).unwrap_or(0)
}

/// Whether processor and kernel trust the counter.
fn is_trusted() -> bool {
    const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let source = std::fs::read_to_string(SOURCE);
    !cfg!(miri) && is_even() && source.is_ok_and(|source| source.trim() == "tsc")
}

/// The counter; its highest bit is not set for the first hundred years of a processor.
#[cfg(target_arch = "x86_64")]
#[inline]
fn counter() -> u64 {
    // SAFETY: every processor of this kind has the instruction, and Linux does not forbid it unless a program asks for
    // that (PR_SET_TSC); what asks to be stopped by it is stopped by the clock in user space, too.
    (unsafe { std::arch::x86_64::_rdtsc() }) & !BY_CLOCK
}

#[cfg(not(target_arch = "x86_64"))]
fn counter() -> u64 {
    0
}

/// Whether the processor says that the counter runs evenly.
#[cfg(target_arch = "x86_64")]
fn is_even() -> bool {
    use std::arch::x86_64::__cpuid;
    const LEAF: u32 = 0x8000_0007;
    __cpuid(0x8000_0000).eax >= LEAF && __cpuid(LEAF).edx & 1 << 8 != 0
}

#[cfg(not(target_arch = "x86_64"))]
fn is_even() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    #[test]
    fn lengths_are_those_of_the_clock_before_and_after_the_rate_is_known() {
        for _ in 0..8 {
            let (clock, ticks) = (monotonic_nanos(), Ticks::now());
            sleep(Duration::from_millis(30));
            let within = (ticks.elapsed_nanos(), monotonic_nanos() - clock);
            let (told, longest) = within;
            assert!(told >= 29_900_000, "{within:?}");
            // What the clock saw lasted longer by its own two calls.
            assert!(told <= longest + longest / 1_000, "{within:?}");
        }
        let is_known = RATE.load(Relaxed) != 0;
        assert_eq!(is_known, is_trusted(), "after a quarter of a second");
    }

    #[test]
    fn a_counter_that_stands_still_is_not_used() {
        assert_eq!(rate(0, MEASURED_OVER_NANOS), 0);
        assert_eq!(rate(300_000_000, 100_000_000), (1 << PLACES) / 3);
    }
}
