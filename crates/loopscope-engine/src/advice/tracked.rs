//! Advice on a tracked call that kept a loop: by its name, or by the group that it belongs to.

use super::{Entry, Language, VERIFY, entries, is_file};
use crate::{
    in_app::is_in_app,
    observation::{CallKind, Frame},
    report::Advice,
};

/// Libraries whose tracked calls have an asynchronous sister of a known name. `{call}` becomes the call.
const SISTERS: &[(&str, &str, &str)] = &[
    (
        "agno",
        "await agent.arun(...)",
        "fix: every `run` of Agno's agents, teams and workflows has an `arun` that is awaited",
    ),
    (
        "openai",
        "await client.{call}(...)  # client = openai.AsyncOpenAI()",
        "fix: `openai.AsyncOpenAI`, whose methods are the same and awaited",
    ),
    (
        "anthropic",
        "await client.messages.create(...)  # client = anthropic.AsyncAnthropic()",
        "fix: `anthropic.AsyncAnthropic`, whose methods are the same and awaited",
    ),
    (
        "httpx",
        "await client.get(...)  # client = httpx.AsyncClient()",
        "fix: one `httpx.AsyncClient()` for the service, and await its calls",
    ),
    ("requests", FOR_REQUESTS.0, FOR_REQUESTS.1),
    ("urllib", FOR_REQUESTS.0, FOR_REQUESTS.1),
    ("http.client", FOR_REQUESTS.0, FOR_REQUESTS.1),
];

/// For libraries that have none of their own.
const FOR_REQUESTS: (&str, &str) = (
    "await client.get(...)  # client = httpx.AsyncClient()",
    "fix: one `httpx.AsyncClient()` or `aiohttp.ClientSession()` for the service, and await its calls",
);

/// What is written in source for a call that counts under another name: under a host, or an agent's name.
const SPOKEN: &[(&str, &str)] = &[
    ("agno", "agent.run"),
    ("http.client", "connection.getresponse"),
    ("httpx", "client.get"),
    ("openai", "client.responses.create"),
    ("requests", "requests.get"),
    ("urllib", "urllib.request.urlopen"),
];

/// A tracked call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tracked<'a> {
    pub(crate) kind: CallKind,
    pub(crate) group: &'a str,
    pub(crate) name: &'a str,
}

impl Tracked<'_> {
    /// The call as it stands in source: a statement is no name of one.
    fn in_source(self) -> String {
        match self.kind {
            CallKind::Query => "conn.execute".to_owned(),
            CallKind::Connect => format!("{}.connect", self.group),
            CallKind::Acquire => "pool.acquire".to_owned(),
            CallKind::Call | CallKind::Request => spoken(self.group, self.name).to_owned(),
        }
    }
}

/// The advice on a tracked call that was made with this stack, innermost frame first.
pub(crate) fn for_tracked_call(asked: Tracked<'_>, frames: &[Frame]) -> Advice {
    let Tracked { group, name, .. } = asked;
    let call = asked.in_source();
    if let Some((_, replacement, fix)) = SISTERS.iter().find(|(name, ..)| *name == group) {
        return advice(Some(replacement), &call, &[fix]);
    }
    let python = || entries().filter(|entry| entry.language == Language::Python);
    let file = format!("{group}/x.py");
    let is_of_group = |entry: &&Entry| entry.frames.iter().any(|(of, _)| is_file(&file, of));
    let built_upon_it = built_upon(frames, is_of_group);
    let whole = python().find(|entry| entry.calls.contains(&name));
    let known = built_upon_it
        .or(whole)
        .or_else(|| python().find(|entry| !group.is_empty() && is_of_group(entry)))
        .or_else(|| python().find(|entry| entry.names_call(&call)));
    known.map_or_else(
        || advice(Some("await asyncio.to_thread({call}, ...)"), &call, &[]),
        |entry| entry.advice(Some(&call)),
    )
}

/// The same in Rust, where the stall says what was called: its stack goes on into the libraries.
pub(crate) fn for_tracked_call_of_rust() -> Advice {
    Advice {
        replacement: Some("tokio::task::spawn_blocking(move || ...).await".to_owned()),
        steps: vec![
            "stop the bleeding: `tokio::task::spawn_blocking(move || ...).await`, or `tokio::task::block_in_place` \
             within the function"
                .to_owned(),
            "fix: the asynchronous form of what it calls, awaited; what computes belongs on threads of its own, \
             `rayon` for one"
                .to_owned(),
        ],
        verify: Some(VERIFY.to_owned()),
        rule: None,
    }
}

/// The call as source has it.
fn spoken<'a>(group: &str, call: &'a str) -> &'a str {
    let is_path = call
        .chars()
        .all(|c| c.is_alphanumeric() || c == '_' || c == '.');
    let stands_for = SPOKEN.iter().find(|(name, _)| *name == group);
    match stands_for {
        Some((_, spoken)) if !is_path || !call.contains('.') => spoken,
        _ => call,
    }
}

