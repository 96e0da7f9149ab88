//! What the rules' sentences are made of.

use std::sync::Arc;

use crate::{
    cause::{chain_of, report_frames},
    diagnosis::Diagnosis,
    in_app::{inside_loop, is_in_app},
    observation::{CallName, Event, Frame, PoolName, TaskInfo, TaskSite},
    report::{Advice, Culprit},
    summary::place,
};

/// A diagnosis from an event's frames: the line to blame, the frames, what groups it. The sentence is what
/// happened with the line to blame behind it.
pub(super) fn of_event(event: &Event, what: &str, group: &[&str], advice: Advice) -> Diagnosis {
    let frames = frames_of(event);
    // The line that started the loop is none to blame for what happened on it.
    let inside = inside_loop(&frames);
    let culprit = inside.iter().find(|frame| is_in_app(frame));
    let culprit = culprit.map(|frame| Culprit {
        file: frame.file.to_string(),
        line: frame.line,
        function: frame.function.to_string(),
    });
    let innermost = inside
        .first()
        .map(|frame| (&*frame.file, frame.line, &*frame.function));
    let blamed = culprit
        .as_ref()
        .map(|found| (&*found.file, found.line, &*found.function));
    let at = blamed.or(innermost).map_or_else(String::new, |found| {
        format!(" at {}", place_in(found.0, found.1, found.2))
    });
    let mut chain: Vec<String> = group.iter().map(ToString::to_string).collect();
    chain.extend(chain_of(&frames));
    if frames.is_empty() && !event.message.is_empty() {
        chain.push(generalised(&event.message));
    }
    Diagnosis {
        culprit,
        frames: report_frames(&frames),
        advice,
        note: Some(format!("{what}{at}")),
        chain,
        ..Diagnosis::default()
    }
}

/// The same where what happened goes on with how it came about, `made`, `taken`, if it is known where.
pub(super) fn of_event_that_was(
    event: &Event,
    (what, how): (&str, &str),
    group: &[&str],
    advice: Advice,
) -> Diagnosis {
    let how = format!(", {how}");
    let mut diagnosis = of_event(event, &format!("{what}{how}"), group, advice);
    if let Some(note) = &mut diagnosis.note
        && note.ends_with(&how)
    {
        note.truncate(note.len() - how.len());
    }
    diagnosis
}

/// An event's frames as those of a stack.
pub(super) fn frames_of(event: &Event) -> Vec<Frame> {
    let frames = event.frames.iter();
    let frame = |frame: &crate::observation::EventFrame| Frame {
        file: Arc::from(&*frame.file),
        line: frame.line,
        function: Arc::from(&*frame.function),
        is_coroutine: false,
        calls: Vec::new(),
    };
    frames.map(frame).collect()
}

/// `ValueError: bad token`, or the message alone, or the type alone.
pub(super) fn error(event: &Event) -> String {
    match (&*event.error_type, &*event.message) {
        ("", "") => "an error".to_owned(),
        ("", message) => message.to_owned(),
        (error_type, "") => error_type.to_owned(),
        (error_type, message) => format!("{error_type}: {message}"),
    }
}

/// A message with its numbers, quotes and ids taken out, so that repetitions read the same.
pub(super) fn generalised(message: &str) -> String {
    let mut words = Vec::new();
    for word in message.split_whitespace() {
        let is_special = word.contains(|c: char| c.is_ascii_digit() || "'\"`/@".contains(c));
        words.push(if is_special { "?" } else { word });
    }
    words.dedup_by(|a, b| *a == "?" && *b == "?");
    words.join(" ")
}

/// `main.py:41 in start_all`; `None` where the place is not known.
pub(super) fn created_at(site: &TaskSite) -> Option<String> {
    (!site.file.is_empty()).then(|| place_in(&site.file, site.line, &site.function))
}

/// `main.py:41 in start_all`, or without the function where that is not known.
pub(super) fn place_in(file: &str, line: u32, function: &str) -> String {
    let place = place(file, line);
    if function.is_empty() {
        place
    } else {
        format!("{place} in {function}")
    }
}

