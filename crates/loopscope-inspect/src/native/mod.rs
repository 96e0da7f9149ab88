//! Native stacks of any program: where a thread stands, with files, lines and inlined functions.
//!
//! For programs that are compiled: [`NativeInspector::attach`] reads what the program's files say of their own
//! stacks and lines, [`NativeInspector::sample_thread`] then tells where one thread stands. A thread that sleeps
//! in a system call is read without its notice: the kernel tells where its stack is, and the memory is read from
//! outside. Only a thread that runs user code has to be stopped for an instant, see [`Running`]. What a stack
//! says of tokio is told apart in [`tokio`]; nothing is judged here.

mod calls;
mod copy;
mod functions;
mod modules;
mod names;
mod own;
mod prologue;
mod proof;
mod separate;
mod symbols;
mod tokio;
mod unwind;
mod words;
mod worker;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::sync::Arc;

pub use self::tokio::{Flavour, Place};

use self::copy::Sleep;
pub(crate) use self::copy::{StackCopy, copy_from};
use self::modules::Modules;
use self::symbols::Symbols;
use self::unwind::Unwinding;
use crate::kernel::{self, RunState, ThreadKernelState};
use crate::pause;

/// Threads that are looked at when attaching, so that the files they run in are read.
const FIRST_LOOKS: usize = 8;

/// Threads that are remembered to sleep.
const MOST_ASLEEP: usize = 1024;

/// How a thread is read that runs user code: the kernel tells nobody where such a thread stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// It is stopped with `ptrace` for some tens of microseconds. For a supervisor: the kernel tells the stops
    /// to every `wait` of the process that asks.
    Trace,
    /// It is asked to copy its own stack, by a signal. For a program that watches itself. The signal is `SIGURG`,
    /// which is ignored unless somebody handles it; where the program does, such threads are not read.
    Signal,
    /// It is not.
    Leave,
}

/// Why a process, or a thread of it, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// The machine is not known.
    #[error("native stacks are read on 64-bit x86 only")]
    UnsupportedMachine,
    /// The process's mappings cannot be read.
    #[error("cannot read what is mapped in process {pid}")]
    Unreadable {
        /// The id asked for.
        pid: u32,
        /// Why.
        source: io::Error,
    },
    /// The thread never held still, or is gone.
    #[error("thread {tid} could not be read")]
    Moving {
        /// Which.
        tid: u32,
    },
}

/// One frame, as it stands in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeFrame {
    /// The source file; empty where the program does not tell.
    pub file: Arc<str>,
    /// The line, 0 where it is not known.
    pub line: u32,
    /// The function, without type parameters and hashes. In a program that was stripped of its names it is the program's
    /// file and where in it, `shop+0x4f3a1`; empty where even that is not known.
    pub function: Arc<str>,
    /// Whether it was inlined into the next one outward.
    pub is_inlined: bool,
}

/// Where a thread stood.
#[derive(Clone, Debug)]
pub struct NativeSample {
    /// The frames, innermost first.
    pub frames: Vec<NativeFrame>,
    /// Whether the outermost is where the thread began.
    pub is_whole: bool,
    /// What tokio was doing there; `None` where no frame of it is on the stack.
    pub place: Option<Place>,
    /// What the kernel said of the thread when it was read.
    pub thread: ThreadKernelState,
}

/// An open view of one process of native code.
pub struct NativeInspector {
    pid: u32,
    running: Running,
    modules: Modules,
    unwinding: Unwinding,
    symbols: Symbols,
    /// Threads that slept at the last look, and what it found: nothing else as long as they sleep on.
    asleep: HashMap<u32, (Sleep, NativeSample)>,
    /// How often each thread was stopped to be read: to the kernel it went to sleep by itself.
    stops: HashMap<u32, u64>,
}

impl NativeInspector {
    /// Reads the unwind tables of what is mapped in a process and looks once at its main thread, so that what
    /// the program's files say of their lines is at hand for a look that counts. Some milliseconds for a small
    /// program, up to a second for a large one with full debug information: not for the thread that observes.
    ///
    /// # Errors
    /// When the process is gone or may not be read, and on machines other than 64-bit x86.
    pub fn attach(pid: u32, running: Running) -> Result<Self, NativeError> {
        if !cfg!(target_arch = "x86_64") {
            return Err(NativeError::UnsupportedMachine);
        }
        let modules = Modules::of(pid).map_err(|source| NativeError::Unreadable { pid, source })?;
        let mut inspector = Self {
            pid,
            running,
            unwinding: Unwinding::of(pid, &modules),
            symbols: Symbols::default(),
            asleep: HashMap::new(),
            stops: HashMap::new(),
            modules,
        };
        for tid in kernel::thread_ids(pid).into_iter().take(FIRST_LOOKS) {
            inspector.sample_sleeping(tid);
        }
        Ok(inspector)
    }

