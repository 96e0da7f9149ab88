//! Whether a loop only waited for the interpreter's lock, and who held it.

use super::{Case, stacks};
use crate::{
    in_app::{inside_loop, last_segment},
    looks::Look,
    observation::{Frame, Gil, RunState},
    syscalls,
    time::Nanos,
};

/// A thread that waits for the lock wakes every 5 ms for some ten microseconds. A quarter of the time is
/// far above that and far below computing.
const AWAKE_AT_MOST_ONE_IN: u64 = 4;

/// The thread that held the lock all the while.
pub(super) struct Holder<'a> {
    pub(super) thread_id: u32,
    /// Its frames, innermost first.
    pub(super) frames: &'a [Frame],
}

/// Who holds the lock that the loop waits for; `None` where it waits for none.
pub(super) fn holder<'a>(case: &Case<'a>) -> Option<Holder<'a>> {
    let looks = case.looks.as_slice();
    holder_by_sleep(looks, case.from, case.config.single_callback_share)
        .or_else(|| holder_by_kind_of_wait(case))
}

/// The holder, where most looks found the thread in a wait that can only be one for the lock. It is the one
/// of the place that most of these looks found: several threads that run the same code take turns with it.
///
/// What would have been a stall without the others is the loop's own doing all the same.
fn holder_by_kind_of_wait<'a>(case: &Case<'a>) -> Option<Holder<'a>> {
    let looks = case.looks.as_slice();
    let behind: Vec<&Look> = looks.iter().filter(|look| is_behind(look)).collect();
    let (waited, all) = (
        stacks::weight(behind.iter().copied()),
        stacks::weight(looks.iter()),
    );
    let own_share = 1.0 - waited as f64 / all.max(1) as f64;
    let own_nanos = case.until.since(case.from).0 as f64 * own_share;
    if behind.len() < 2 || waited * 2 <= all || own_nanos >= case.config.stall_threshold.0 as f64 {
        return None;
    }
    let holders = || behind.iter().filter_map(|look| held_by(look));
    let times = |holder: &Holder<'_>| {
        holders()
            .filter(|other| other.is_at_place_of(holder))
            .count()
    };
    holders().max_by_key(times)
}

/// Whether a thread waits for the lock and for nothing else. The kernel has it asleep at the lock itself; or
/// it is back from its poll and has called nothing since, awake or asleep; or it has started a thread, and
/// that one has yet to get the lock once.
fn is_behind(look: &Look) -> bool {
    let is_starting_thread = || held_by(look).is_some() && starts_thread(&look.stack);
    look.thread.awaits_gil || is_after_poll(&look.stack) || is_starting_thread()
}

/// `Thread.start` returns once the new thread has said that it runs.
fn starts_thread(stack: &[Frame]) -> bool {
    let frames = inside_loop(stack).iter();
    let mut in_threading = frames.take_while(|frame| frame.file.ends_with("/threading.py"));
    in_threading.any(|frame| last_segment(&frame.function) == "start")
}

/// The only frame inside the loop is the one that polls. A loop that polls in C has none.
pub(super) fn is_after_poll(stack: &[Frame]) -> bool {
    match inside_loop(stack) {
        [] => !stack.is_empty(),
        [poll] => poll.file.ends_with("/selectors.py"),
        _ => false,
    }
}

/// The holder, where looks in a row found the thread asleep on a futex and the lock in the hands of one
/// other thread that did not move, over at least `share` of the time from `from` to the last look. A
/// holder that moves is just another busy thread: the interpreter takes the lock from it every few
/// milliseconds. One that waits wakes as often to ask for the lock, so a look may find it awake.
fn holder_by_sleep(looks: &[Look], from: Nanos, share: f64) -> Option<Holder<'_>> {
    let runs = looks.chunk_by(|a, b| match (held_by_other(a), held_by_other(b)) {
        (Some(a), Some(b)) => a.stands_as(&b),
        _ => false,
    });
    let span = |run: &&[Look]| match (run.first(), run.last()) {
        (Some(first), Some(last)) => last.at.since(first.at).0,
        _ => 0,
    };
    let is_wait =
        |run: &&[Look]| run.len() > 1 && held_by_other(&run[0]).is_some() && mostly_slept(run);
    let held = runs.filter(is_wait);
    let longest = held.max_by_key(span)?;
    let whole = looks.last()?.at.since(from).0;
    let covers = longest.len() == looks.len() || span(&longest) as f64 >= whole as f64 * share;
    covers.then(|| held_by_other(longest.last()?)).flatten()
}

impl Holder<'_> {
    fn stands_as(&self, other: &Self) -> bool {
        self.thread_id == other.thread_id && self.is_at_place_of(other)
    }

    fn is_at_place_of(&self, other: &Self) -> bool {
        match (self.frames.first(), other.frames.first()) {
            (Some(a), Some(b)) => is_same_place(a, b),
            _ => false,
        }
    }
}

/// Whom a look found with the lock while the thread slept on a futex, or was awake and may be about to.
fn held_by_other(look: &Look) -> Option<Holder<'_>> {
    let is_awake = look.thread.run_state == RunState::Runnable;
    held_by(look).filter(|_| is_awake || sleeps_on_futex(look))
}

/// Whether the thread was asleep on a futex in each look, or in one at least while it used hardly any
/// time of a processor (the kernel tells): one that computes without the lock waits for nothing.
fn mostly_slept(run: &[Look]) -> bool {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return false;
    };
    let ran = last.thread.cpu_nanos.saturating_sub(first.thread.cpu_nanos);
    let is_told = first.thread.cpu_nanos > 0;
    run.iter().all(sleeps_on_futex)
        || (is_told
            && run.iter().any(sleeps_on_futex)
            && ran * AWAKE_AT_MOST_ONE_IN <= last.at.since(first.at).0)
}

fn sleeps_on_futex(look: &Look) -> bool {
    look.thread.run_state == RunState::Sleeping
        && look.thread.syscall.is_some_and(syscalls::is_futex)
}

/// Whom a look found with the lock.
fn held_by(look: &Look) -> Option<Holder<'_>> {
    match &look.gil {
        Gil::Other { thread_id, frames } => Some(Holder {
            thread_id: *thread_id,
            frames,
        }),
        _ => None,
    }
}

fn is_same_place(a: &Frame, b: &Frame) -> bool {
    (&a.file, a.line, &a.function) == (&b.file, b.line, &b.function)
}
