//! The faults: their names, how they are brought in, and what must be found of them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::Introduction;

/// The largest piece of work within which a loop is expected to come back: the target's own thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A busy period this long is a stall.
    pub stall: Duration,
    /// A stall this long is a blocked loop.
    pub blocked: Duration,
    /// A loop that is blocked for so long has its process ended; `None` where it is left as it is.
    pub restart: Option<Duration>,
    /// A tracked call this long is slow.
    pub slow_call: Duration,
    /// Growth is judged so many times as fast as usual.
    pub pace: u32,
}

impl Limits {
    /// Of what a process tells of itself. What it does not tell is as by default.
    pub fn of(introduction: &Introduction) -> Self {
        let mut fields = introduction.allowed.split(':').skip(1);
        let mut next = || fields.next().and_then(|text| text.parse().ok());
        let slow = introduction.slow_call_ms.as_deref();
        let slow = slow.and_then(|text| text.parse().ok());
        Self {
            stall: Duration::from_millis(next().unwrap_or(100)),
            blocked: Duration::from_millis(next().unwrap_or(5_000)),
            restart: next().map(Duration::from_millis),
            slow_call: Duration::from_millis(slow.unwrap_or(2_000)),
            pace: next()
                .and_then(|pace| u32::try_from(pace).ok())
                .unwrap_or(1)
                .max(1),
        }
    }
}

/// What is brought in.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// What looks like a fault and is none: nothing may be found.
    Healthy,
    /// A synchronous call on the loop, over the stall threshold.
    Sleep,
    /// The same past the blocked threshold.
    Block,
    /// C code that keeps the interpreter's lock.
    Gil,
    /// Tasks that fail, and whose failure nobody takes.
    TaskFailure,
    /// An executor whose threads are all kept.
    Executor,
    /// A database connection that is kept while others wait.
    Database,
    /// Tasks that become ever more.
    TaskLeak,
    /// Memory that becomes ever more.
    Memory,
}

/// How a fault is brought in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// For how long at most.
    pub lasts: Duration,
    /// Tasks, MiB, or for how many milliseconds a statement is to wait.
    pub size: u64,
    /// How long after it was asked for it must have been found.
    pub patience: Duration,
    /// How long after its end it may still be said to last.
    pub settles: Duration,
    /// Whether it is ended as soon as it is found. Others end by themselves.
    pub ends_when_found: bool,
}

/// Why a fault is not brought in.
pub type Skip = String;

/// A loop that is blocked for longer is blocked for as long as a person waits.
const LONGEST_BLOCK: Duration = Duration::from_secs(25);

/// Statements that wait longer than this are not waited for.
const LONGEST_HOLD: Duration = Duration::from_secs(30);

impl Fault {
    /// All of them, in the order in which they are brought in. The last ones grow beside each other.
    pub const ALL: [Self; 9] = [
        Self::Healthy,
        Self::Sleep,
        Self::Gil,
        Self::TaskFailure,
        Self::Executor,
        Self::Database,
        Self::Block,
        Self::TaskLeak,
        Self::Memory,
    ];

