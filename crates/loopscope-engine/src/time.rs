//! Time as the engine knows it: a monotonic reading that comes in with each observation.
//!
//! Nothing in this crate's rules reads a clock. One [`WallAnchor`] per run turns monotonic readings
//! into timestamps for people, so a clock that is set back cannot reorder what was observed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Nanoseconds on the host's `CLOCK_MONOTONIC`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Nanos(pub u64);

impl Nanos {
    /// A reading from whole milliseconds; tests and thresholds read better this way.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// Time since `earlier`, zero where `earlier` is in fact later.
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// This reading moved forward by `other`.
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The length in seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// One instant read on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallAnchor {
    /// The monotonic side.
    pub monotonic: Nanos,
    /// The wall side, nanoseconds since the Unix epoch.
    pub unix_nanos: i64,
}

impl WallAnchor {
    /// The wall-clock time at a monotonic reading, to the microsecond.
    pub fn timestamp(&self, at: Nanos) -> Timestamp {
        let unix = i128::from(self.unix_nanos) + i128::from(at.0) - i128::from(self.monotonic.0);
        Timestamp::from_microsecond((unix / 1_000) as i64).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// A length in seconds for a report, to the microsecond: what the clocks are good for, and few enough
/// digits that reading the number back gives the same one.
pub(crate) fn seconds(length: Nanos) -> f64 {
    (length.0 / 1_000) as f64 / 1e6
}
