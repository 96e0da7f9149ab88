//! Tasks: the state and the await chain of each.

use std::sync::Arc;

use super::Resolver;
use crate::asyncio::{ChainFrame, FutureState};
use crate::dump::walked::WalkedTask;
use crate::dump::{DumpedTask, TaskState};
use crate::sample::Frame;

impl Resolver<'_> {
    /// All tasks, and for each the tasks that it cannot go on without.
    pub(super) fn tasks(&mut self) -> (Vec<DumpedTask>, Vec<Vec<usize>>) {
        let walked = self.walked;
        let mut tasks = Vec::with_capacity(walked.tasks.len());
        let mut edges = Vec::with_capacity(walked.tasks.len());
        for task in &walked.tasks {
            let (task, needed) = self.task(task);
            tasks.push(task);
            edges.push(needed);
        }
        (tasks, edges)
    }

    fn task(&mut self, task: &WalkedTask) -> (DumpedTask, Vec<usize>) {
        let mut problem = task.problem.clone();
        let state = self.task_state(task);
        let await_chain = match state {
            TaskState::Running => self.running_chain(task, &mut problem),
            _ => self.chain(task, &mut problem),
        };
        let (waits_for, needed) = match state {
            TaskState::Pending => {
                let (wait, needed) = self.wait(task);
                (Some(wait), needed)
            }
            _ => (None, Vec::new()),
        };
        let dumped = DumpedTask {
            address: task.address,
            name: task.name.clone(),
            type_name: Arc::clone(&task.type_name),
            event_loop: task
                .words
                .event_loop
                .and_then(|event_loop| self.loop_indexes.get(&event_loop).copied()),
            state,
            is_cancelling: task.words.is_cancelling,
            await_chain,
            waits_for,
            awaited_by: self.graph.awaited_by(task.address),
            orphan: None,
            problem,
        };
        (dumped, needed)
    }

    fn task_state(&self, task: &WalkedTask) -> TaskState {
        match (task.words.state, &task.failure) {
            (FutureState::Pending, _) if self.stretches.contains_key(&task.address) => {
                TaskState::Running
            }
            (FutureState::Pending, _) => TaskState::Pending,
            (FutureState::Cancelled, _) => TaskState::Cancelled,
            (FutureState::Finished, None) => TaskState::Done,
            (FutureState::Finished, Some(failure)) => TaskState::Failed {
                exception: Arc::clone(&failure.exception),
                message: failure.message.clone(),
            },
        }
    }

    /// The coroutines of a task that runs are on its thread's stack.
    fn running_chain(&mut self, task: &WalkedTask, problem: &mut Option<String>) -> Vec<Frame> {
        let Some((thread, stretch)) = self.stretches.get(&task.address).cloned() else {
            return Vec::new();
        };
        let walked = self.walked;
        let outline = walked.threads.get(thread.0).map(|thread| &thread.outline);
        let frames = outline.and_then(|outline| outline.frames.get(stretch));
        let frames = frames.unwrap_or_default().iter().rev();
        let mut frames = self.frames(frames, problem);
        frames.retain(|frame| frame.is_coroutine);
        match frames.is_empty() {
            // It is about to be stepped, or just was.
            true => self.chain(task, problem),
            false => frames,
        }
    }

    fn chain(&mut self, task: &WalkedTask, problem: &mut Option<String>) -> Vec<Frame> {
        let mut frames = Vec::with_capacity(task.chain.frames.len());
        for frame in &task.chain.frames {
            match frame {
                ChainFrame::Python(raw) => {
                    frames.extend(self.frames(std::iter::once(raw), problem));
                }
                ChainFrame::Cython { function, module } => {
                    frames.push(Frame::compiled(function, module));
                }
            }
        }
        frames
    }
}
