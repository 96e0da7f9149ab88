//! A connection that could not be made.

use super::{Happening, words};
use crate::{
    diagnosis::Diagnosis,
    observation::{CallName, Event},
    report::{IncidentKind, Severity},
    work::Pool,
};

const STEPS: &[&str] = &[
    "look whether the server runs and takes connections from here: its log, its limit of connections, the \
     address and the password in the settings",
    "give up after a while, `connect_timeout`, and try again after a pause that grows",
];

const VERIFY: &str = "`loopscope health --json`: `connections_failed` stays where it is";

pub(super) fn describe(event: &Event, pool: Option<&Pool>) -> Happening {
    let to = pool.map_or_else(
        || event.name.clone(),
        |pool| words::pool_name(&pool.reading.pool),
    );
    happening(event, &to)
}

pub(super) fn of_call(event: &Event, call: Option<&CallName>) -> Happening {
    happening(event, &words::call_name(call, event))
}

fn happening(event: &Event, to: &str) -> Happening {
    let what = format!("{to}: no connection, {}", words::error(event));
    let group = [to, &*event.error_type];
    let diagnosis = words::of_event(event, &what, &group, words::advice(STEPS, VERIFY));
    // What groups it is the server, whoever wanted to connect.
    let chain = group.iter().map(ToString::to_string).collect();
    Happening {
        kind: IncidentKind::ConnectionFailure,
        severity: Severity::Degraded,
        diagnosis: Diagnosis { chain, ..diagnosis },
    }
}
