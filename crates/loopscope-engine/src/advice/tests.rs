//! Every pattern of every table must lead to its own entry, or the entry is dead.

use super::*;
use crate::{
    looks::Looks,
    observation::{Gil, InsideLoop, Sample, ThreadState},
    syscalls::state_for,
    testing::{APP, coroutine, frame, frame_calling},
};

fn culprit_file(language: Language) -> &'static str {
    match language {
        Language::Python => APP,
        Language::Node => "/srv/server.js",
        Language::Native => "/srv/src/main.rs",
    }
}

/// What each `Wait` looks like from outside, for entries that care; computing for those that do not.
fn states(entry: &Entry) -> Vec<ThreadState> {
    let waits = if entry.waits.is_empty() {
        &[Wait::Computing][..]
    } else {
        entry.waits
    };
    waits.iter().map(|wait| state_for(*wait)).collect()
}

fn found(stack: &[Frame], culprit: usize, thread: ThreadState) -> Found<'_> {
    find(&Evidence::new(stack, culprit, &thread, &[]))
}

fn by_call(language: Language, call: &str, thread: ThreadState) -> Option<&'static Entry> {
    let stack = [frame_calling(culprit_file(language), 1, "handler", &[call])];
    found(&stack, 0, thread).entry
}

#[track_caller]
fn assert_is(entry: &Entry, other: Option<&Entry>, by: &str) {
    let other = other.map(|other| (other.name, other.waits));
    assert_eq!(
        other,
        Some((entry.name, entry.waits)),
        "{by} of {}",
        entry.name
    );
}

#[test]
fn every_function_of_every_entry_leads_to_that_entry() {
    for entry in entries() {
        for function in entry.functions {
            let function = match function.strip_suffix("::") {
                Some(_) => format!("{function}anything"),
                None => (*function).to_owned(),
            };
            for thread in states(entry) {
                let file = "/rustc/0123/library/std/src/lib.rs";
                let own = frame(culprit_file(entry.language), 1, "handler");
                let stack = [frame(file, 1, &function), own];
                assert_is(entry, found(&stack, 1, thread).entry, &function);
            }
        }
    }
}

#[test]
fn every_call_of_every_entry_leads_to_that_entry() {
    for entry in entries() {
        for call in entry.calls {
            let call = if call.starts_with('.') {
                format!("anything{call}")
            } else {
                (*call).to_owned()
            };
            for thread in states(entry) {
                assert_is(entry, by_call(entry.language, &call, thread), &call);
            }
        }
    }
}

#[test]
fn every_frame_of_every_entry_leads_to_that_entry() {
    for entry in entries() {
        for (pattern, functions) in entry.frames {
            let file = match pattern.strip_suffix('/') {
                Some(package) => format!("/venv/lib/python3.12/site-packages/{package}/mod.py"),
                None if pattern.starts_with(['<', 'n']) => (*pattern).to_owned(),
                None => format!("/usr/lib/python3.12/{pattern}"),
            };
            for function in if functions.is_empty() {
                &["f"][..]
            } else {
                functions
            } {
                let culprit = frame(culprit_file(entry.language), 1, "handler");
                let stack = [frame(&file, 9, function), culprit];
                for thread in states(entry) {
                    let by = format!("{file} {function}");
                    assert_is(entry, found(&stack, 1, thread).entry, &by);
                }
            }
        }
    }
}

#[test]
fn every_fallback_is_reached_by_its_wait() {
    for entry in fallback::ENTRIES {
        let waits = if entry.waits.is_empty() {
            &[Wait::Other][..]
        } else {
            entry.waits
        };
        for wait in waits {
            let stack = [frame(culprit_file(entry.language), 1, "handler")];
            assert_is(entry, found(&stack, 0, state_for(*wait)).entry, "the wait");
        }
    }
}

#[test]
fn the_tables_hold_what_they_promise() {
    assert!(entries().count() >= 40);
    for entry in entries().chain(fallback::ENTRIES) {
        assert!(
            !entry.name.is_empty() && !entry.steps.is_empty(),
            "{entry:?}"
        );
        let is_reachable =
            !entry.calls.is_empty() || !entry.frames.is_empty() || !entry.functions.is_empty();
        let is_fallback = fallback::ENTRIES
            .iter()
            .any(|other| std::ptr::eq(entry, other));
        assert!(is_reachable || is_fallback, "{entry:?}");
        // One name or one method: a longer tail would never match.
        for call in entry.calls {
            assert!(
                call.strip_prefix('.')
                    .is_none_or(|method| !method.contains('.')),
                "{call}"
            );
        }
    }
}

