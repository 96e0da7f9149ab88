//! How often the same thing is told in full: in a storm the counters have the last word.

/// Different things that are told apart.
const LIMITED: usize = 64;

/// How long a window lasts.
const WINDOW_NANOS: u64 = 10_000_000_000;

/// Lets through the first few of the same within ten seconds. Bounded; where two things meet in one place, the later
/// one begins anew.
///
/// Threads: one at a time. No allocation, no system call.
#[derive(Debug)]
pub struct Limiter {
    /// By a hash of what is told: when the window began, and how often it was to be told since.
    windows: [(u64, u64, u32); LIMITED],
    most: u32,
}

impl Limiter {
    /// At most so many within a window.
    pub const fn new(most: u32) -> Self {
        Self {
            windows: [(0, 0, 0); LIMITED],
            most,
        }
    }

    /// Whether it may be told in full now.
    pub fn allows(&mut self, what: (u32, usize), now_nanos: u64) -> bool {
        let mixed = (u64::from(what.0) << 48 ^ what.1 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let Some(window) = self.windows.get_mut((mixed >> 58) as usize) else {
            return false;
        };
        if window.0 != mixed || now_nanos.saturating_sub(window.1) > WINDOW_NANOS {
            *window = (mixed, now_nanos, 0);
        }
        window.2 += 1;
        window.2 <= self.most
    }
}