/// Whether code of this file is Rust.
pub(crate) fn is_rust(file: &str) -> bool {
    file.ends_with(".rs")
}

/// Whether what happened did so in Rust.
pub(super) fn happened_in_rust(event: &Event) -> bool {
    event
        .frames
        .first()
        .is_some_and(|frame| is_rust(&frame.file))
}

/// `jobs.py:12 in fetch`, the innermost line of the program's own code, or of any.
pub(super) fn waits_at(task: &TaskInfo) -> Option<String> {
    let mut innermost_first = task.await_chain.iter().rev();
    let own = innermost_first.clone().find(|frame| is_in_app(frame));
    let frame = own.or_else(|| innermost_first.next())?;
    let place = place(&frame.file, frame.line);
    Some(format!("{place} in {}", frame.function))
}

/// The line that creates a site's tasks.
pub(super) fn culprit_of(site: &TaskSite) -> Option<Culprit> {
    (!site.file.is_empty()).then(|| Culprit {
        file: site.file.clone(),
        line: site.line,
        function: site.function.clone(),
    })
}

/// `Bot.poll`, or what stands for it.
pub(super) fn coroutine(site: &TaskSite) -> &str {
    if site.coroutine.is_empty() {
        "a coroutine"
    } else {
        &site.coroutine
    }
}

/// `agno call Agent.run`.
pub(super) fn call_name(call: Option<&CallName>, event: &Event) -> String {
    use crate::observation::CallKind::{Acquire, Call, Connect, Query, Request};
    let Some(call) = call else {
        return format!("call {}", event.name);
    };
    let kind = match call.kind {
        Call => "call",
        Request => "request",
        Query => "query",
        Connect => "connection",
        Acquire => "acquisition",
    };
    format!("{} {kind} {}", call.group, call.name)
}

/// `pool db (asyncpg, 127.0.0.1:5432/bots)`, `psycopg connections to 127.0.0.1:5432/bots`.
pub(super) fn pool_name(pool: &PoolName) -> String {
    let known = [&pool.driver, &pool.server].map(|text| text.as_str());
    let known: Vec<&str> = known.into_iter().filter(|text| !text.is_empty()).collect();
    match (pool.name.as_str(), &known[..]) {
        ("", []) => "connections".to_owned(),
        ("", [only]) => format!("{only} connections"),
        ("", _) => format!("{} connections to {}", pool.driver, pool.server),
        (name, []) => format!("pool {name}"),
        (name, _) => format!("pool {name} ({})", known.join(", ")),
    }
}

/// Advice out of steps and the way to see that they helped.
pub(super) fn advice(steps: &[&str], verify: &str) -> Advice {
    Advice {
        steps: steps.iter().map(ToString::to_string).collect(),
        verify: Some(verify.to_owned()),
        ..Advice::default()
    }
}

/// `1.2 GiB`, `310 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    const MEBIBYTE: f64 = 1_048_576.0;
    let mebibytes = bytes as f64 / MEBIBYTE;
    if mebibytes < 1_000.0 {
        format!("{mebibytes:.0} MiB")
    } else {
        format!("{:.1} GiB", mebibytes / 1_024.0)
    }
}

/// `1 task`, `3 tasks`.
pub(super) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_time_to_time_is_taken_out_of_a_message() {
        let of = |message| generalised(message);
        assert_eq!(of("no bot 17 in 'eu-1'"), of("no bot 3 in 'us-2'"));
        assert_eq!(of("bad token"), "bad token");
        assert_eq!(of("at 0x7f 12 13 again"), "at ? again");
    }

    #[test]
    fn a_pool_is_named_by_what_is_known_of_it() {
        let of = |name: &str, driver: &str, server: &str| {
            pool_name(&PoolName {
                name: name.into(),
                driver: driver.into(),
                server: server.into(),
            })
        };
        assert_eq!(of("db", "asyncpg", "h:1/b"), "pool db (asyncpg, h:1/b)");
        assert_eq!(of("", "psycopg", "h:1/b"), "psycopg connections to h:1/b");
        assert_eq!(of("db", "", ""), "pool db");
        assert_eq!(of("", "", ""), "connections");
    }
}
