//! What to do about a stall: from the call to blame to its replacement.
//!
//! The knowledge is data, one table per field in the modules below; this file only looks things up. The
//! evidence is taken in the order of how sure it is: a library's frames below the culprit, the call on
//! the line, what the kernel says that the thread waits for. Nothing here executes, formats paths or
//! knows of incidents.

mod causes;
mod cpu;
mod database;
mod evidence;
mod fallback;
mod files;
mod http;
mod node;
mod rust;
mod services;
mod tracked;
mod waiting;

pub(crate) use causes::for_cause;
pub(crate) use evidence::Evidence;
pub(crate) use tracked::{Tracked, for_tracked_call, for_tracked_call_of_rust};

use evidence::Language;

use crate::{
    in_app::{is_in_app, last_segment},
    observation::Frame,
    report::Advice,
    syscalls::Wait,
};

/// How to see that it is fixed, unless an entry knows better. `{count}` becomes the incident's count.
const VERIFY: &str =
    "run the same request again, then `loopscope health`: this incident's count stays at {count}";

/// One kind of call and what to do about it.
#[derive(Debug)]
struct Entry {
    /// What it is, as a person would name it.
    name: &'static str,
    /// The language of the line to blame.
    language: Language,
    /// Calls as they stand in source: whole names, or `.name` for a method of anything.
    calls: &'static [&'static str],
    /// Files below the culprit, with the functions that count; an empty list stands for all. A trailing
    /// slash means any file of that package.
    frames: &'static [(&'static str, &'static [&'static str])],
    /// Functions below the culprit by their whole names; one that ends in `::` stands for all in that module.
    functions: &'static [&'static str],
    /// What the thread must be waiting for; an empty list stands for anything.
    waits: &'static [Wait],
    /// What to write instead. `{call}` becomes the call on the line.
    replacement: Option<&'static str>,
    /// What to do, in order.
    steps: &'static [&'static str],
    /// The lint rule that finds it in source.
    rule: Option<&'static str>,
}

/// An entry that matches nothing, for the tables to build upon.
const PYTHON: Entry = Entry {
    name: "",
    language: Language::Python,
    calls: &[],
    frames: &[],
    functions: &[],
    waits: &[],
    replacement: None,
    steps: &[],
    rule: None,
};

/// The tables of calls. The first entry that fits wins.
const TABLES: &[&[Entry]] = &[
    waiting::ENTRIES,
    http::ENTRIES,
    database::ENTRIES,
    services::ENTRIES,
    files::ENTRIES,
    cpu::ENTRIES,
    node::ENTRIES,
    rust::ENTRIES,
];

/// The advice on a blocking call, and the call's name where it is known.
pub(crate) fn for_call(evidence: &Evidence) -> (Option<String>, Advice) {
    let found = find(evidence);
    let call = found.call.map(str::to_owned);
    let advice = found
        .entry
        .map_or_else(Advice::default, |entry| entry.advice(call.as_deref()));
    (call, advice)
}

/// Whether the call is one of those that wait for something, and not one that computes.
pub(crate) fn is_blocking_call(evidence: &Evidence) -> bool {
    known(evidence).is_some_and(|entry| !entry.waits.contains(&Wait::Computing))
}

/// The advice on a call that holds the interpreter's lock on another thread.
pub(crate) fn for_lock_holder(inside: &[Frame], culprit: usize) -> (Option<String>, Advice) {
    let evidence = Evidence::of_computing(inside, culprit);
    let call = find(&evidence).call.map(str::to_owned);
    (call, causes::for_lock_wait())
}

struct Found<'a> {
    entry: Option<&'static Entry>,
    call: Option<&'a str>,
}

fn find<'a>(evidence: &Evidence<'a>) -> Found<'a> {
    let entry = known(evidence);
    let call = named_call(evidence, entry);
    Found {
        entry: entry.or_else(|| fallback::find(evidence)),
        call,
    }
}

fn known(evidence: &Evidence) -> Option<&'static Entry> {
    by_frames(evidence)
        .or_else(|| by_calls(evidence, evidence.innermost_calls()))
        .or_else(|| by_calls(evidence, evidence.culprit_calls()))
}

