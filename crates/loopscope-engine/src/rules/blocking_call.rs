//! A tracked call that ran synchronously on a running loop's thread for longer than the stall threshold.

use super::{Happening, words};
use crate::{
    advice,
    observation::{CallKind, Event},
    report::{IncidentKind, Severity},
    summary::duration,
    work::Call,
};

pub(super) fn describe(event: &Event, call: Option<&Call>) -> Happening {
    let name = call.map(|call| &*call.reading.call);
    let (group, called) = name.map_or(("", &*event.name), |name| (&*name.group, &*name.name));
    let what = format!(
        "{} held the thread of its loop for {}",
        words::call_name(name, event),
        duration(event.until().since(event.started))
    );
    let asked = advice::Tracked {
        kind: name.map_or(CallKind::Call, |name| name.kind),
        group,
        name: called,
    };
    let advice = if words::happened_in_rust(event) {
        advice::for_tracked_call_of_rust()
    } else {
        advice::for_tracked_call(asked, &words::frames_of(event))
    };
    let mut diagnosis = words::of_event(event, &what, &[group, called], advice);
    diagnosis.call = Some(called.to_owned());
    Happening {
        kind: IncidentKind::BlockingCall,
        severity: Severity::Degraded,
        diagnosis,
    }
}
