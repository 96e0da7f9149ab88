//! Threads: which there are, where they stand, what runs on them.

use super::{KernelStates, Known, Walker};
use crate::dump::problems::soft;
use crate::dump::walked::WalkedThread;
use crate::error::ReadResult;
use crate::kernel::ThreadKernelState;
use crate::memory::Memory;
use crate::threads::PythonThread;

/// What is the same for all threads of an interpreter.
struct InterpreterFacts {
    id: u64,
    /// By what `threading.get_ident()` returns in the thread.
    names: Vec<(u64, String)>,
    /// The thread state that holds the lock, if one does; `None` where that could not be read.
    gil_holder: Option<Option<u64>>,
}

impl InterpreterFacts {
    fn name_of(&self, ident: u64) -> Option<String> {
        let found = self.names.iter().find(|(known, _)| *known == ident);
        found.map(|(_, name)| name.clone())
    }
}

impl<M: Memory + Clone> Walker<M> {
    /// All threads, oldest first: the interpreter puts the newest first.
    pub(super) fn walk_threads(
        &mut self,
        threads: &[PythonThread],
        kernel: KernelStates<'_>,
        known: &mut Known,
    ) -> ReadResult<Vec<WalkedThread>> {
        let calibrated = self.thread_ids.calibrate(&mut self.reader, threads);
        let what = "threads could not be told apart";
        known.problems.take(what, calibrated)?;
        let mut walked = Vec::with_capacity(threads.len());
        let same_interpreter =
            |one: &PythonThread, next: &PythonThread| one.interpreter == next.interpreter;
        for of_one in threads.chunk_by(same_interpreter).rev() {
            let Some(first) = of_one.first() else {
                continue;
            };
            let facts = self.interpreter_facts(first.interpreter, known)?;
            for thread in of_one.iter().rev() {
                walked.push(self.walk_thread(thread, &facts, kernel)?);
            }
        }
        Ok(walked)
    }

    fn interpreter_facts(
        &mut self,
        interpreter: u64,
        known: &mut Known,
    ) -> ReadResult<InterpreterFacts> {
        let id = self.reader.layout.interpreter.id;
        let id = self.reader.pointer(interpreter, id);
        let names = self.reader.thread_names(interpreter);
        let gil = self.reader.gil_holder(self.runtime, interpreter).map(Some);
        let problems = &mut known.problems;
        Ok(InterpreterFacts {
            id: problems.take("an interpreter's number could not be read", id)?,
            names: problems.take("the names of threads could not be read", names)?,
            gil_holder: problems.take("who holds the interpreter's lock could not be read", gil)?,
        })
    }

    fn walk_thread(
        &mut self,
        thread: &PythonThread,
        facts: &InterpreterFacts,
        kernel: KernelStates<'_>,
    ) -> ReadResult<WalkedThread> {
        let mut problem = None;
        let tid = self.thread_ids.tid_of(&mut self.reader, thread);
        let tid = soft(tid, "its kernel id", &mut problem)?;
        let outline = self.reader.outline(thread.state);
        let outline = soft(outline, "its stack", &mut problem)?;
        for frame in &outline.frames {
            let loaded = self.codes.load(&mut self.reader, frame.code);
            soft(loaded, "a frame of its stack", &mut problem)?;
        }
        let inner_pid = self.thread_ids.inner_pid();
        let running_loop = self.reader.running_loop(thread, inner_pid);
        let running_loop = soft(running_loop, "its running loop", &mut problem)?;
        let current_task = match running_loop {
            Some(event_loop) => {
                let task = self.reader.current_task(thread, event_loop);
                soft(task, "its current task", &mut problem)?
            }
            None => None,
        };
        Ok(WalkedThread {
            tid,
            interpreter: facts.id,
            name: facts.name_of(thread.ident),
            holds_gil: facts.gil_holder.map(|holder| holder == Some(thread.state)),
            kernel: tid.map_or(ThreadKernelState::UNKNOWN, &mut *kernel),
            outline,
            running_loop,
            current_task,
            problem,
        })
    }
}
