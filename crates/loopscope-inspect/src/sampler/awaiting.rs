//! The tasks that wait for the one that a loop steps, each with its own await chain.
//!
//! Read last, and with nothing else of a look depending on it: what cannot be read is left out. The tasks
//! that wait are suspended, so they hold still even where the thread does not.

use super::Sampler;
use crate::asyncio::{AwaitChain, ChainFrame, FutureState, Parent, optional};
use crate::error::ReadResult;
use crate::frames::instruction_offset;
use crate::memory::Memory;
use crate::sample::{AwaitingTask, Frame};

/// Frames of all of them together after which no further task is read.
const MAX_FRAMES: usize = 256;

impl<M: Memory + Clone> Sampler<M> {
    /// The tasks that wait for a task, the nearest first.
    pub(super) fn awaited_by(&mut self, task: u64) -> ReadResult<Vec<AwaitingTask>> {
        let mut found = Vec::new();
        let mut frames = 0;
        for parent in self.reader.parents(task)? {
            if frames >= MAX_FRAMES {
                break;
            }
            let awaiting = optional(self.awaiting(parent))?;
            frames += awaiting.as_ref().map_or(0, |task| task.await_chain.len());
            found.extend(awaiting);
        }
        Ok(found)
    }

    /// A task that waits; `None` where it has ended and was not told yet.
    fn awaiting(&mut self, parent: Parent) -> ReadResult<Option<AwaitingTask>> {
        let words = self.reader.task_words(parent.task)?;
        if words.state != FutureState::Pending {
            return Ok(None);
        }
        let mut chain = AwaitChain::default();
        if let Some(coroutine) = words.coroutine {
            optional(self.reader.follow_chain(coroutine, &mut chain))?;
        }
        Ok(Some(AwaitingTask {
            address: parent.task,
            name: optional(self.reader.task_name(parent.task))?,
            level: parent.level,
            await_chain: self.chain_frames(&chain)?,
        }))
    }

    fn chain_frames(&mut self, chain: &AwaitChain) -> ReadResult<Vec<Frame>> {
        let mut frames = Vec::with_capacity(chain.frames.len());
        for frame in &chain.frames {
            let resolved = match frame {
                ChainFrame::Python(raw) => {
                    let offset = instruction_offset(&self.reader.layout, raw);
                    let found = self.codes.frame(&mut self.reader, raw.code, offset);
                    optional(found.map(Some))?
                }
                ChainFrame::Cython { function, module } => Some(Frame::compiled(function, module)),
            };
            frames.extend(resolved);
        }
        Ok(frames)
    }
}
