//! A callback that raised into its loop, or another call of the loop's exception handler.

use super::{Happening, words};
use crate::{
    observation::Event,
    report::{IncidentKind, Severity},
};

const STEPS: &[&str] = &[
    "catch the exception inside the callback: whoever scheduled it never learns of it",
    "give the loop a handler that a person reads, `loop.set_exception_handler(...)`",
];

const VERIFY: &str =
    "do the same again, then `loopscope health`: this incident's count stays at {count}";

pub(super) fn describe(event: &Event) -> Happening {
    let name = if event.name.is_empty() {
        String::new()
    } else {
        format!(" {}", event.name)
    };
    let what = format!(
        "callback{name} raised {} into its loop",
        words::error(event)
    );
    let group = [event.error_type.as_str(), event.name.as_str()];
    Happening {
        kind: IncidentKind::CallbackFailure,
        severity: Severity::Info,
        diagnosis: words::of_event(event, &what, &group, words::advice(STEPS, VERIFY)),
    }
}
