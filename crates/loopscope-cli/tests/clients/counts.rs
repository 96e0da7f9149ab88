//! Each call counts once, under a name without secrets, with its end and its type of error.

use loopscope_recorder::layout::FactKind;

use crate::harness::{Recorded, Watched, text};
use crate::programs::{counts, equipped_pythons, program};

/// The recording of a program that ended well and printed a line.
fn recorded(watched: &Watched) -> (&Recorded, String) {
    let output = &watched.output;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(watched.recordings.len(), 1);
    let recorded = &watched.recordings[0];
    assert_eq!(recorded.tables.adapter.as_ref().unwrap().faults, 0);
    (recorded, text(&output.stdout).trim().to_owned())
}

#[test]
fn every_library_s_calls_are_counted_once_each() {
    for python in equipped_pythons() {
        let watched = program(&python, "counts.py", &[]).watched();
        let (recorded, host) = recorded(&watched);
        let mut expected = vec![
            ("requests", "GET", [3, 0, 0]),
            ("requests", "POST", [1, 0, 0]),
            ("urllib", "GET", [1, 0, 0]),
            ("urllib", "PUT", [1, 1, 0]),
            ("http.client", "HEAD", [1, 0, 0]),
            ("openai", "chat.completions.create", [6, 0, 0]),
            ("openai", "embeddings.create", [1, 0, 0]),
            ("openai", "responses.create", [1, 0, 0]),
            ("aiohttp", "GET", [2, 0, 0]),
            ("aiohttp", "POST", [1, 0, 0]),
        ];
        // None of openai's; its successor counts with httpx, and openai brings it from Python 3.11 on.
        let with_successor = counts(recorded, "httpx", "POST") == [2, 0, 0];
        expected.push(("httpx", "GET", [if with_successor { 9 } else { 5 }, 0, 0]));
        for (group, name, expected) in expected {
            let counted = counts(recorded, group, name);
            assert_eq!(counted, expected, "{group} {name} on {}", python.display());
        }
        for call in &recorded.tables.calls {
            let is_host = call.call.name.ends_with(&host);
            assert!(is_host || call.call.group == "openai", "{}", call.call.name);
        }
    }
}

#[test]
fn runs_of_agents_and_teams_count_under_their_names() {
    for python in equipped_pythons() {
        let watched = program(&python, "agents.py", &["counts"]).watched();
        let (recorded, _) = recorded(&watched);
        for (name, expected) in [
            ("Support", [3, 0, 0]),
            ("Agent.run", [1, 0, 0]),
            ("Abandoned", [1, 0, 0]),
            ("Many", [50, 0, 0]),
            ("Cancelled", [1, 0, 1]),
            ("Team.run", [1, 0, 0]),
            ("Team.arun", [1, 0, 0]),
        ] {
            let counted = counts(recorded, "agno", name);
            assert_eq!(counted, expected, "{name} on {}", python.display());
        }
        assert_eq!(counts(recorded, "httpx", ""), [0; 3], "they are openai's");
    }
}

#[test]
fn what_fails_is_counted_by_its_type_and_told_without_secrets() {
    for python in equipped_pythons() {
        let watched = program(&python, "failing.py", &[]).watched();
        let (recorded, hosts) = recorded(&watched);
        let (host, closed) = hosts.split_once(' ').unwrap();
        for (group, name, expected) in [
            ("requests", format!("GET {host}"), [3, 2, 0]),
            ("requests", format!("GET {closed}"), [1, 1, 0]),
            ("urllib", format!("GET {host}"), [1, 1, 0]),
            ("httpx", format!("GET {host}"), [2, 1, 1]),
            ("httpx", format!("GET {closed}"), [2, 2, 0]),
            ("openai", "chat.completions.create".into(), [3, 3, 0]),
            ("aiohttp", format!("GET {host}"), [1, 1, 0]),
            ("aiohttp", format!("GET {closed}"), [1, 1, 0]),
        ] {
            let counted = counts(recorded, group, &name);
            assert_eq!(counted, expected, "{group} {name} on {}", python.display());
        }
        let facts = recorded.facts_of(FactKind::CallFailed);
        let has = |error_type: &str| facts.iter().any(|fact| fact.error_type == error_type);
        for error_type in [
            "HTTP 429",
            "HTTP 503",
            "requests.exceptions.ConnectionError",
            "urllib.error.HTTPError",
            "httpx.ConnectError",
            "openai.RateLimitError",
            "openai.InternalServerError",
        ] {
            assert!(has(error_type), "{error_type} in {facts:#?}");
        }
        for fact in facts {
            let secret = ["secret", "token", "key=", "/status", "/x"];
            let is_clean = |word: &&str| !fact.message.contains(*word);
            assert!(secret.iter().all(is_clean), "{fact:?}");
            let is_own = |file: &str| file.contains("/loopscope/_c");
            assert!(
                fact.frames.iter().all(|frame| !is_own(&frame.file)),
                "{fact:?}"
            );
            let program = fact
                .frames
                .iter()
                .any(|frame| frame.file.ends_with("failing.py"));
            assert!(program, "the line that made the call: {fact:?}");
        }
    }
}

#[test]
fn a_run_that_fails_counts_as_failed_though_agno_returns_it() {
    for python in equipped_pythons() {
        let watched = program(&python, "agents.py", &["failing"]).watched();
        let (recorded, _) = recorded(&watched);
        assert_eq!(counts(recorded, "agno", "Failing"), [6, 6, 0]);
        assert_eq!(counts(recorded, "openai", ""), [6, 6, 0]);
    }
}

#[test]
fn a_synchronous_call_on_a_running_loop_is_blocking_and_one_in_a_thread_is_not() {
    for python in equipped_pythons() {
        let libraries = ["requests", "httpx", "urllib", "openai"];
        let watched = program(&python, "blocking.py", &libraries).watched();
        let (recorded, _) = recorded(&watched);
        for group in libraries {
            let of_group = |one: &&_| -> bool {
                let one: &loopscope_recorder::reader::CallState = one;
                one.call.group == group
            };
            let calls: Vec<_> = recorded.tables.calls.iter().filter(of_group).collect();
            let blocking = if group == "requests" { 2 } else { 1 };
            assert_eq!(calls.len(), 1);
            assert_eq!(
                (calls[0].started, calls[0].blocking),
                (1 + blocking, blocking)
            );
        }
        let told = recorded.facts_of(FactKind::BlockingCall);
        assert_eq!(told.len(), 5);
        for fact in told {
            assert!(
                fact.frames
                    .iter()
                    .any(|frame| frame.file.ends_with("blocking.py"))
            );
        }
    }
}

#[test]
fn a_library_that_is_switched_off_is_left_alone() {
    for python in equipped_pythons() {
        let untracked = "openai, requests,urllib";
        let program = program(&python, "counts.py", &[]).env("LOOPSCOPE_UNTRACKED", untracked);
        let watched = program.watched();
        let (recorded, _) = recorded(&watched);
        for group in ["openai", "requests", "urllib"] {
            assert_eq!(counts(recorded, group, ""), [0; 3], "{group}");
        }
        assert_eq!(counts(recorded, "aiohttp", ""), [3, 0, 0]);
        let httpx = counts(recorded, "httpx", "POST");
        assert!(
            httpx[0] > 2,
            "openai's requests are httpx's own then: {httpx:?}"
        );
        let none =
            crate::programs::program(&python, "counts.py", &[]).env("LOOPSCOPE_UNTRACKED", "all");
        assert!(none.watched().recordings[0].tables.calls.is_empty());
    }
}
