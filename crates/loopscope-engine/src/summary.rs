//! The sentence that says what an incident is, with the line to blame.
//!
//! One voice for all surfaces: log lines, `/health` issues and the dashboard print what is made here.

use crate::{
    diagnosis::Diagnosis,
    incidents::Stored,
    report::{IncidentKind, LoopRef, ReportFrame, StallCause},
    time::Nanos,
};

/// The sentence for an incident at `now`.
pub(crate) fn sentence(incident: &Stored, now: Nanos, blocked: Nanos) -> String {
    told(incident, now, blocked, "")
}

/// The sentence for the list of issues: of a closed incident it also says how long ago that was.
pub(crate) fn issue(incident: &Stored, now: Nanos, blocked: Nanos) -> String {
    let last = if incident.count > 1 { "last " } else { "" };
    let ago = |closed| format!(", {last}{} ago", duration(now.since(closed)));
    told(
        incident,
        now,
        blocked,
        &incident.closed.map_or_else(String::new, ago),
    )
}

fn told(incident: &Stored, now: Nanos, blocked: Nanos, ago: &str) -> String {
    let found = &incident.diagnosis;
    match (incident.subject.kind, &incident.subject.r#loop) {
        (IncidentKind::LoopStall, Some((_, loop_ref))) => {
            let subject = subject(loop_ref, incident.subject.process_ref.pid);
            let what = what_happened(incident, now, blocked);
            format!(
                "{subject} {what}{}{ago}{}",
                explanation(found),
                instead(found)
            )
        }
        (IncidentKind::ProcessDied | IncidentKind::ObserverDegraded, _) => {
            format!("{}{ago}", found.note.as_deref().unwrap_or_default())
        }
        (kind, on) => {
            let note = found.note.as_deref().unwrap_or_default();
            let on = on.as_ref().map_or_else(String::new, |(_, loop_ref)| {
                format!(
                    ", on {}",
                    subject(loop_ref, incident.subject.process_ref.pid)
                )
            });
            let times = times(incident, kind, now);
            let detail = found.detail.as_ref();
            let detail = detail.map_or_else(String::new, |detail| format!("; {detail}"));
            format!("{note}{on}{times}{ago}{detail}{}", instead(found))
        }
    }
}

/// How long a fault has lasted, or how often something happened.
fn times(incident: &Stored, kind: IncidentKind, now: Nanos) -> String {
    let longest = duration(incident.longest_at(now));
    match (kind.lasts(), incident.count) {
        (true, _) if incident.is_open() => {
            format!(", for {} by now", duration(incident.lasting_at(now)))
        }
        (true, 1) => format!(", for {longest}"),
        (true, count) => format!(", {count} times, for {longest} at the longest"),
        (false, 0 | 1) => String::new(),
        (false, count) => format!(" ({count} times)"),
    }
}

/// A length for people: `0.31 s`, `7.2 s`, `2 min 5 s`, `3 h 4 min`.
pub(crate) fn duration(length: Nanos) -> String {
    let seconds = length.as_secs_f64();
    // Compared after rounding, so that 59.99 s does not read as `60 s`.
    if seconds < 0.995 {
        format!("{seconds:.2} s")
    } else if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else if seconds < 59.5 {
        format!("{seconds:.0} s")
    } else if seconds < 3_599.5 {
        let whole = seconds.round() as u64;
        format!("{} min {} s", whole / 60, whole % 60)
    } else {
        let minutes = (seconds / 60.0).round() as u64;
        format!("{} h {} min", minutes / 60, minutes % 60)
    }
}

/// A place for people: the file's own name and the line.
pub(crate) fn place(file: &str, line: u32) -> String {
    let mut names = file.rsplit('/');
    let name = names.next().unwrap_or(file);
    // `__init__.py` says nothing without its folder.
    let short = match names.next() {
        Some(folder) if name.starts_with("__") => format!("{folder}/{name}"),
        _ => name.to_owned(),
    };
    if line == 0 {
        short
    } else {
        format!("{short}:{line}")
    }
}

/// `loop main (pid 41, asyncio)`.
pub(crate) fn subject(loop_ref: &LoopRef, pid: u32) -> String {
    format!("loop {} (pid {pid}, {})", loop_ref.name, loop_ref.runtime)
}