/// The rules of ruff's flake8-async group for blocking calls, as its documentation lists them, and of clippy.
#[test]
fn every_rule_is_one_that_a_linter_has() {
    const RULES: &[&str] = &[
        "ASYNC210",
        "ASYNC212",
        "ASYNC220",
        "ASYNC221",
        "ASYNC222",
        "ASYNC230",
        "ASYNC240",
        "ASYNC250",
        "ASYNC251",
        "clippy::await_holding_lock",
    ];
    let used = |rule: &str| entries().any(|entry| entry.rule == Some(rule));
    for rule in RULES {
        assert!(used(rule), "{rule} is not used");
    }
    for entry in entries().chain(fallback::ENTRIES) {
        assert!(
            entry.rule.is_none_or(|rule| RULES.contains(&rule)),
            "{entry:?}"
        );
    }
}

#[test]
fn a_library_below_the_line_decides_over_a_call_beside_it() {
    let sessions = "/venv/lib/python3.12/site-packages/requests/sessions.py";
    let stack = [
        frame("/usr/lib/python3.12/socket.py", 720, "readinto"),
        frame(sessions, 589, "Session.request"),
        frame_calling(APP, 4, "handler", &["json.loads", "requests.get"]),
    ];
    let found = found(&stack, 2, state_for(Wait::Network));
    assert_eq!(found.entry.map(|entry| entry.name), Some("requests"));
    assert_eq!(found.call, Some("requests.get"));
}

#[test]
fn a_call_inside_an_unknown_library_is_read_from_its_own_line() {
    let library = "/venv/lib/python3.12/site-packages/tenacity/nap.py";
    let stack = [
        frame_calling(library, 31, "sleep", &["time.sleep"]),
        frame_calling(APP, 4, "handler", &["fetch"]),
    ];
    let found = found(&stack, 1, state_for(Wait::Timer));
    assert_eq!(
        found.entry.and_then(|entry| entry.replacement),
        Some("await asyncio.sleep(...)")
    );
    assert_eq!(found.call, Some("fetch"));
}

#[test]
fn the_same_method_is_told_apart_by_what_the_thread_waits_for() {
    let of = |wait| by_call(Language::Python, "cur.execute", state_for(wait)).map(|e| e.name);
    assert_eq!(of(Wait::Network), Some("database call over the network"));
    assert_eq!(of(Wait::File), Some("database call in the process"));
    let of = |wait| by_call(Language::Python, "pool.get", state_for(wait)).map(|e| e.name);
    assert_eq!(of(Wait::Lock), Some("queue.get"));
    assert_eq!(of(Wait::Computing), Some("computing"));
}

#[test]
fn the_asynchronous_side_of_a_library_is_not_blamed() {
    let client = "/venv/lib/python3.12/site-packages/httpx/_client.py";
    let stack = [
        coroutine(client, 1617, "AsyncClient.send"),
        frame(APP, 4, "handler"),
    ];
    let name = found(&stack, 1, state_for(Wait::Computing))
        .entry
        .map(|entry| entry.name);
    assert_eq!(name, Some("computing"));
}

#[test]
fn what_an_awaited_library_computes_is_no_use_of_its_blocking_side() {
    let openai = |file: &str| format!("/venv/lib/python3.12/site-packages/openai/{file}");
    let stack = [
        frame("/usr/lib/python3.12/typing.py", 2399, "get_type_hints"),
        frame(&openai("_utils/_transform.py"), 461, "get_type_hints"),
        coroutine(
            &openai("resources/chat.py"),
            3416,
            "AsyncCompletions.create",
        ),
        frame(APP, 4, "handler"),
    ];
    let named = |stack: &[Frame]| {
        let found = found(stack, stack.len() - 1, state_for(Wait::Computing));
        found.entry.map(|entry| entry.name)
    };
    assert_eq!(named(&stack), Some("computing"));
    let [typing, helper, _, handler] = stack;
    assert_eq!(named(&[typing, helper, handler]), Some("openai"));
}

