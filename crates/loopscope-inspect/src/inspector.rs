//! The way in: attach to a process once, then look at its threads as often as needed.

use crate::dump::{self, Dump, DumpMode, WalkTarget, Walker};
use crate::error::{AttachError, DumpError, ReadError, SampleError};
use crate::kernel;
use crate::layout::PythonVersion;
use crate::locate::{self, Interpreter};
use crate::memory::{MemoryError, ProcessMemory};
use crate::sample::{CurrentTask, ThreadSample};
use crate::sampler::Sampler;
use crate::threads::ThreadIds;

/// Attempts to find a starting interpreter in order before its layout is called unexpected.
const MAX_VALIDATIONS: usize = 3;

/// An open view of one Python process. Keeps what does not change (layout, types, code objects); stops
/// and changes nothing in the target, however often it looks.
#[derive(Debug)]
pub struct Inspector {
    pid: u32,
    start_ticks: u64,
    interpreter: Interpreter,
    sampler: Sampler<ProcessMemory>,
    walker: Walker<ProcessMemory>,
}

impl Inspector {
    /// Finds the interpreter in a process and how it is laid out. Does the costly work up front, some
    /// milliseconds of it, so that a look during a stall is cheap. A forked child needs an inspector of
    /// its own, and so does a process after `exec`.
    pub fn attach(pid: u32) -> Result<Self, AttachError> {
        let start_ticks = kernel::start_ticks(pid).ok_or(AttachError::NoProcess { pid })?;
        let memory = ProcessMemory::new(pid);
        let interpreter = locate::locate(pid, &memory)?;
        let Interpreter {
            layout, runtime, ..
        } = interpreter;
        let mut sampler = Sampler::new(memory, layout, runtime, ThreadIds::new(pid));
        validate(pid, &mut sampler, interpreter.version)?;
        // A first look finds the modules and reads the code of what runs, some milliseconds that the look
        // during a stall then saves. What it sees, or fails to see, does not matter yet.
        let _ = sampler.sample(pid);
        let target = WalkTarget {
            python_version: interpreter.version,
            layout,
            runtime,
        };
        Ok(Self {
            pid,
            start_ticks,
            walker: Walker::new(memory, &target, ThreadIds::new(pid)),
            interpreter,
            sampler,
        })
    }

    /// The process that it looks at.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The version of the target's interpreter.
    pub fn python_version(&self) -> PythonVersion {
        self.interpreter.version
    }

    /// One look at one thread. Looks again a few times where the thread moved meanwhile, and says so in
    /// the sample where it never held still.
    pub fn sample_thread(&mut self, tid: u32) -> Result<ThreadSample, SampleError> {
        self.sampler
            .sample(tid)
            .map_err(|error| self.sample_error(tid, error))
    }

    /// One look at a task that is not running, by its address. `None` where there is none by now; what runs
    /// meanwhile may tear it.
    pub fn waiting_task(&mut self, address: u64) -> Result<Option<CurrentTask>, ReadError> {
        let memory = ProcessMemory::new(self.pid);
        if self.interpreter.look_for_asyncio(self.pid, &memory) {
            self.sampler.set_layout(self.interpreter.layout);
            self.walker.set_layout(self.interpreter.layout);
        }
        self.sampler.waiting_task(address)
    }

    /// Reads the whole process at one instant: threads, loops and tasks. What cannot be read is said in the
    /// dump; it fails only where nothing can be.
    pub fn dump(&mut self, mode: DumpMode) -> Result<Dump, DumpError> {
        let memory = ProcessMemory::new(self.pid);
        if self.interpreter.look_for_asyncio(self.pid, &memory) {
            self.sampler.set_layout(self.interpreter.layout);
            self.walker.set_layout(self.interpreter.layout);
        }
        let outcome = dump::take(&mut self.walker, self.pid, mode);
        self.walker.rest();
        outcome.map_err(|error| self.dump_error(error))
    }

    /// Gives the memory of the last look back, about a megabyte. What was learned of the process stays.
    pub fn rest(&mut self) {
        self.sampler.rest();
    }

    /// A process whose state makes no sense may be another one by now.
    fn dump_error(&self, error: DumpError) -> DumpError {
        let pid = self.pid;
        match error {
            DumpError::Unreadable { .. } => match self.replacement() {
                Some(Replacement::Gone) => DumpError::Gone { pid },
                Some(Replacement::Other) => DumpError::Replaced { pid },
                None => error,
            },
            error => error,
        }
    }

    /// Whether the process attached to is no longer there.
    fn replacement(&self) -> Option<Replacement> {
        match kernel::start_ticks(self.pid) {
            None => Some(Replacement::Gone),
            Some(ticks) if ticks != self.start_ticks => Some(Replacement::Other),
            Some(_) if !locate::is_still_mapped(self.pid, &self.interpreter) => {
                Some(Replacement::Other)
            }
            Some(_) => None,
        }
    }

    fn sample_error(&self, tid: u32, source: ReadError) -> SampleError {
        let pid = self.pid;
        match source {
            ReadError::Memory(MemoryError::Gone) => SampleError::Gone { pid },
            ReadError::Memory(MemoryError::Denied) => SampleError::Denied { pid },
            _ => match self.replacement() {
                Some(Replacement::Gone) => SampleError::Gone { pid },
                Some(Replacement::Other) => SampleError::Replaced { pid },
                None => SampleError::Unreadable { tid, source },
            },
        }
    }
}

/// What stands in the place of a process that was attached to.
enum Replacement {
    /// Nothing.
    Gone,
    /// Another process, or another program.
    Other,
}

/// A starting or busy interpreter may show a list in the middle of a change; one that is laid out
/// otherwise never makes sense.
fn validate(
    pid: u32,
    sampler: &mut Sampler<ProcessMemory>,
    version: PythonVersion,
) -> Result<(), AttachError> {
    let mut failure = AttachError::NotUp { pid };
    for _ in 0..MAX_VALIDATIONS {
        match sampler.validate() {
            Ok(Some(())) => return Ok(()),
            Ok(None) => return Err(AttachError::NotUp { pid }),
            Err(ReadError::Memory(MemoryError::Gone)) => {
                return Err(AttachError::NoProcess { pid });
            }
            Err(ReadError::Memory(MemoryError::Denied)) => return Err(AttachError::Denied { pid }),
            Err(source) => failure = AttachError::UnexpectedLayout { version, source },
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inspector_can_move_to_another_thread() {
        fn movable<T: Send>() {}
        movable::<Inspector>();
    }
}