    /// Whether the program has names of its functions: in itself, or in a file beside it that was taken out of it.
    pub fn has_names(&self) -> bool {
        let program = fs::read_link(format!("/proc/{}/exe", self.pid)).unwrap_or_default();
        let mut modules = self.modules.all().iter();
        modules
            .find(|module| module.path == program)
            .is_none_or(|module| module.has_names)
    }

    /// Where a thread stands now.
    ///
    /// Costs some hundred microseconds where the functions on its stack were met before.
    ///
    /// # Errors
    /// When it moved while it was read, runs where such threads are left alone, or is gone.
    pub fn sample_thread(&mut self, tid: u32) -> Result<NativeSample, NativeError> {
        const ATTEMPTS: usize = 3;
        for _ in 0..ATTEMPTS {
            if let Some(found) = self.sample_sleeping(tid) {
                return Ok(found);
            }
            if let Some(copy) = self.copy_running(tid) {
                return Ok(self.read(tid, &copy));
            }
        }
        Err(NativeError::Moving { tid })
    }

    /// How often a thread went to sleep by itself, without the stops that looks at it were; `None` where it is gone.
    pub fn own_switches(&self, tid: u32) -> Option<u64> {
        let stops = self.stops.get(&tid).copied().unwrap_or(0);
        Some(kernel::voluntary_switches(self.pid, tid)?.saturating_sub(stops))
    }

    /// Where a thread stands that sleeps; `None` for one that runs.
    pub fn sample_sleeping(&mut self, tid: u32) -> Option<NativeSample> {
        let sleep = Sleep::of(self.pid, tid)?;
        if let Some((before, found)) = self.asleep.get(&tid)
            && *before == sleep
        {
            return Some(NativeSample {
                thread: kernel::thread_state(self.pid, tid),
                ..found.clone()
            });
        }
        let copy = sleep.copy(self.pid, tid)?;
        let found = self.read(tid, &copy);
        if self.asleep.len() >= MOST_ASLEEP {
            self.asleep.clear();
        }
        self.asleep.insert(tid, (sleep, found.clone()));
        Some(found)
    }

    /// A thread that has gone to sleep meanwhile is left alone: both ways would cut its call short.
    fn copy_running(&mut self, tid: u32) -> Option<StackCopy> {
        let now = kernel::thread_state(self.pid, tid);
        if now.run_state != RunState::Runnable || now.syscall.is_some() {
            return None;
        }
        match self.running {
            Running::Trace => {
                let before = kernel::voluntary_switches(self.pid, tid)?;
                let copy = pause::copy_stack(self.pid, tid).ok();
                let after = kernel::voluntary_switches(self.pid, tid).unwrap_or(before);
                *self.stops.entry(tid).or_default() += after.saturating_sub(before);
                copy
            }
            Running::Signal => own::copy_stack(tid),
            Running::Leave => None,
        }
    }

    fn read(&mut self, tid: u32, copy: &StackCopy) -> NativeSample {
        let thread = copy
            .thread
            .unwrap_or_else(|| kernel::thread_state(self.pid, tid));
        let mut found = self.unwinding.walk(&self.modules, copy);
        if !found.is_whole && self.modules.refresh(self.pid) {
            self.unwinding = Unwinding::of(self.pid, &self.modules);
            self.symbols.forget();
            found = self.unwinding.walk(&self.modules, copy);
        }
        let placed = self.symbols.frames(&self.modules, &found.frames);
        let place = tokio::place_of(&placed, |poll| {
            let stack = (placed.as_slice(), found.frames.as_slice());
            proof::polled(self.pid, &self.modules, copy, stack, poll)
        });
        NativeSample {
            frames: placed.into_iter().map(|placed| placed.frame).collect(),
            is_whole: found.is_whole,
            place,
            thread,
        }
    }
}
