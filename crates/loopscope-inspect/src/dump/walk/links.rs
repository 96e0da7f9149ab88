//! What joins tasks: their callbacks, and those of the futures in between.

use super::{Known, Walker};
use crate::asyncio::{Listener, Through};
use crate::dump::walked::{Link, Walked};
use crate::error::ReadResult;
use crate::memory::{AddressSet, Memory};

/// Futures that are no tasks and are followed from one to the next.
const MAX_FUTURES: usize = 1_000_000;

/// Links that are kept between futures and tasks.
const MAX_LINKS: usize = 4_000_000;

impl<M: Memory + Clone> Walker<M> {
    /// Adds the links from a task or future to who waits for it.
    pub(super) fn walk_links(
        &mut self,
        from: u64,
        walked: &mut Walked,
        known: &mut Known,
    ) -> ReadResult<()> {
        if walked.links.len() > MAX_LINKS {
            known
                .problems
                .say("tasks wait for each other in more ways than are followed");
            return Ok(());
        }
        let added = self.add_links(from, &mut walked.links, known);
        let what = "who waits for a task could not be read";
        known.problems.take(what, added)
    }

    fn add_links(&mut self, from: u64, links: &mut Vec<Link>, known: &mut Known) -> ReadResult<()> {
        let mut is_explained = false;
        for callback in self.reader.callbacks(from, usize::MAX)? {
            let listener = self.reader.listener(callback, &mut known.listeners)?;
            for link in listener.into_iter().flat_map(|known| joined(from, known)) {
                is_explained |= link.through != Some(Through::Other);
                links.push(link);
            }
        }
        // Callbacks know better: whoever called `shield` is stated as the one that awaits, and that may be
        // another.
        if is_explained {
            return Ok(());
        }
        for to in self.reader.awaiters(from, usize::MAX)? {
            let through = Some(Through::Stated);
            links.push(Link { from, to, through });
        }
        Ok(())
    }

    /// Follows the futures that tasks' links lead to, and those that theirs lead to.
    pub(super) fn follow_links(
        &mut self,
        walked: &mut Walked,
        known: &mut Known,
    ) -> ReadResult<()> {
        let mut seen = AddressSet::default();
        let mut next = 0;
        while let Some(link) = walked.links.get(next).copied() {
            next += 1;
            if seen.len() >= MAX_FUTURES || !seen.insert(link.to) {
                continue;
            }
            // Tasks have had their turn, and the future of another thread is none of asyncio's.
            let kind = self.reader.kind_of(link.to);
            if matches!(kind, Ok(kind) if kind.is_future() && !kind.is_task()) {
                self.walk_links(link.to, walked, known)?;
            }
        }
        Ok(())
    }
}

/// The links that a listener stands for, at most two.
fn joined(from: u64, listener: Listener) -> impl Iterator<Item = Link> {
    let link = |to, through| Link { from, to, through };
    let links = match listener {
        Listener::Task(task) => [Some(link(task, None)), None],
        Listener::Future { future, through } => [Some(link(future, Some(through))), None],
        Listener::Group { parent, future } => {
            [parent, future].map(|to| Some(link(to?, Some(Through::TaskGroup))))
        }
        Listener::Source { source } => {
            let through = Some(Through::Chain);
            let to = from;
            [source.map(|from| Link { from, to, through }), None]
        }
    };
    links.into_iter().flatten()
}
