//! A connection that was collected, and nobody had closed it.

use super::{Happening, words};
use crate::{
    observation::Event,
    report::{Advice, IncidentKind, Severity},
    summary::duration,
    work::Pool,
};

const STEPS: &[&str] = &[
    "hold the connection only within a block that gives it back: `async with pool.connection() as conn`, \
     `with psycopg.connect(...) as conn`",
    "look at the way out by an exception: a `close()` after the work is not reached then",
];

const VERIFY: &str = "`loopscope health --json`: `connections_leaked` stays where it is";

pub(super) fn describe(event: &Event, pool: Option<&Pool>) -> Happening {
    let to = pool.map_or_else(
        || event.name.clone(),
        |pool| words::pool_name(&pool.reading.pool),
    );
    let age = duration(event.until().since(event.started));
    let what = format!("{to}: a connection was never closed and was collected after {age}, made");
    let replacement = "async with pool.connection() as conn: ...".to_owned();
    let advice = Advice {
        replacement: Some(replacement),
        ..words::advice(STEPS, VERIFY)
    };
    let mut diagnosis = words::of_event(event, &what, &[&to], advice);
    diagnosis.note = diagnosis
        .note
        .map(|note| note.trim_end_matches(", made").to_owned());
    Happening {
        kind: IncidentKind::ConnectionLeak,
        severity: Severity::Degraded,
        diagnosis,
    }
}