/// What the program uses that uses the driver: it is that which the program has to call in another way.
fn built_upon(frames: &[Frame], is_driver: impl Fn(&&Entry) -> bool) -> Option<&'static Entry> {
    let own = frames.iter().position(is_in_app).unwrap_or(frames.len());
    let database = || super::database::ENTRIES.iter();
    let of_frame = |frame: &Frame| {
        database().find(|entry| entry.frames.iter().any(|(of, _)| is_file(&frame.file, of)))
    };
    let mut outward = frames[..own].iter().rev();
    outward.find_map(of_frame).filter(|entry| !is_driver(entry))
}

fn advice(replacement: Option<&str>, call: &str, steps: &[&str]) -> Advice {
    let bleeding = format!(
        "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`"
    );
    let steps = steps.iter().map(ToString::to_string);
    Advice {
        replacement: replacement.map(|text| text.replace("{call}", call)),
        steps: [bleeding].into_iter().chain(steps).collect(),
        verify: Some(VERIFY.to_owned()),
        rule: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::testing::frame;

    fn asked<'a>(kind: CallKind, group: &'a str, name: &'a str) -> Tracked<'a> {
        Tracked { kind, group, name }
    }

    fn replacement(kind: CallKind, group: &str, call: &str) -> String {
        let advice = for_tracked_call(asked(kind, group, call), &[]);
        advice.replacement.unwrap()
    }

    #[test]
    fn a_call_is_replaced_by_its_asynchronous_sister() {
        let call = |group, name| replacement(CallKind::Call, group, name);
        let query = |group| replacement(CallKind::Query, group, "SELECT ?");
        assert_eq!(call("agno", "Agent.run"), "await agent.arun(...)");
        assert!(call("requests", "requests.get").starts_with("await client.get("));
        assert!(query("psycopg").contains("psycopg.AsyncConnection"));
        assert!(query("psycopg2").contains("asyncpg"));
        assert!(query("sqlite3").contains("aiosqlite"));
        let asked = call("openai", "chat.completions.create");
        assert!(asked.starts_with("await client.chat.completions.create("));
    }

    #[test]
    fn a_call_that_counts_under_a_host_or_a_name_is_called_as_in_source() {
        let advice = |group, call| for_tracked_call(asked(CallKind::Request, group, call), &[]);
        for (group, call, spoken) in [
            ("requests", "GET api.example.com", "requests.get"),
            ("urllib", "GET api.example.com:81", "urllib.request.urlopen"),
            (
                "http.client",
                "GET api.example.com",
                "connection.getresponse",
            ),
            ("httpx", "POST api.example.com", "client.get"),
            ("agno", "Support", "agent.run"),
            ("agno", "Agent.run", "Agent.run"),
        ] {
            let step = advice(group, call).steps.remove(0);
            assert!(
                step.contains(&format!("to_thread({spoken}, ...)")),
                "{step}"
            );
        }
        let fix = advice("http.client", "GET api.example.com");
        assert!(fix.replacement.unwrap().contains("httpx.AsyncClient()"));
    }

    #[test]
    fn a_statement_is_never_taken_for_the_name_of_a_call() {
        for kind in [CallKind::Query, CallKind::Connect] {
            let advice = for_tracked_call(asked(kind, "psycopg2", "SELECT ?"), &[]);
            assert!(
                advice.steps.iter().all(|step| !step.contains("SELECT")),
                "{advice:?}"
            );
        }
    }

    #[test]
    fn what_the_program_itself_calls_is_what_is_replaced() {
        let packages = "/srv/.venv/lib/python3.12/site-packages";
        let of = |file: &str| frame(&format!("{packages}/{file}"), 1, "f");
        let stack = [
            of("sqlalchemy/engine/default.py"),
            of("sqlalchemy/orm/session.py"),
            frame("/srv/app.py", 4, "handler"),
        ];
        let advice = for_tracked_call(asked(CallKind::Query, "psycopg2", "SELECT ?"), &stack);
        let replacement = advice.replacement.unwrap();
        assert!(replacement.contains("AsyncSession"), "{replacement}");
        let stack = [of("psycopg/connection.py"), frame("/srv/app.py", 4, "f")];
        let advice = for_tracked_call(asked(CallKind::Query, "psycopg", "SELECT ?"), &stack);
        let replacement = advice.replacement.unwrap();
        assert!(
            replacement.contains("psycopg.AsyncConnection"),
            "{replacement}"
        );
    }

    #[test]
    fn a_call_that_nobody_knows_goes_to_a_thread() {
        let found = replacement(CallKind::Call, "prices", "load_price");
        assert_eq!(found, "await asyncio.to_thread(load_price, ...)");
        assert_eq!(
            replacement(CallKind::Call, "", "work"),
            "await asyncio.to_thread(work, ...)"
        );
    }
}