/// Frames below the culprit prove what its line was doing, the one next to it most of all. A library that was
/// entered by a coroutine is awaited already: what its own helpers compute is no use of its blocking side.
fn by_frames(evidence: &Evidence) -> Option<&'static Entry> {
    let deeper = evidence.deeper();
    let mut inward = deeper.iter().enumerate().rev();
    inward.find_map(|(place, frame)| {
        let around = deeper.get(place..).unwrap_or_default();
        let is_awaited = |entry: &Entry| {
            let mut coroutines = around.iter().filter(|frame| frame.is_coroutine);
            coroutines.any(|frame| entry.has_frame(frame))
        };
        entries().find(|entry| entry.matches_frame(frame, evidence) && !is_awaited(entry))
    })
}

/// A whole name says more than a method of anything, so it goes first.
fn by_calls<'a>(
    evidence: &Evidence,
    mut calls: impl Iterator<Item = &'a str>,
) -> Option<&'static Entry> {
    let fitting = || entries().filter(|entry| entry.fits(evidence));
    calls.find_map(|call| {
        let whole = fitting().find(|entry| entry.calls.contains(&call));
        whole.or_else(|| fitting().find(|entry| entry.names_call(call)))
    })
}

/// Calls that return at once whatever they are given: where one of them is the only call on the line, the
/// line is at work on something else, the body of its loop most often.
const RETURN_AT_ONCE: &[&str] = &[
    "enumerate",
    "filter",
    "getattr",
    "hasattr",
    "id",
    "isinstance",
    "iter",
    "len",
    "map",
    "next",
    "range",
    "reversed",
    "super",
    "type",
    "zip",
    ".add",
    ".append",
    ".call_at",
    ".call_later",
    ".call_soon",
    ".call_soon_threadsafe",
    ".create_task",
    ".get",
    ".items",
    ".keys",
    ".setdefault",
    ".values",
];

/// The call to name: the one that the entry is about, else the only one on the line, else the entry.
fn named_call<'a>(evidence: &Evidence<'a>, entry: Option<&'static Entry>) -> Option<&'a str> {
    let may_last = |call: &&str| !RETURN_AT_ONCE.iter().any(|known| is_call(known, call));
    let mut calls = evidence.culprit_calls().filter(may_last);
    let is_meant = |call: &&str| entry.is_some_and(|entry| entry.names_call(call));
    if let Some(call) = evidence.culprit_calls().find(is_meant) {
        return Some(call);
    }
    match (calls.next(), calls.next()) {
        (Some(only), None) => Some(only),
        _ => entry.map(|entry| entry.name),
    }
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    TABLES.iter().copied().flatten()
}

impl Entry {
    fn matches_frame(&self, frame: &Frame, evidence: &Evidence) -> bool {
        let may_block = !frame.is_coroutine && !is_in_app(frame);
        may_block && self.fits(evidence) && self.has_frame(frame)
    }

    fn has_frame(&self, frame: &Frame) -> bool {
        let function = last_segment(&frame.function);
        let is_there = |(file, functions): &(&str, &[&str])| {
            is_file(&frame.file, file) && (functions.is_empty() || functions.contains(&function))
        };
        let is_in = |known: &&str| match known.strip_suffix("::") {
            Some(_) => frame.function.starts_with(*known),
            None => *frame.function == **known,
        };
        self.frames.iter().any(is_there) || self.functions.iter().any(is_in)
    }

    fn names_call(&self, call: &str) -> bool {
        self.calls.iter().any(|pattern| is_call(pattern, call))
    }

    fn fits(&self, evidence: &Evidence) -> bool {
        self.language == evidence.language
            && (self.waits.is_empty() || self.waits.contains(&evidence.wait))
    }

    fn advice(&self, call: Option<&str>) -> Advice {
        let fill = |text: &str| text.replace("{call}", call.unwrap_or("function"));
        Advice {
            replacement: self.replacement.map(fill),
            steps: self.steps.iter().copied().map(fill).collect(),
            verify: Some(VERIFY.to_owned()),
            rule: self.rule.map(str::to_owned),
        }
    }
}

/// Whether a call is the one of a pattern: a whole name, or `.name` for a method of anything.
fn is_call(pattern: &str, call: &str) -> bool {
    match pattern.strip_prefix('.') {
        Some(method) => call.contains('.') && last_segment(call) == method,
        None => call == pattern,
    }
}

fn is_file(file: &str, pattern: &str) -> bool {
    if let Some(package) = pattern.strip_suffix('/') {
        let mut folders = file.match_indices(package);
        return folders.any(|(at, _)| {
            (at == 0 || file[..at].ends_with('/')) && file[at + package.len()..].starts_with('/')
        });
    }
    file.strip_suffix(pattern)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

#[cfg(test)]
mod tests;
