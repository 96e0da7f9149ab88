//! What a lookup goes by, drawn from the looks at one callback.

use std::sync::Arc;

use crate::{
    looks::Look,
    observation::{Frame, Gil, ThreadState},
    syscalls::{self, Wait},
};

/// The language of the line to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    Node,
    Native,
}

/// What is known of a blocking call.
pub(crate) struct Evidence<'a> {
    /// The frames inside the loop, innermost first.
    inside: &'a [Frame],
    /// Where the culprit stands in them.
    culprit: usize,
    pub(super) wait: Wait,
    /// Most looks that found it asleep on a lock found the interpreter's lock with another thread.
    pub(super) is_contended: bool,
    pub(super) language: Language,
}

impl<'a> Evidence<'a> {
    /// Evidence from a stack, its culprit, and what the thread waited for in most looks.
    pub(crate) fn new(
        inside: &'a [Frame],
        culprit: usize,
        shown: &ThreadState,
        run: &[&Look],
    ) -> Self {
        let wait = most_frequent_wait(run).unwrap_or_else(|| syscalls::wait_of(shown));
        Self {
            wait,
            is_contended: is_contended(run),
            ..Self::of_computing(inside, culprit)
        }
    }

    /// Evidence from a stack that is known to compute.
    pub(super) fn of_computing(inside: &'a [Frame], culprit: usize) -> Self {
        let language = inside.get(culprit).map_or(Language::Python, language_of);
        Self {
            inside,
            culprit,
            wait: Wait::Computing,
            is_contended: false,
            language,
        }
    }

    /// The calls on the culprit's line, outermost first.
    pub(super) fn culprit_calls(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        calls_of(self.inside.get(self.culprit))
    }

    /// The calls on the innermost frame's line: what runs below it has no frames of its own.
    pub(super) fn innermost_calls(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        calls_of(self.inside.first())
    }

    /// The frames below the culprit, innermost first.
    pub(super) fn deeper(&self) -> &'a [Frame] {
        self.inside.get(..self.culprit).unwrap_or_default()
    }
}

fn calls_of(frame: Option<&Frame>) -> impl Iterator<Item = &str> {
    let calls: &[Arc<str>] = frame.map_or(&[], |frame| &frame.calls);
    calls.iter().map(|call| &**call)
}

fn language_of(frame: &Frame) -> Language {
    let file = &*frame.file;
    let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "js" | "mjs" | "cjs" | "ts" | "mts" | "cts" => Language::Node,
        "rs" | "c" | "cc" | "cpp" | "cxx" | "h" | "hpp" | "S" | "go" | "so" => Language::Native,
        _ if file.starts_with("node:") => Language::Node,
        // A program without line tables.
        _ if file.is_empty() => Language::Native,
        _ => Language::Python,
    }
}

fn is_contended(run: &[&Look]) -> bool {
    let on_lock = || waiting(run, Wait::Lock);
    let held_elsewhere = on_lock().filter(|look| matches!(look.gil, Gil::Other { .. }));
    weight_of(held_elsewhere) * 2 > weight_of(on_lock())
}

fn waiting<'a>(run: &'a [&Look], wait: Wait) -> impl Iterator<Item = &'a Look> {
    let looks = run.iter().copied();
    looks.filter(move |look| syscalls::wait_of(&look.thread) == wait)
}

fn weight_of<'a>(looks: impl Iterator<Item = &'a Look>) -> u64 {
    looks.map(|look| u64::from(look.weight)).sum()
}

fn most_frequent_wait(run: &[&Look]) -> Option<Wait> {
    const WAITS: [Wait; 7] = [
        Wait::Computing,
        Wait::Timer,
        Wait::Network,
        Wait::File,
        Wait::Child,
        Wait::Lock,
        Wait::Other,
    ];
    let weight = |wait: &Wait| weight_of(waiting(run, *wait));
    WAITS
        .into_iter()
        .filter(|wait| weight(wait) > 0)
        .max_by_key(weight)
}
