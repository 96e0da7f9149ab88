//! Whether one callback was on for most of a busy period, or many shared it.
//!
//! Callbacks are told apart by the best identity that all looks have: the callback itself, else the
//! task, else the outermost frame inside the loop.

use std::collections::BTreeMap;

use super::stacks;
use crate::{
    advice::{self, Evidence},
    in_app::{inside_loop, is_in_app},
    looks::Look,
    observation::RunState,
    time::Nanos,
};

/// What the looks say.
pub(super) enum Run<'a> {
    /// One callback was on: the looks at it.
    Single(Vec<&'a Look>),
    /// Many callbacks shared the time.
    Many,
}

#[derive(PartialEq, Eq)]
enum Identity<'a> {
    Number(u64),
    Frame(&'a str, &'a str),
    /// Not tellable: different from every other.
    Alone(usize),
}

/// The looks at the callback that was on for at least `share` of the time from `from` to the last look.
/// `None` without looks.
pub(super) fn dominant_run<'a>(looks: &[&'a Look], from: Nanos, share: f64) -> Option<Run<'a>> {
    let (first, last) = (looks.first()?, looks.last()?);
    let all_equal = looks.iter().all(|look| look.stack_hash == first.stack_hash);
    let identities = identities(looks);
    let runs = identities.chunk_by(|(a, _), (b, _)| a == b);
    let longest = runs.max_by_key(|run| (span(run), run.len()))?;
    // When all looks are at one callback, the time before the first of them is its own too.
    let is_dominant = longest.len() == looks.len()
        || span(longest) as f64 >= last.at.since(from).0 as f64 * share;
    Some(match is_dominant {
        _ if all_equal && has_no_numbers(looks) => Run::Single(looks.to_vec()),
        true => Run::Single(longest.iter().map(|(_, look)| *look).collect()),
        false => Run::Many,
    })
}

/// The looks at a thread that waits at one line of the application's own, whichever callbacks were on, where these
/// are at least `share` of the looks.
pub(super) fn waiting_at_one_line<'a>(looks: &[&'a Look], share: f64) -> Option<Vec<&'a Look>> {
    let mut by_line: BTreeMap<(&str, u32), Vec<&Look>> = BTreeMap::new();
    for look in looks.iter().copied() {
        let inside = inside_loop(&look.stack);
        let Some(depth) = inside.iter().position(is_in_app) else {
            continue;
        };
        // What blocks by itself computes as well, before and after it waits.
        let run = [look];
        let evidence = Evidence::new(inside, depth, &look.thread, &run);
        if is_asleep(look) || advice::is_blocking_call(&evidence) {
            let line = (&*inside[depth].file, inside[depth].line);
            by_line.entry(line).or_default().push(look);
        }
    }
    let weigh = |run: &Vec<&Look>| stacks::weight(run.iter().copied());
    let most = by_line.into_values().max_by_key(weigh)?;
    let all = stacks::weight(looks.iter().copied());
    (weigh(&most) as f64 >= all as f64 * share).then_some(most)
}

/// Whether the thread waited for something that is not the interpreter's lock.
fn is_asleep(look: &Look) -> bool {
    let thread = &look.thread;
    let waits = matches!(thread.run_state, RunState::Sleeping | RunState::DiskSleep);
    waits && !thread.awaits_gil
}

/// A look between two callbacks has no identity; it must not make the others lose theirs.
fn identities<'a>(looks: &[&'a Look]) -> Vec<(Identity<'a>, &'a Look)> {
    let is_most = |count: usize| count * 2 > looks.len();
    let by_callback = is_most(looks.iter().filter(|look| look.callback.is_some()).count());
    let by_task = is_most(looks.iter().filter(|look| look.task.is_some()).count());
    let identity = |(index, look): (usize, &&'a Look)| {
        let number = if by_callback {
            look.callback
        } else {
            task_address(look)
        };
        let identity = match number {
            Some(number) if by_callback || by_task => Identity::Number(number),
            None if by_callback || by_task => Identity::Alone(index),
            _ => frame_identity(look).unwrap_or(Identity::Alone(index)),
        };
        (identity, *look)
    };
    looks.iter().enumerate().map(identity).collect()
}

fn task_address(look: &Look) -> Option<u64> {
    look.task.as_ref().map(|task| task.address)
}

fn frame_identity(look: &Look) -> Option<Identity<'_>> {
    let frame = inside_loop(&look.stack).last()?;
    Some(Identity::Frame(&frame.file, &frame.function))
}

fn has_no_numbers(looks: &[&Look]) -> bool {
    looks.iter().any(|look| look.callback.is_none()) && looks.iter().any(|look| look.task.is_none())
}

fn span(run: &[(Identity, &Look)]) -> u64 {
    match (run.first(), run.last()) {
        (Some((_, first)), Some((_, last))) => last.at.since(first.at).0,
        _ => 0,
    }
}
