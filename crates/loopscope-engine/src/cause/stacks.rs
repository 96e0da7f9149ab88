//! Comparing stacks: what the looks at one callback have in common, and who shares an overloaded loop.

use std::collections::BTreeMap;

use crate::{
    in_app::{inside_loop, is_in_app},
    looks::Look,
    observation::Frame,
    report::{CallbackShare, Culprit},
};

/// The frame to blame.
pub(super) struct Blame {
    frame: Frame,
    /// Its distance from the outermost frame inside the loop.
    height: usize,
}

impl Blame {
    /// The line to blame, where the frame is the application's own.
    pub(super) fn culprit(&self) -> Option<Culprit> {
        is_in_app(&self.frame).then(|| Culprit {
            file: self.frame.file.to_string(),
            line: self.frame.line,
            function: self.frame.function.to_string(),
        })
    }

    /// The frame itself.
    pub(super) fn into_frame(self) -> Frame {
        self.frame
    }

    /// Where it stands in a stack of innermost first.
    pub(super) fn depth_in(&self, inside: &[Frame]) -> usize {
        inside.len().saturating_sub(self.height + 1)
    }
}

/// The deepest frame of the application's own code that all looks share; failing that the one that most
/// looks have innermost; failing that the deepest shared frame at all.
pub(super) fn blame(looks: &[&Look]) -> Option<Blame> {
    let stacks: Vec<(&[Frame], u32)> = looks
        .iter()
        .map(|look| (inside_loop(&look.stack), look.weight))
        .collect();
    let shared = shared_height(&stacks);
    let own = (0..shared)
        .rev()
        .find(|height| at(stacks[0].0, *height).is_some_and(is_in_app));
    let height = own.or_else(|| shared.checked_sub(1));
    if own.is_none()
        && let Some(blame) = most_frequent_own(&stacks)
    {
        return Some(blame);
    }
    blame_at(&stacks, height?)
}

/// The frame to blame in one stack.
pub(super) fn blame_frames(stack: &[Frame]) -> Option<Blame> {
    let inside = inside_loop(stack);
    let depth = inside.iter().position(is_in_app).unwrap_or(0);
    let frame = inside.get(depth)?.clone();
    Some(Blame {
        frame,
        height: inside.len() - 1 - depth,
    })
}

/// The look to show for a run: among those that stand on the line to blame, the stack seen most.
pub(super) fn representative<'a>(run: &[&'a Look], blame: Option<&Blame>) -> &'a Look {
    let mut weights: BTreeMap<u64, u32> = BTreeMap::new();
    for look in run {
        *weights.entry(look.stack_hash).or_default() += look.weight;
    }
    let rank = |look: &&&Look| {
        let is_on_line = blame.is_some_and(|blame| {
            at(inside_loop(&look.stack), blame.height).is_some_and(|frame| *frame == blame.frame)
        });
        (is_on_line, weights.get(&look.stack_hash).copied())
    };
    run.iter().max_by_key(rank).copied().unwrap_or(run[0])
}

/// Which callbacks share the time, largest share first.
pub(super) fn shares(looks: &[&Look]) -> Vec<CallbackShare> {
    // A look that fell between two callbacks says nothing of who shares the time.
    let at_callbacks: Vec<&Look> = looks
        .iter()
        .copied()
        .filter(|look| !inside_loop(&look.stack).is_empty())
        .collect();
    let looks = if at_callbacks.is_empty() {
        looks
    } else {
        &at_callbacks
    };
    let mut groups: BTreeMap<(&str, &str), BTreeMap<u32, u32>> = BTreeMap::new();
    for look in looks {
        if let Some(frame) = callback_frame(look) {
            let lines = groups.entry((&frame.file, &frame.function)).or_default();
            *lines.entry(frame.line).or_default() += look.weight;
        }
    }
    let all = weight(looks.iter().copied());
    let share = |((file, function), lines): (&(&str, &str), &BTreeMap<u32, u32>)| CallbackShare {
        file: (*file).to_owned(),
        line: most_frequent(lines),
        function: (*function).to_owned(),
        share: (lines.values().sum::<u32>() as f64 / all as f64 * 1e4).round() / 1e4,
    };
    let mut shares: Vec<CallbackShare> = groups.iter().map(share).collect();
    shares.sort_by(|a, b| b.share.total_cmp(&a.share));
    shares
}

/// The frame that stands for a look's callback: its outermost frame of the application's own code, or
/// its outermost frame, or the loop's own driver where the look fell between two callbacks.
pub(super) fn callback_frame(look: &Look) -> Option<&Frame> {
    let inside = inside_loop(&look.stack);
    let own = inside.iter().rev().find(|frame| is_in_app(frame));
    own.or(inside.last()).or(look.stack.first())
}

/// How many looks these stand for.
pub(super) fn weight<'a>(looks: impl Iterator<Item = &'a Look>) -> u64 {
    looks.map(|look| u64::from(look.weight)).sum()
}

/// How many frames from the outermost on are the same function in all stacks.
fn shared_height(stacks: &[(&[Frame], u32)]) -> usize {
    let Some(((first, _), rest)) = stacks.split_first() else {
        return 0;
    };
    let is_shared = |height: &usize| {
        let frame = at(first, *height);
        rest.iter()
            .all(|(stack, _)| is_same_function(at(stack, *height), frame))
    };
    (0..first.len()).take_while(is_shared).count()
}

fn blame_at(stacks: &[(&[Frame], u32)], height: usize) -> Option<Blame> {
    let mut lines: BTreeMap<u32, u32> = BTreeMap::new();
    for (stack, weight) in stacks {
        if let Some(frame) = at(stack, height) {
            *lines.entry(frame.line).or_default() += weight;
        }
    }
    let line = most_frequent(&lines);
    let mut frames = stacks
        .iter()
        .rev()
        .filter_map(|(stack, _)| at(stack, height));
    let frame = frames.find(|frame| frame.line == line)?.clone();
    Some(Blame { frame, height })
}

fn most_frequent_own(stacks: &[(&[Frame], u32)]) -> Option<Blame> {
    let mut groups: BTreeMap<(usize, &str, &str, u32), u32> = BTreeMap::new();
    for (stack, weight) in stacks {
        if let Some((depth, frame)) = stack.iter().enumerate().find(|(_, f)| is_in_app(f)) {
            let height = stack.len() - 1 - depth;
            let key = (height, &*frame.file, &*frame.function, frame.line);
            *groups.entry(key).or_default() += weight;
        }
    }
    let ((height, file, function, line), _) = groups.iter().max_by_key(|(_, weight)| **weight)?;
    let is_it = |frame: &&Frame| {
        *frame.file == **file && *frame.function == **function && frame.line == *line
    };
    let mut frames = stacks.iter().filter_map(|(stack, _)| at(stack, *height));
    let frame = frames.find(is_it)?.clone();
    Some(Blame {
        frame,
        height: *height,
    })
}

fn most_frequent(lines: &BTreeMap<u32, u32>) -> u32 {
    lines
        .iter()
        .max_by_key(|(_, weight)| **weight)
        .map_or(0, |(line, _)| *line)
}

/// The frame at a height above the outermost one of a stack of innermost first.
fn at(stack: &[Frame], height: usize) -> Option<&Frame> {
    stack.get(stack.len().checked_sub(height + 1)?)
}

fn is_same_function(a: Option<&Frame>, b: Option<&Frame>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if a.file == b.file && a.function == b.function)
}
