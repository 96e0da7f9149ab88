//! Advice on a tracked call that kept a loop: by its name, or by the group that it belongs to.

use super::{Entry, Language, VERIFY, entries, is_file};
use crate::report::Advice;

/// Libraries whose tracked calls have an asynchronous sister of a known name.
const SISTERS: &[(&str, &str, &str)] = &[
    (
        "agno",
        "await agent.arun(...)",
        "fix: every `run` of Agno's agents, teams and workflows has an `arun` that is awaited",
    ),
    (
        "openai",
        "await client.responses.create(...)  # client = openai.AsyncOpenAI()",
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
];

/// The advice on a tracked call of a group.
pub(crate) fn for_tracked_call(group: &str, call: &str) -> Advice {
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