    /// Its name on the command line and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Sleep => "sleep",
            Self::Block => "block",
            Self::Gil => "gil",
            Self::TaskFailure => "task-failure",
            Self::Executor => "executor",
            Self::Database => "database",
            Self::TaskLeak => "task-leak",
            Self::Memory => "memory",
        }
    }

    /// The fault of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// What it does, in a few words.
    pub fn what(self) -> &'static str {
        match self {
            Self::Healthy => {
                "work that awaits, runs in a thread or fails and is handled: nothing may be found"
            }
            Self::Sleep => "a synchronous sleep on the loop",
            Self::Block => {
                "the same past the blocked threshold: /health and /readyz must turn, and come back"
            }
            Self::Gil => "C code that keeps the interpreter's lock on the loop",
            Self::TaskFailure => "tasks that fail, and nobody takes their exception",
            Self::Executor => "an executor whose threads are all kept while more work waits",
            Self::Database => "a database connection that is kept while others wait for it",
            Self::TaskLeak => "tasks that become ever more",
            Self::Memory => "memory that becomes ever more",
        }
    }

    /// Whether it takes minutes where growth is judged as fast as usual: the rules ask for a trend.
    pub fn is_slow(self) -> bool {
        matches!(self, Self::TaskLeak | Self::Memory)
    }

    /// How it is brought in under these limits, or why it is not.
    ///
    /// # Errors
    /// Where it would take too long, or the process would be ended for it.
    pub fn plan(self, limits: &Limits) -> Result<Plan, Skip> {
        let seconds = Duration::from_secs_f64;
        let plan = |lasts, patience| Plan {
            lasts,
            size: 0,
            patience: lasts + patience,
            settles: seconds(5.0),
            ends_when_found: false,
        };
        let stall = limits.stall.saturating_mul(5).max(seconds(1.0));
        match self {
            Self::Healthy => Ok(plan(seconds(1.5), seconds(1.0))),
            Self::Sleep => checked_block(stall, limits).map(|lasts| plan(lasts, seconds(2.0))),
            Self::Block => {
                let lasts = limits.blocked + seconds(1.5);
                checked_block(lasts, limits).map(|lasts| plan(lasts, seconds(2.0)))
            }
            Self::Gil if stall > seconds(2.0) => Err(format!(
                "the interpreter's lock is kept for 2 s at most, and a stall is {} s here",
                limits.stall.as_secs_f64()
            )),
            Self::Gil => Ok(plan(stall, seconds(2.0))),
            Self::TaskFailure => Ok(Plan {
                // So many degrade a service; see `failed_tasks_degraded` of the engine.
                size: 5,
                ..plan(seconds(1.0), seconds(7.0))
            }),
            Self::Executor => Ok(Plan {
                ends_when_found: true,
                ..plan(seconds(8.0), seconds(1.0))
            }),
            Self::Database => {
                let lasts = limits.slow_call + seconds(0.5);
                if lasts > LONGEST_HOLD {
                    let slow = limits.slow_call.as_secs_f64();
                    return Err(format!(
                        "a statement is slow from {slow} s on here, too long to hold a database"
                    ));
                }
                Ok(Plan {
                    size: u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX),
                    ends_when_found: true,
                    // A pool is held for as long as it takes to be found exhausted, and by whom.
                    ..plan(lasts.max(seconds(5.0)), seconds(3.0))
                })
            }
            Self::TaskLeak => Ok(growing(limits, seconds(600.0), 150)),
            Self::Memory => Ok(growing(limits, seconds(2_100.0), 160)),
        }
    }
}

/// A block that does not have the process ended.
fn checked_block(lasts: Duration, limits: &Limits) -> Result<Duration, Skip> {
    if let Some(restart) = limits
        .restart
        .filter(|restart| lasts + Duration::from_secs(1) > *restart)
    {
        return Err(format!(
            "it was started with --restart-when-blocked {} s, which would end it",
            restart.as_secs_f64()
        ));
    }
    if lasts > LONGEST_BLOCK {
        return Err(format!(
            "a loop would have to be blocked for {:.1} s, longer than a drill does",
            lasts.as_secs_f64()
        ));
    }
    Ok(lasts)
}

/// What grows until it is found, which takes as long as the window of its trend at worst.
fn growing(limits: &Limits, window: Duration, size: u64) -> Plan {
    // Readings come a second apart at best, and a trend takes two dozen.
    let lasts = (window / limits.pace).max(Duration::from_secs(45));
    Plan {
        lasts,
        size,
        patience: lasts,
        // Until the trend's last samples are those of what is left.
        settles: (window / 5 / limits.pace).max(Duration::from_secs(15)),
        ends_when_found: true,
    }
}
