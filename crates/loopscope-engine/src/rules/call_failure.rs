//! A tracked call that ended with an error.
//!
//! One failure is shown and no more: who made the call may well handle it. When most of the calls fail,
//! what they call does not work.

use super::{Happening, connection_failure, words};
use crate::{
    config::Config,
    observation::{CallKind, Event},
    report::{IncidentKind, Severity},
    work::Call,
};

const STEPS: &[&str] = &[
    "look whether what it calls answers at all, and since when it does not",
    "try again only what may be repeated, each time after a longer pause, and not for ever",
];

const VERIFY: &str = "`loopscope health --json`: `failed` of this call stays where it is";

pub(super) fn describe(event: &Event, call: Option<&Call>, config: &Config) -> Happening {
    let name = call.map(|call| &*call.reading.call);
    if name.is_some_and(|name| name.kind == CallKind::Connect) {
        return connection_failure::of_call(event, name);
    }
    let (group, called) = name.map_or(("", &*event.name), |name| (&*name.group, &*name.name));
    let (ended, failed) = call.map(Call::lately).unwrap_or_default();
    let fails_mostly = failed >= config.failed_calls_degraded && failed >= ended.div_ceil(2);
    let lately = if fails_mostly {
        format!(" ({failed} of the last {ended} failed)")
    } else {
        String::new()
    };
    let what = format!(
        "{} failed with {}{lately}",
        words::call_name(name, event),
        words::error(event)
    );
    let group = [group, called, &*event.error_type];
    Happening {
        kind: IncidentKind::CallFailure,
        severity: if fails_mostly {
            Severity::Degraded
        } else {
            Severity::Info
        },
        diagnosis: words::of_event(event, &what, &group, words::advice(STEPS, VERIFY)),
    }
}
