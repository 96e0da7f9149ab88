//! Which tracked calls are long by their nature.
//!
//! Those that ask a remote model, told from the group, which the libraries for models have to themselves, or from the
//! host. And requests of HTTP clients in general: who polls long, downloads, or waits for a partner that takes its
//! time is well, and nobody has said what is long for it.

use crate::observation::{CallKind, CallName};

/// Groups whose every call asks a model, or an agent that does.
const GROUPS: &[&str] = &[
    "agno",
    "anthropic",
    "google.genai",
    "langchain",
    "litellm",
    "llama_index",
    "mistralai",
    "openai",
    "pydantic_ai",
];

/// Hosts that serve models, and those below them.
const HOSTS: &[&str] = &[
    "aiplatform.googleapis.com",
    "api.ai21.com",
    "api.anthropic.com",
    "api.cerebras.ai",
    "api.cohere.com",
    "api.deepseek.com",
    "api.fireworks.ai",
    "api.groq.com",
    "api.mistral.ai",
    "api.openai.com",
    "api.perplexity.ai",
    "api.replicate.com",
    "api.together.xyz",
    "api.x.ai",
    "generativelanguage.googleapis.com",
    "inference.ai.azure.com",
    "openai.azure.com",
    "openrouter.ai",
    "router.huggingface.co",
    "services.ai.azure.com",
];

/// Begin and end of hosts that serve models, with a region between.
const REGIONAL: &[(&str, &str)] = &[("bedrock-runtime", ".amazonaws.com")];

/// The port that Ollama listens on.
const OLLAMA_PORT: &str = ":11434";

/// Hosts that keep a request open until they have something to say: Telegram up to 50 s.
const LONG_POLLED: &[&str] = &["api.telegram.org"];

/// Whether a call may well take many seconds.
pub(crate) fn is_long_by_nature(call: &CallName) -> bool {
    call.kind == CallKind::Request || is_model_call(call)
}

/// Whether a call's length says nothing at all.
pub(crate) fn is_long_poll(call: &CallName) -> bool {
    let is_request = call.kind == CallKind::Request;
    let host = call.name.split_once(' ').filter(|_| is_request);
    host.is_some_and(|(_, host)| LONG_POLLED.contains(&host))
}

/// Whether a call asks a model.
pub(crate) fn is_model_call(call: &CallName) -> bool {
    let group = call.group.as_str();
    let is_request = call.kind == CallKind::Request;
    // A request's name is `POST api.example.com`.
    let host = call.name.split_once(' ').filter(|_| is_request);
    GROUPS.contains(&group) || host.is_some_and(|(_, host)| serves_models(host))
}

fn serves_models(host: &str) -> bool {
    if host.ends_with(OLLAMA_PORT) {
        return true;
    }
    let host = host.split(':').next().unwrap_or(host);
    let is_below = |known: &&str| {
        let rest = host.strip_suffix(*known);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let is_regional = |(first, rest): &(&str, &str)| {
        host.strip_prefix(first)
            .is_some_and(|region| region.starts_with('.') && region.ends_with(rest))
    };
    HOSTS.iter().any(is_below)
        || REGIONAL.iter().any(is_regional)
        // With the region before it, as in `europe-west4-aiplatform.googleapis.com`.
        || host.ends_with("-aiplatform.googleapis.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks_model(group: &str, name: &str) -> bool {
        is_model_call(&CallName {
            kind: CallKind::Request,
            group: group.into(),
            name: name.into(),
        })
    }

    #[test]
    fn calls_of_models_are_told_by_their_group_or_their_host() {
        for (group, name) in [
            ("agno", "Support"),
            ("openai", "embeddings.create"),
            ("httpx", "POST api.anthropic.com"),
            ("aiohttp", "POST shop.openai.azure.com:8443"),
            ("requests", "POST europe-west4-aiplatform.googleapis.com"),
            ("requests", "POST bedrock-runtime.eu-west-1.amazonaws.com"),
            ("httpx", "POST localhost:11434"),
        ] {
            assert!(asks_model(group, name), "{group} {name}");
        }
    }

    #[test]
    fn requests_are_long_by_nature_and_calls_that_a_program_declares_are_not() {
        let named = |kind, name: &str| CallName {
            kind,
            group: "httpx".into(),
            name: name.into(),
        };
        assert!(is_long_by_nature(&named(
            CallKind::Request,
            "GET example.com"
        )));
        assert!(!is_long_by_nature(&named(CallKind::Call, "charge")));
        assert!(!is_long_by_nature(&named(CallKind::Query, "SELECT")));
        assert!(is_long_poll(&named(
            CallKind::Request,
            "POST api.telegram.org"
        )));
        assert!(!is_long_poll(&named(CallKind::Request, "POST example.com")));
    }

    #[test]
    fn other_calls_are_no_calls_of_models() {
        for (group, name) in [
            ("billing", "charge"),
            ("httpx", "GET example.com"),
            ("httpx", "GET notapi.openai.com.example.com"),
            ("httpx", "GET myapi.openai.comx"),
            ("httpx", "GET xapi.openai.com"),
            ("requests", "(other)"),
        ] {
            assert!(!asks_model(group, name), "{group} {name}");
        }
        let query = CallName {
            kind: CallKind::Query,
            group: "psycopg".into(),
            name: "SELECT api.openai.com".into(),
        };
        assert!(!is_model_call(&query));
    }
}
