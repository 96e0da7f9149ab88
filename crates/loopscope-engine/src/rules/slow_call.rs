//! A tracked call, or a statement, that took longer than the slow threshold.
//!
//! The target tells of all that took longer than its own threshold. Of calls that are long by their nature, those of
//! remote models and HTTP requests, only those are slow that are so for such a call too.

use super::{Case, Happening, words};
use crate::{
    config::Config,
    long_calls::{is_long_by_nature, is_long_poll, is_model_call},
    observation::{CallKind, Event},
    report::{IncidentKind, Severity},
    summary::duration,
    time::Nanos,
    work::Call,
};

const CALL_STEPS: &[&str] = &[
    "give the call a limit, `async with asyncio.timeout(...)`, and decide what to answer when it is reached",
    "look whether several of these run one after the other that could run together: `asyncio.gather`",
    "set `LOOPSCOPE_SLOW_CALL_THRESHOLD_MS` to what is long for this service",
];

const RUST_STEPS: &[&str] = &[
    "give the call a limit, `tokio::time::timeout(...).await`, and decide what to answer when it is reached",
    "look whether several of these run one after the other that could run together: `tokio::join!`",
    "set `LOOPSCOPE_SLOW_CALL_THRESHOLD_MS` to what is long for this service; \
     `LOOPSCOPE_SLOW_MODEL_CALL_THRESHOLD_MS` for models and requests",
];

const MODEL_STEPS: &[&str] = &[
    "give the call a limit, `async with asyncio.timeout(...)`, and decide what to answer when it is reached; a \
     client has one of its own, `timeout=...`",
    "stream the answer, and hand on what there is of it",
    "set `LOOPSCOPE_SLOW_MODEL_CALL_THRESHOLD_MS` to what is long for this service's models",
];

const REQUEST_STEPS: &[&str] = &[
    "give the request a limit, `timeout=...` of the client, and decide what to answer when it is reached",
    "look at what answers so late, and whether this host's name is resolved at once",
    "set `LOOPSCOPE_SLOW_MODEL_CALL_THRESHOLD_MS` to what is long for this service's requests",
];

const QUERY_STEPS: &[&str] = &[
    "stop the bleeding: a `statement_timeout` for this role",
    "look at the plan: `EXPLAIN (ANALYZE, BUFFERS)` with real parameters; a sequential scan over many rows \
     wants an index",
    "look for locks that it waited for: `SELECT * FROM pg_stat_activity WHERE wait_event_type = 'Lock'`",
];

const VERIFY: &str = "`loopscope health --json`: `slow` of this call stays where it is";

pub(super) fn describe(case: &Case<'_>, event: &Event, call: Option<&Call>) -> Option<Happening> {
    let long = call.filter(|call| is_long_by_nature(&call.reading.call));
    let took = event.ended.unwrap_or(case.now).since(event.started);
    let is_usual =
        |call: &Call| is_long_poll(&call.reading.call) || took < slow_from(call, case.config);
    if long.is_some_and(is_usual) {
        return None;
    }
    let name = call.map(|call| &*call.reading.call);
    let is_query = name.is_some_and(|name| name.kind == CallKind::Query);
    let (group, called) = name.map_or(("", &*event.name), |name| (&*name.group, &*name.name));
    let lasted = duration(took);
    let verb = if event.ended.is_some() {
        "took"
    } else {
        "has taken"
    };
    let what = format!("{} {verb} {lasted}", words::call_name(name, event));
    let (kind, steps) = if is_query {
        (IncidentKind::SlowQuery, QUERY_STEPS)
    } else if words::happened_in_rust(event) {
        (IncidentKind::SlowCall, RUST_STEPS)
    } else if name.is_some_and(is_model_call) {
        (IncidentKind::SlowCall, MODEL_STEPS)
    } else if long.is_some() {
        (IncidentKind::SlowCall, REQUEST_STEPS)
    } else {
        (IncidentKind::SlowCall, CALL_STEPS)
    };
    Some(Happening {
        kind,
        severity: Severity::Degraded,
        diagnosis: words::of_event(event, &what, &[group, called], words::advice(steps, VERIFY)),
    })
}

/// From when on a call that is long by its nature is slow.
fn slow_from(call: &Call, config: &Config) -> Nanos {
    let reading = &call.reading;
    let is_known = reading.finished >= config.slow_model_call_history;
    let usual = reading.p50_nanos.filter(|_| is_known).unwrap_or(0);
    let unusual = Nanos(usual.saturating_mul(config.slow_model_call_ratio));
    config.slow_model_call_threshold.max(unusual)
}
