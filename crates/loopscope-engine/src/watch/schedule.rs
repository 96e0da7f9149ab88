//! When to look at a loop next.
//!
//! A loop that was idle at some instant cannot have been busy for longer than the time since. So an idle
//! loop is looked at a little more often than the stall threshold, and a busy one at exactly the instant
//! at which it would cross it. This finds each stall at once and costs a dozen reads a second.

use crate::stall::FIRST_LOOK_PART;
use crate::time::Nanos;

/// When to look at a thread during one busy period.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    threshold: Nanos,
}

impl Schedule {
    pub(super) fn new(threshold: Nanos) -> Self {
        Self { threshold }
    }

    /// The next reading of a loop that was idle at `now`.
    pub(super) fn after_idle(&self, now: Nanos) -> Nanos {
        // Four fifths, so that a period that began just after this reading is seen before it crosses.
        now.plus(Nanos(self.threshold.0 / 5 * 4))
    }

    /// The same for a worker, which may go on to another poll without waiting for events: a poll counts from the first look
    /// at it, so that one comes earlier.
    pub(super) fn after_idle_worker(&self, now: Nanos) -> Nanos {
        now.plus(Nanos(self.threshold.0 / 5 * 2))
    }

    /// The next look at a loop that is busy since `busy_since`, after one at `now`.
    ///
    /// First at half the threshold (an early look, which tells whether one callback lasted from then to
    /// the crossing), then at the crossing, then at growing distances: many looks tell a call from a
    /// crowd of callbacks and, by the thirty in half a second, who of the crowd has most of the time.
    pub(super) fn after_busy(&self, busy_since: Nanos, now: Nanos) -> Nanos {
        let age = now.since(busy_since);
        let half = Nanos(self.threshold.0 / 2);
        if age < half {
            busy_since.plus(half)
        } else if age < self.threshold {
            busy_since.plus(self.threshold)
        } else {
            let distance = Nanos(age.0 / 16).clamp(Nanos::from_millis(10), Nanos::from_millis(500));
            now.plus(distance)
        }
    }

    /// As [`Self::after_busy`], for a worker that may go on to another poll without waiting for events: a look soon
    /// after it was last known to do so tells when the poll began.
    pub(super) fn after_busy_worker(&self, busy_since: Nanos, now: Nanos) -> Nanos {
        let first = busy_since.plus(self.first_look());
        if now < first {
            first
        } else {
            self.after_busy(busy_since, now)
        }
    }

    /// Whether a first look at a busy worker is due.
    pub(super) fn wants_worker_sample(&self, busy_since: Nanos, now: Nanos) -> bool {
        now.since(busy_since) >= self.first_look()
    }

    /// The next look at a worker that was seen between two polls, or to have gone on to another one.
    pub(super) fn after_turn(&self, now: Nanos) -> Nanos {
        now.plus(Nanos(self.threshold.0 / 2))
    }

    fn first_look(&self) -> Nanos {
        Nanos(self.threshold.0 / FIRST_LOOK_PART)
    }

    /// Whether a look at the thread is due, not only a reading of the slot.
    pub(super) fn wants_sample(&self, busy_since: Nanos, now: Nanos) -> bool {
        now.since(busy_since).0 >= self.threshold.0 / 2
    }

    /// Whether the period is a stall by now.
    pub(super) fn is_stall(&self, busy_since: Nanos, now: Nanos) -> bool {
        now.since(busy_since) >= self.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Nanos = Nanos::from_millis;

    #[test]
    fn no_period_crosses_unseen_between_two_readings() {
        let schedule = Schedule::new(MS(100));
        for began in 0..80 {
            let read = schedule.after_idle(MS(0));
            assert!(!schedule.is_stall(MS(began), read));
            let mut now = read;
            while schedule.after_busy(MS(began), now) < MS(began + 100) {
                now = schedule.after_busy(MS(began), now);
            }
            assert_eq!(schedule.after_busy(MS(began), now), MS(began + 100));
        }
    }

    #[test]
    fn looks_grow_apart_and_never_stop() {
        let schedule = Schedule::new(MS(100));
        assert_eq!(schedule.after_busy(MS(0), MS(100)), MS(110));
        assert_eq!(schedule.after_busy(MS(0), MS(2_000)), MS(2_125));
        assert_eq!(schedule.after_busy(MS(0), MS(60_000)), MS(60_500));
    }
}
