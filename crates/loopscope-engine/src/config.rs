//! Every threshold that the rules use, with the source of its default.
//!
//! Plain data for `Engine::new`. Nothing here reads a file or an environment variable; whoever starts
//! the engine does that.

use crate::time::Nanos;

/// The thresholds of the rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// A busy period longer than this is a stall. 100 ms: the point at which a person no longer feels an
    /// answer as instant (Nielsen, "Response times", 1993), and what asyncio's own debug mode uses as
    /// `slow_callback_duration`.
    pub stall_threshold: Nanos,
    /// A stall longer than this is a blocked loop. 5 s: longer than any single callback should take,
    /// and the usual connect timeout of the clients in front of a service.
    pub blocked_threshold: Nanos,
    /// How long a closed incident still colours the status. 60 s: two looks of a monitor that asks
    /// every 30 s see it.
    pub recent_window: Nanos,
    /// A further occurrence within this time joins the incident. 5 min, the join window of the design.
    pub join_window: Nanos,
    /// `/livez` fails once a loop is blocked for longer than this. 30 s: three failed probes of a
    /// Kubernetes liveness check with its default period of 10 s.
    pub livez_limit: Nanos,
    /// A stall is put down to a starved processor when the thread waited in the run queue for this share
    /// of the time between the first and the last look, and would have stayed under the threshold without
    /// that. One quarter: less than that is what two busy threads on one processor take from each other.
    pub starved_share: f64,
    /// One callback is to blame when it was on for at least this share of the time looked at. One half:
    /// more than all others together.
    pub single_callback_share: f64,
    /// How many looks at one busy period are kept; neighbours are merged beyond it. 64 looks
    /// put an error of at most 6 points (one standard deviation) on a share.
    pub max_looks: usize,
    /// How many incidents are kept; the oldest closed ones go first and are counted. 1000 of them are a
    /// few megabytes.
    pub max_incidents: usize,
    /// How many processes are kept, ended ones included. 4096: eight times a large prefork service.
    pub max_processes: usize,
    /// How many loops are kept, ended ones included. 16384, four a process.
    pub max_loops: usize,
    /// How long an ended process or loop stays in the report. 60 s, as `recent_window`.
    pub ended_retention: Nanos,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            stall_threshold: Nanos::from_millis(100),
            blocked_threshold: Nanos::from_millis(5_000),
            recent_window: Nanos::from_millis(60_000),
            join_window: Nanos::from_millis(300_000),
            livez_limit: Nanos::from_millis(30_000),
            starved_share: 0.25,
            single_callback_share: 0.5,
            max_looks: 64,
            max_incidents: 1_000,
            max_processes: 4_096,
            max_loops: 16_384,
            ended_retention: Nanos::from_millis(60_000),
        }
    }
}
