//! The looks at one busy period: the evidence from which its cause is told.
//!
//! Bounded however long the period lasts: when it is full, two neighbours are merged and the one that
//! stays counts for both. Equal stacks in a row share their memory, so a call that blocks for an
//! hour costs one stack. Judges nothing.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use xxhash_rust::xxh3::Xxh3;

use crate::{
    observation::{Frame, Gil, InsideLoop, Sample, TaskInfo, ThreadState},
    time::Nanos,
};

/// One look, or several merged into it.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) at: Nanos,
    /// How many looks this one stands for.
    pub(crate) weight: u32,
    /// The frames, innermost first.
    pub(crate) stack: Arc<[Frame]>,
    /// Equal for equal stacks.
    pub(crate) stack_hash: u64,
    pub(crate) task: Option<Arc<TaskInfo>>,
    pub(crate) callback: Option<u64>,
    pub(crate) gil: Gil,
    pub(crate) thread: ThreadState,
}

/// The looks at one busy period, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looks {
    looks: Vec<Look>,
    seen_inside: bool,
    last_error: Option<String>,
}

impl Looks {
    /// Adds one, and merges two others where `max` would be passed.
    pub(crate) fn push(&mut self, at: Nanos, sample: &Sample, max: usize) {
        self.seen_inside |= sample.inside_loop == InsideLoop::Yes;
        if sample.error.is_some() {
            self.last_error.clone_from(&sample.error);
        }
        if self.looks.len() >= max.max(4) {
            self.merge_lightest_pair();
        }
        let look = Look::new(at, sample, self.looks.last());
        self.looks.push(look);
    }

    pub(crate) fn as_slice(&self) -> &[Look] {
        &self.looks
    }

    pub(crate) fn newest(&self) -> Option<&Look> {
        self.looks.last()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.looks.is_empty()
    }

    /// Whether one of them found the thread inside its loop for certain.
    pub(crate) fn seen_inside(&self) -> bool {
        self.seen_inside
    }

    /// Why the frames could not be read the last time that this failed.
    pub(crate) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// Forgets them all.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Makes room by one. The lightest neighbours go first, so that all of the period stays resolved
    /// about equally.
    fn merge_lightest_pair(&mut self) {
        let weight = |pair: &[Look]| pair[0].weight.saturating_add(pair[1].weight);
        let pairs = self.looks.windows(2).enumerate();
        let Some((index, pair)) = pairs.min_by_key(|(_, pair)| weight(pair)) else {
            return;
        };
        self.looks[index].weight = weight(pair);
        self.looks.remove(index + 1);
    }
}

impl Look {
    fn new(at: Nanos, sample: &Sample, before: Option<&Self>) -> Self {
        let same_stack = before.filter(|look| *look.stack == *sample.frames);
        let same_task = before
            .and_then(|look| look.task.clone())
            .filter(|task| sample.task.as_ref() == Some(&**task));
        Self {
            at,
            weight: 1,
            stack: same_stack.map_or_else(|| sample.frames.clone().into(), |l| l.stack.clone()),
            stack_hash: same_stack.map_or_else(|| hash_stack(&sample.frames), |l| l.stack_hash),
            task: same_task.or_else(|| sample.task.clone().map(Arc::new)),
            callback: sample.callback,
            gil: sample.gil.clone(),
            thread: sample.thread,
        }
    }
}

fn hash_stack(frames: &[Frame]) -> u64 {
    let mut hasher = Xxh3::new();
    frames.hash(&mut hasher);
    hasher.finish()
}