fn what_happened(incident: &Stored, now: Nanos, blocked: Nanos) -> String {
    let is_paused = incident.diagnosis.cause == Some(StallCause::Suspended);
    let lasting = duration(incident.lasting_at(now));
    if incident.is_open() {
        return match (is_paused, incident.is_blocked(now, blocked)) {
            (true, _) => format!("has been paused with its process for {lasting}"),
            (false, true) => format!("has been blocked for {lasting}"),
            (false, false) => format!("has been stalled for {lasting}"),
        };
    }
    let verb = if is_paused {
        "was paused with its process"
    } else {
        "stalled"
    };
    let longest = duration(incident.longest_at(now));
    match incident.count {
        1 => format!("{verb} for {longest}"),
        count => format!("{verb} {count} times (longest {longest})"),
    }
}

fn explanation(found: &Diagnosis) -> String {
    match found.cause {
        Some(StallCause::Suspended) => {
            ": the process was stopped, no code blocks the loop".to_owned()
        }
        Some(StallCause::CpuStarved) => {
            format!(
                ": it was ready to run and got no processor{}",
                found_at(found)
            )
        }
        Some(StallCause::Overload) => overload(found),
        Some(StallCause::Unknown) | None => {
            let note = found
                .note
                .as_deref()
                .map_or_else(String::new, |note| format!(": {note}"));
            format!("{}, cause unknown{note}", found_at(found))
        }
        Some(StallCause::GcPause) => {
            let note = found.note.as_deref().unwrap_or_default();
            format!(": {note}{}", found_at(found))
        }
        Some(StallCause::BlockingCall) => found
            .lock_holder
            .map_or_else(|| blocking(found), |holder| lock_wait(found, holder)),
    }
}

/// ` at app.py:42 in handler: time.sleep`.
fn blocking(found: &Diagnosis) -> String {
    let call = found
        .call
        .as_ref()
        .map_or_else(String::new, |call| format!(": {call}"));
    format!("{}{call}", found_at(found))
}

fn lock_wait(found: &Diagnosis, holder: u32) -> String {
    let call = found
        .call
        .as_ref()
        .map_or_else(String::new, |call| format!(": {call}"));
    let place = found_at(found);
    format!(": it waits for the interpreter lock, which thread {holder} holds{place}{call}")
}

fn overload(found: &Diagnosis) -> String {
    let shares: Vec<String> = found
        .shares
        .iter()
        .take(3)
        .map(|share| {
            let place = place(&share.file, share.line);
            format!("{} at {place} {:.0} %", share.function, share.share * 100.0)
        })
        .collect();
    let shared = if shares.is_empty() {
        String::new()
    } else {
        format!(": {}", shares.join(", "))
    };
    format!(": many callbacks in one turn share the time{shared}")
}

fn found_at(found: &Diagnosis) -> String {
    let culprit = found
        .culprit
        .as_ref()
        .map(|culprit| (&culprit.file, culprit.line, &culprit.function));
    // A program without lines has functions of its own all the same.
    let has_line = |frame: &&ReportFrame| !frame.file.is_empty();
    let mut own = found.frames.iter().filter(|frame| frame.in_app);
    let innermost = found.frames.first().filter(has_line).or(own.next());
    let innermost = innermost.or(found.frames.first());
    let innermost = innermost.map(|frame| (&frame.file, frame.line, &frame.function));
    match culprit.or(innermost) {
        Some((file, _, function)) if file.is_empty() && function.is_empty() => String::new(),
        Some((file, _, function)) if file.is_empty() => format!(" in {function}"),
        Some((file, line, function)) => format!(" at {} in {function}", place(file, line)),
        None => String::new(),
    }
}

/// The replacement without its comment: what a sentence has room for.
fn instead(found: &Diagnosis) -> String {
    let code = found
        .advice
        .replacement
        .as_deref()
        .and_then(|text| text.split("  #").next())
        .and_then(|text| text.split("  //").next());
    code.map_or_else(String::new, |code| format!("; write {code} instead"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_naturally_at_every_scale() {
        let read = |millis| duration(Nanos::from_millis(millis));
        assert_eq!(read(0), "0.00 s");
        assert_eq!(read(310), "0.31 s");
        assert_eq!(read(999), "1.0 s");
        assert_eq!(read(7_240), "7.2 s");
        assert_eq!(read(9_960), "10 s");
        assert_eq!(read(59_960), "1 min 0 s");
        assert_eq!(read(125_000), "2 min 5 s");
        assert_eq!(read(3_599_900), "1 h 0 min");
        assert_eq!(read(11_040_000), "3 h 4 min");
    }

    #[test]
    fn a_place_is_the_files_own_name_unless_that_says_nothing() {
        assert_eq!(place("/srv/shop/app.py", 42), "app.py:42");
        assert_eq!(place("/srv/shop/__init__.py", 7), "shop/__init__.py:7");
        assert_eq!(place("app.py", 0), "app.py");
        assert_eq!(place("", 3), ":3");
    }
}
