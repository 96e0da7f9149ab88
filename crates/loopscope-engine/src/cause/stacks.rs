//! Comparing stacks: what the looks at one callback have in common, and who shares an overloaded loop.

use std::collections::BTreeMap;

use crate::{
    in_app::{inside_loop, is_in_app},
    looks::Look,
    observation::Frame,
    report::{CallbackShare, Culprit},
};

/// Of the looks at one call at most this part may stand elsewhere. One in six: two stray looks, one at
/// either end, among the dozen that a stall of some hundred milliseconds gets.
const STRAYS_AT_MOST_ONE_IN: u64 = 6;

/// The frames inside the loop, innermost first, and how many looks found them.
type Weighed<'a> = (&'a [Frame], u32);

/// The frame to blame.
pub(super) struct Blame {
    frame: Frame,
    /// Its distance from the outermost frame inside the loop.
    height: usize,
}

impl Blame {
    /// The line to blame, where the frame is the application's own and the program tells lines.
    pub(super) fn culprit(&self) -> Option<Culprit> {
        let is_place = is_in_app(&self.frame) && !self.frame.file.is_empty();
        is_place.then(|| Culprit {
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

/// The deepest frame of the application's own code that nearly all looks share; failing that the one that
/// most looks have innermost; failing that the deepest shared frame at all.
pub(super) fn blame(looks: &[&Look]) -> Option<Blame> {
    let stacks: Vec<Weighed> = looks
        .iter()
        .map(|look| (inside_loop(&look.stack), look.weight))
        .collect();
    blame_stacks(&stacks)
}

fn blame_stacks(stacks: &[Weighed]) -> Option<Blame> {
    let (trunk, shared) = trunk(stacks);
    let is_own = |height: &usize| {
        let frame = trunk.first().and_then(|(stack, _)| at(stack, *height));
        frame.is_some_and(is_in_app)
    };
    let own = (0..shared).rev().find(is_own);
    if own.is_none()
        && let Some(blame) = most_frequent_own(stacks)
    {
        return Some(blame);
    }
    let found = blame_at(&trunk, own.or_else(|| shared.checked_sub(1))?)?;
    let is_on_line = |(stack, _): &Weighed| at(stack, found.height) == Some(&found.frame);
    let on_line: Vec<Weighed> = trunk.iter().copied().filter(is_on_line).collect();
    // Those on the line that most of them are at may share more than all do.
    if on_line.len() < trunk.len() {
        return blame_stacks(&on_line);
    }
    Some(found)
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

/// The stacks that follow nearly all others the farthest inward, and how many of their frames from the
/// outermost on are the same functions.
///
/// Not all of them need to: a look may fall just before the call or just after it, while what it returned
/// is being freed, and would lift the blame to the caller.
fn trunk<'a>(stacks: &[Weighed<'a>]) -> (Vec<Weighed<'a>>, usize) {
    let total: u64 = stacks.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let mut trunk = stacks.to_vec();
    let mut height = 0;
    while let Some(inner) = heaviest_at(&trunk, height) {
        let weight: u64 = inner.iter().map(|(_, weight)| u64::from(*weight)).sum();
        if weight * STRAYS_AT_MOST_ONE_IN < total * (STRAYS_AT_MOST_ONE_IN - 1) {
            break;
        }
        trunk = inner;
        height += 1;
    }
    (trunk, height)
}

/// Those of the stacks that have the function which most of them have at this height.
fn heaviest_at<'a>(stacks: &[Weighed<'a>], height: usize) -> Option<Vec<Weighed<'a>>> {
    let mut groups: BTreeMap<(&str, &str), Vec<Weighed<'a>>> = BTreeMap::new();
    for (stack, weight) in stacks {
        if let Some(frame) = at(stack, height) {
            let group = groups.entry((&frame.file, &frame.function)).or_default();
            group.push((stack, *weight));
        }
    }
    let weight = |group: &Vec<Weighed>| group.iter().map(|(_, w)| u64::from(*w)).sum::<u64>();
    groups.into_values().max_by_key(weight)
}

fn blame_at(stacks: &[Weighed], height: usize) -> Option<Blame> {
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

fn most_frequent_own(stacks: &[Weighed]) -> Option<Blame> {
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
