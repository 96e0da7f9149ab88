//! The interpreter's threads, and which of them is which kernel thread.
//!
//! From 3.11 on a thread state carries the kernel's id. Before, it carries the address of the C
//! library's thread structure, in which the kernel's id stands at a place that is found by looking for
//! ids that the process has. Ids inside the target are those of its own pid namespace; they are
//! translated at this edge.

use std::collections::{HashMap, HashSet};

use crate::error::{ReadError, ReadResult};
use crate::kernel;
use crate::memory::Memory;
use crate::object_model::{Kind, ObjectReader};

/// Interpreters that are followed.
const MAX_INTERPRETERS: usize = 64;

/// Threads that are followed in all; past this the target's lists are taken for garbage.
const MAX_THREADS: usize = 16_384;

/// Where glibc on x86-64 has had the kernel's id in its thread structure since long before 3.9.
const GLIBC_TID_OFFSET: u64 = 720;

/// How far into the thread structure of another C library the kernel's id is looked for.
const TID_SEARCH_BYTES: u64 = 2048;

/// A thread that the interpreter knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PythonThread {
    /// Its thread state.
    pub(crate) state: u64,
    /// The interpreter that it belongs to.
    pub(crate) interpreter: u64,
    /// What `threading.get_ident()` returns in it.
    pub(crate) ident: u64,
}

impl PythonThread {
    /// Whether it belongs to another interpreter than the process's first one; `threads` are all there are.
    pub(crate) fn is_in_subinterpreter(&self, threads: &[Self]) -> bool {
        // A new interpreter is put before those there are, so the first one comes last.
        let first = threads.last().map(|thread| thread.interpreter);
        first.is_some_and(|first| first != self.interpreter)
    }
}

impl<M: Memory> ObjectReader<M> {
    /// All interpreters, the newest first: the process's first one is the last.
    pub(crate) fn interpreters(&mut self, runtime: u64) -> ReadResult<Vec<u64>> {
        let mut found = Vec::new();
        let mut interpreter = self.pointer(runtime, self.layout.interpreters_head)?;
        while interpreter != 0 {
            if found.len() >= MAX_INTERPRETERS {
                return Err(ReadError::Unexpected {
                    expected: "a list of interpreters",
                    address: runtime,
                });
            }
            found.push(interpreter);
            interpreter = self.pointer(interpreter, self.layout.interpreter.next)?;
        }
        Ok(found)
    }

    /// All threads of all interpreters. A list that changes while it is followed may lose its rest.
    pub(crate) fn python_threads(&mut self, runtime: u64) -> ReadResult<Vec<PythonThread>> {
        let mut threads = Vec::new();
        for interpreter in self.interpreters(runtime)? {
            self.collect_threads(interpreter, &mut threads)?;
        }
        Ok(threads)
    }

    /// The name of the `threading.Thread` of a thread.
    pub(crate) fn thread_name(&mut self, thread: &PythonThread) -> ReadResult<Option<String>> {
        let active = self.module_global(thread.interpreter, "threading", "_active")?;
        let Some(active) = active else {
            return Ok(None);
        };
        let ident = thread.ident;
        let object = self.dict_find(active, |reader, key| {
            Ok(reader.type_of(key)?.kind == Kind::Int && reader.unsigned(key)? == ident)
        })?;
        let Some(object) = object else {
            return Ok(None);
        };
        match self.attribute(object, "_name")? {
            Some(name) => self.string(name).map(Some),
            None => Ok(None),
        }
    }

    /// The names of all threads that an interpreter's `threading` knows, by their idents.
    pub(crate) fn thread_names(&mut self, interpreter: u64) -> ReadResult<Vec<(u64, String)>> {
        let Some(active) = self.module_global(interpreter, "threading", "_active")? else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for (ident, thread) in self.dict_items(active)? {
            if let Some(name) = self.attribute(thread, "_name")? {
                names.push((self.unsigned(ident)?, self.string(name)?));
            }
        }
        Ok(names)
    }

    fn collect_threads(
        &mut self,
        interpreter: u64,
        threads: &mut Vec<PythonThread>,
    ) -> ReadResult<()> {
        let mut state = self.pointer(interpreter, self.layout.interpreter.threads_head)?;
        while state != 0 {
            if threads.len() >= MAX_THREADS {
                let expected = "a list of threads";
                return Err(ReadError::Unexpected {
                    expected,
                    address: interpreter,
                });
            }
            let ident = self.pointer(state, self.layout.thread.ident)?;
            threads.push(PythonThread {
                state,
                interpreter,
                ident,
            });
            state = self.pointer(state, self.layout.thread.next)?;
        }
        Ok(())
    }
}

/// Knows which kernel thread a Python thread is.
#[derive(Debug)]
pub(crate) struct ThreadIds {
    pid: u32,
    /// The process's id inside its own pid namespace.
    inner_pid: u32,
    inner_tids: HashMap<u32, u32>,
    /// The thread state that a kernel thread had when it was last looked for.
    known_states: HashMap<u32, u64>,
    tid_offset: Option<u64>,
}

impl ThreadIds {
    pub(crate) fn new(pid: u32) -> Self {
        let inner_pid = kernel::namespaced_tid(pid, pid).unwrap_or(pid);
        Self {
            pid,
            inner_pid,
            inner_tids: HashMap::new(),
            known_states: HashMap::new(),
            tid_offset: None,
        }
    }