#[test]
fn making_a_client_is_told_from_what_it_does_later() {
    let client = "/venv/lib/python3.12/site-packages/httpx/_client.py";
    let stack = [
        frame("/usr/lib/python3.12/ssl.py", 731, "create_default_context"),
        frame(client, 1402, "AsyncClient.__init__"),
        frame_calling(APP, 4, "handler", &["httpx.AsyncClient"]),
    ];
    let found = found(&stack, 2, state_for(Wait::Computing));
    let name = found.entry.map(|entry| entry.name);
    assert_eq!(name, Some("making an SSL context"));
    assert_eq!(found.call, Some("httpx.AsyncClient"));
}

#[test]
fn a_folder_of_the_application_that_is_named_like_a_library_is_not_that_library() {
    let stack = [
        frame("/srv/shop/redis/prices.py", 9, "total"),
        frame(APP, 4, "handler"),
    ];
    let name = found(&stack, 1, state_for(Wait::Computing))
        .entry
        .map(|entry| entry.name);
    assert_eq!(name, Some("computing"));
}

#[test]
fn a_package_is_a_whole_folder_name() {
    assert!(is_file("/venv/redis/client.py", "redis/"));
    assert!(is_file("redis/client.py", "redis/"));
    assert!(!is_file("/venv/myredis/client.py", "redis/"));
    assert!(!is_file("/venv/redis_om/client.py", "redis/"));
    assert!(is_file("/usr/lib/python3.12/re.py", "re.py"));
    assert!(!is_file("/usr/lib/python3.12/core.py", "re.py"));
}

#[test]
fn the_call_on_the_line_stands_in_the_advice() {
    let stack = [frame_calling(APP, 4, "handler", &["os.fsync"])];
    let evidence = Evidence::new(&stack, 0, &state_for(Wait::File), &[]);
    let (call, advice) = for_call(&evidence);
    assert_eq!(call.as_deref(), Some("os.fsync"));
    assert_eq!(
        advice.replacement.as_deref(),
        Some("await asyncio.to_thread(os.fsync, ...)")
    );
    assert!(
        advice.steps.iter().all(|step| !step.contains('{')),
        "{advice:?}"
    );
}

#[test]
fn the_wait_seen_most_decides() {
    let mut looks = Looks::default();
    for (at, wait) in [Wait::Timer, Wait::Network, Wait::Network]
        .into_iter()
        .enumerate()
    {
        let sample = Sample {
            inside_loop: InsideLoop::Yes,
            frames: Vec::new(),
            task: None,
            callback: None,
            gil: Gil::Unknown,
            thread: state_for(wait),
            error: None,
        };
        looks.push(crate::time::Nanos(at as u64), &sample, 64);
    }
    let run: Vec<_> = looks.as_slice().iter().collect();
    let stack = [frame(APP, 4, "handler")];
    let evidence = Evidence::new(&stack, 0, &state_for(Wait::Timer), &run);
    assert_eq!(evidence.wait, Wait::Network);
}

#[test]
fn a_call_that_returns_at_once_is_not_what_the_line_is_at_work_on() {
    let named = |calls: &[&str]| {
        let stack = [frame_calling(APP, 1, "handler", calls)];
        let evidence = Evidence::of_computing(&stack, 0);
        for_call(&evidence)
    };
    let (call, advice) = named(&["range"]);
    assert_eq!(call, None);
    let replacement = advice.replacement.unwrap();
    assert!(
        replacement.contains("process_pool, function"),
        "{replacement}"
    );
    assert_eq!(named(&["rows.items"]).0, None);
    assert_eq!(named(&["loop.call_soon"]).0, None);
    assert_eq!(named(&["crunch"]).0.as_deref(), Some("crunch"));
    assert_eq!(named(&["range", "crunch"]).0.as_deref(), Some("crunch"));
}

#[test]
fn writing_json_is_told_from_reading_it() {
    let advised = |call: &str| {
        let stack = [frame_calling(APP, 1, "handler", &[call])];
        for_call(&Evidence::of_computing(&stack, 0)).1.replacement
    };
    assert_eq!(advised("json.dumps").as_deref(), Some("orjson.dumps(...)"));
    assert_eq!(advised("json.loads").as_deref(), Some("orjson.loads(...)"));
}
