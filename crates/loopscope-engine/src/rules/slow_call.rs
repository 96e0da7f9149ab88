//! A tracked call, or a statement, that took longer than the slow threshold.

use super::{Happening, words};
use crate::{
    observation::{CallKind, Event},
    report::{IncidentKind, Severity},
    summary::duration,
    work::Call,
};

const CALL_STEPS: &[&str] = &[
    "give the call a limit, `async with asyncio.timeout(...)`, and decide what to answer when it is reached",
    "look whether several of these run one after the other that could run together: `asyncio.gather`",
    "set `LOOPSCOPE_SLOW_CALL_THRESHOLD_MS` to what is long for this service",
];

const QUERY_STEPS: &[&str] = &[
    "stop the bleeding: a `statement_timeout` for this role",
    "look at the plan: `EXPLAIN (ANALYZE, BUFFERS)` with real parameters; a sequential scan over many rows \
     wants an index",
    "look for locks that it waited for: `SELECT * FROM pg_stat_activity WHERE wait_event_type = 'Lock'`",
];

const VERIFY: &str = "`loopscope health --json`: `slow` of this call stays where it is";

pub(super) fn describe(event: &Event, call: Option<&Call>) -> Happening {
    let name = call.map(|call| &*call.reading.call);
    let is_query = name.is_some_and(|name| name.kind == CallKind::Query);
    let (group, called) = name.map_or(("", &*event.name), |name| (&*name.group, &*name.name));
    let lasted = duration(event.until().since(event.started));
    let verb = if event.ended.is_some() {
        "took"
    } else {
        "has taken"
    };
    let what = format!("{} {verb} {lasted}", words::call_name(name, event));
    let (kind, steps) = if is_query {
        (IncidentKind::SlowQuery, QUERY_STEPS)
    } else {
        (IncidentKind::SlowCall, CALL_STEPS)
    };
    Happening {
        kind,
        severity: Severity::Degraded,
        diagnosis: words::of_event(event, &what, &[group, called], words::advice(steps, VERIFY)),
    }
}
