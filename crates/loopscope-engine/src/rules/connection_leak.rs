//! A connection that was collected, and nobody had closed it.

use super::{Happening, words};
use crate::{
    observation::Event,
    report::{Advice, IncidentKind, Severity},
    summary::duration,
    work::Pool,
};

/// Blocks that close what they hold, by the driver.
const BLOCKS: &[(&str, &str)] = &[
    ("asyncpg", "async with pool.acquire() as conn: ..."),
    (
        "psycopg2",
        "with contextlib.closing(psycopg2.connect(...)) as conn: ...",
    ),
    (
        "sqlite3",
        "with contextlib.closing(sqlite3.connect(...)) as conn: ...",
    ),
];

/// A database of SQLite that goes with its connection: nobody else waits for what it holds, so leaving it to the collector
/// is untidy, and no fault. Libraries do so to ask which features SQLite has.
const IN_MEMORY: &str = ":memory:";

const ANY_BLOCK: &str = "async with pool.connection() as conn: ...";

const STEPS: &[&str] = &[
    "hold the connection only within a block that gives it back or closes it, whatever happens inside",
    "look at the way out by an exception: a `close()` after the work is not reached then",
];

const VERIFY: &str = "`loopscope health --json`: `connections_leaked` stays where it is";

pub(super) fn describe(event: &Event, pool: Option<&Pool>) -> Happening {
    let to = pool.map_or_else(
        || event.name.clone(),
        |pool| words::pool_name(&pool.reading.pool),
    );
    let age = duration(event.until().since(event.started));
    let what = format!("{to}: a connection was never closed and was collected after {age}");
    let driver = pool.map_or("", |pool| &pool.reading.pool.driver);
    let block = BLOCKS.iter().find(|(of, _)| *of == driver);
    let replacement = block.map_or(ANY_BLOCK, |(_, block)| block).to_owned();
    let advice = Advice {
        replacement: Some(replacement),
        ..words::advice(STEPS, VERIFY)
    };
    let diagnosis = words::of_event_that_was(event, (&what, "made"), &[&to], advice);
    let is_in_memory = pool.is_some_and(|pool| pool.reading.pool.server == IN_MEMORY);
    Happening {
        kind: IncidentKind::ConnectionLeak,
        severity: if is_in_memory {
            Severity::Info
        } else {
            Severity::Degraded
        },
        diagnosis,
    }
}
