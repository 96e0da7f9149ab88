//! Advice on a tracked call that kept a loop: by its name, or by the group that it belongs to.

use super::{Entry, Language, VERIFY, entries, is_file};
use crate::report::Advice;

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

/// The advice on a tracked call of a group.
pub(crate) fn for_tracked_call(group: &str, call: &str) -> Advice {
    let call = spoken(group, call);
    if let Some((_, replacement, fix)) = SISTERS.iter().find(|(name, ..)| *name == group) {
        return advice(Some(replacement), call, &[fix]);
    }
    let python = || entries().filter(|entry| entry.language == Language::Python);
    let file = format!("{group}/x.py");
    let is_of_group = |entry: &&Entry| entry.frames.iter().any(|(of, _)| is_file(&file, of));
    let whole = python().find(|entry| entry.calls.contains(&call));
    let known = whole
        .or_else(|| python().find(|entry| !group.is_empty() && is_of_group(entry)))
        .or_else(|| python().find(|entry| entry.names_call(call)));
    known.map_or_else(
        || advice(Some("await asyncio.to_thread({call}, ...)"), call, &[]),
        |entry| entry.advice(Some(call)),
    )
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

    fn replacement(group: &str, call: &str) -> String {
        for_tracked_call(group, call).replacement.unwrap()
    }

    #[test]
    fn a_call_is_replaced_by_its_asynchronous_sister() {
        assert_eq!(replacement("agno", "Agent.run"), "await agent.arun(...)");
        assert!(replacement("requests", "requests.get").starts_with("await client.get("));
        assert!(replacement("psycopg", "SELECT 1").contains("psycopg.AsyncConnection"));
        assert!(replacement("psycopg2", "SELECT 1").contains("asyncpg"));
        let asked = replacement("openai", "chat.completions.create");
        assert!(asked.starts_with("await client.chat.completions.create("));
    }

    #[test]
    fn a_call_that_counts_under_a_host_or_a_name_is_called_as_in_source() {
        let first_step = |group, call| for_tracked_call(group, call).steps.remove(0);
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
            let step = first_step(group, call);
            assert!(
                step.contains(&format!("to_thread({spoken}, ...)")),
                "{step}"
            );
        }
        let fix = for_tracked_call("http.client", "GET api.example.com");
        assert!(fix.replacement.unwrap().contains("httpx.AsyncClient()"));
    }

    #[test]
    fn a_call_that_nobody_knows_goes_to_a_thread() {
        let found = replacement("prices", "load_price");
        assert_eq!(found, "await asyncio.to_thread(load_price, ...)");
        assert_eq!(
            replacement("", "work"),
            "await asyncio.to_thread(work, ...)"
        );
    }
}
