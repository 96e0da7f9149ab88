//! Loops: their queues, their timers, and what those will end.

use super::{Known, Walker};
use crate::asyncio::{DueTimes, LoopWords};
use crate::dump::problems::soft;
use crate::dump::walked::{Walked, WalkedLoop};
use crate::error::ReadResult;
use crate::memory::{AddressSet, Memory};

impl<M: Memory + Clone> Walker<M> {
    /// Every loop that runs on a thread, or that a task or what it waits for belongs to.
    pub(super) fn walk_loops(&mut self, walked: &mut Walked, known: &mut Known) -> ReadResult<()> {
        let running = walked
            .threads
            .iter()
            .filter_map(|thread| thread.running_loop);
        let of_tasks = walked.tasks.iter().filter_map(|task| task.words.event_loop);
        let of_futures = walked
            .futures
            .values()
            .filter_map(|future| future.event_loop);
        let mut loops = Vec::new();
        let mut seen = AddressSet::default();
        for event_loop in running.chain(of_tasks).chain(of_futures) {
            if seen.insert(event_loop) {
                loops.push(event_loop);
            }
        }
        for address in loops {
            match self.walk_loop(address, &mut walked.due)? {
                Some(event_loop) => walked.loops.push(event_loop),
                None => known.problems.say("a task belongs to what is no loop"),
            }
        }
        Ok(())
    }

    fn walk_loop(&mut self, address: u64, due: &mut DueTimes) -> ReadResult<Option<WalkedLoop>> {
        let mut problem = None;
        let type_name = self.reader.loop_type_name(address).map(Some);
        let Some(type_name) = soft(type_name, "its type", &mut problem)? else {
            return Ok(None);
        };
        let ready = self.reader.ready_count(address, &mut self.queue_offsets);
        let is_closed = self.reader.is_loop_closed(address);
        let timers = self.reader.timers(address);
        let timers = soft(timers, "its timers", &mut problem)?;
        let next_timer = match &timers {
            Some(timers) => {
                let next = self.walk_timers(timers, due);
                soft(next, "its timers", &mut problem)?
            }
            None => None,
        };
        Ok(Some(WalkedLoop {
            address,
            words: LoopWords {
                type_name,
                ready: soft(ready, "its ready queue", &mut problem)?,
                timers: timers.map(|timers| timers.len() as u64),
                next_timer,
                is_closed: soft(is_closed, "whether it is closed", &mut problem)?,
            },
            problem,
        }))
    }

    /// When the earliest of a loop's timers is due. A timer that cannot be read is passed over, unless it
    /// is so with all.
    fn walk_timers(&mut self, timers: &[u64], due: &mut DueTimes) -> ReadResult<Option<f64>> {
        self.reader.pages.prefetch_objects(timers.iter().copied())?;
        due.reserve(timers.len());
        let mut earliest: Option<f64> = None;
        let mut failure = None;
        let mut slots = None;
        for timer in timers {
            match self.reader.timer_due(*timer, &mut slots, due) {
                Ok(Some(when)) => {
                    earliest = Some(earliest.map_or(when, |earliest| earliest.min(when)));
                }
                Ok(None) => {}
                Err(error) if error.is_final() => return Err(error),
                Err(error) => failure = Some(error),
            }
        }
        match (earliest, failure) {
            (None, Some(error)) => Err(error),
            _ => Ok(earliest),
        }
    }
}
