//! Whether a loop only waited for the interpreter's lock, and who held it.

use crate::{
    looks::Look,
    observation::{Frame, Gil, RunState},
    syscalls,
};

/// The thread that held the lock all the while.
pub(super) struct Holder<'a> {
    pub(super) thread_id: u32,
    /// Its frames, innermost first.
    pub(super) frames: &'a [Frame],
}

/// The holder, where each of at least two looks found the thread asleep on a futex and the lock in the
/// hands of one other thread that did not move. A holder that moves is just another busy thread: the
/// interpreter takes the lock from it every few milliseconds.
pub(super) fn holder(looks: &[Look]) -> Option<Holder<'_>> {
    let (first, rest) = looks.split_first()?;
    let holder = held_by_other(first)?;
    let innermost = holder.frames.first()?;
    let same = |look: &Look| {
        held_by_other(look).is_some_and(|other| {
            other.thread_id == holder.thread_id
                && other
                    .frames
                    .first()
                    .is_some_and(|frame| is_same_place(frame, innermost))
        })
    };
    (!rest.is_empty() && rest.iter().all(same)).then_some(holder)
}

fn held_by_other(look: &Look) -> Option<Holder<'_>> {
    let waits = look.thread.run_state == RunState::Sleeping
        && look.thread.syscall.is_some_and(syscalls::is_futex);
    match &look.gil {
        Gil::Other { thread_id, frames } if waits => Some(Holder {
            thread_id: *thread_id,
            frames,
        }),
        _ => None,
    }
}

fn is_same_place(a: &Frame, b: &Frame) -> bool {
    (&a.file, a.line, &a.function) == (&b.file, b.line, &b.function)
}