    /// The process's id inside its own pid namespace.
    pub(crate) fn inner_pid(&self) -> u32 {
        self.inner_pid
    }

    /// The Python thread with this kernel id, as the observer sees it.
    pub(crate) fn find<M: Memory>(
        &mut self,
        reader: &mut ObjectReader<M>,
        threads: &[PythonThread],
        tid: u32,
    ) -> ReadResult<Option<PythonThread>> {
        let inner = self.inner_tid(tid);
        self.calibrate(reader, threads)?;
        let newest = threads.first();
        if newest.is_some_and(|thread| thread.is_in_subinterpreter(threads)) {
            return self.find_innermost(reader, threads, inner);
        }
        // The state known from before goes first: before 3.11 each look at another costs a page.
        let known = self.known_states.get(&tid).copied();
        let is_known = |thread: &&PythonThread| Some(thread.state) == known;
        for thread in threads.iter().find(is_known).into_iter().chain(threads) {
            if self.stored_tid(reader, thread)? == Some(inner) {
                self.remember_state(tid, thread.state);
                return Ok(Some(*thread));
            }
        }
        Ok(None)
    }

    /// Where a thread has a state in each of several interpreters: the newest that runs something on it, since
    /// an interpreter is entered from an older one. The states of those that the thread is not in have no frame.
    fn find_innermost<M: Memory>(
        &mut self,
        reader: &mut ObjectReader<M>,
        threads: &[PythonThread],
        inner: u32,
    ) -> ReadResult<Option<PythonThread>> {
        let mut at_rest = None;
        for thread in threads {
            if self.stored_tid(reader, thread)? != Some(inner) {
                continue;
            }
            if reader.innermost_frame(thread.state)? != 0 {
                return Ok(Some(*thread));
            }
            at_rest.get_or_insert(*thread);
        }
        Ok(at_rest)
    }

    fn remember_state(&mut self, tid: u32, state: u64) {
        if self.known_states.len() >= MAX_THREADS {
            self.known_states.clear();
        }
        self.known_states.insert(tid, state);
    }

    /// A Python thread's kernel id, as the observer sees it.
    pub(crate) fn tid_of<M: Memory>(
        &mut self,
        reader: &mut ObjectReader<M>,
        thread: &PythonThread,
    ) -> ReadResult<Option<u32>> {
        Ok(self
            .stored_tid(reader, thread)?
            .and_then(|inner| self.outer_tid(inner)))
    }

    /// The kernel id that the target itself has for a thread.
    fn stored_tid<M: Memory>(
        &self,
        reader: &mut ObjectReader<M>,
        thread: &PythonThread,
    ) -> ReadResult<Option<u32>> {
        if let Some(native_id) = reader.layout.thread.native_id {
            return Ok(u32::try_from(reader.pointer(thread.state, native_id)?).ok());
        }
        match self.tid_offset {
            Some(offset) => Ok(Some(reader.word(thread.ident, offset)?)),
            None => Ok(None),
        }
    }

    fn inner_tid(&mut self, tid: u32) -> u32 {
        if self.inner_pid == self.pid {
            return tid;
        }
        if self.inner_tids.len() >= MAX_THREADS {
            self.inner_tids.clear();
        }
        let pid = self.pid;
        let inner = || kernel::namespaced_tid(pid, tid).unwrap_or(tid);
        *self.inner_tids.entry(tid).or_insert_with(inner)
    }

    fn outer_tid(&mut self, inner: u32) -> Option<u32> {
        if self.inner_pid == self.pid {
            return Some(inner);
        }
        kernel::thread_ids(self.pid)
            .into_iter()
            .find(|tid| self.inner_tid(*tid) == inner)
    }

    /// Finds where the C library keeps the kernel's id, where that is needed and not known yet.
    pub(crate) fn calibrate<M: Memory>(
        &mut self,
        reader: &mut ObjectReader<M>,
        threads: &[PythonThread],
    ) -> ReadResult<()> {
        if reader.layout.thread.native_id.is_some() || self.tid_offset.is_some() {
            return Ok(());
        }
        let existing: HashSet<u32> = kernel::thread_ids(self.pid)
            .into_iter()
            .map(|tid| self.inner_tid(tid))
            .collect();
        let candidates = std::iter::once(GLIBC_TID_OFFSET).chain((0..TID_SEARCH_BYTES).step_by(4));
        for offset in candidates {
            if holds_tids(reader, threads, offset, &existing)? {
                self.tid_offset = Some(offset);
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Whether all threads have different existing ids at an offset of their structures.
fn holds_tids<M: Memory>(
    reader: &mut ObjectReader<M>,
    threads: &[PythonThread],
    offset: u64,
    existing: &HashSet<u32>,
) -> ReadResult<bool> {
    // A thread that was in several interpreters has a state in each.
    let idents: HashSet<u64> = threads.iter().map(|thread| thread.ident).collect();
    let mut found = HashSet::new();
    for ident in idents {
        let tid = reader.word(ident, offset)?;
        if !existing.contains(&tid) || !found.insert(tid) {
            return Ok(false);
        }
    }
    Ok(!found.is_empty())
}
