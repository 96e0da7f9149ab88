//! The way in: attach to a process once, then look at its threads as often as needed.

use crate::dump::{Dump, DumpMode};
use crate::error::{AttachError, DumpError, ReadError, SampleError};
use crate::kernel;
use crate::layout::PythonVersion;
use crate::locate::{self, Interpreter};
use crate::memory::{MemoryError, ProcessMemory};
use crate::sample::ThreadSample;
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
        Ok(Self {
            pid,
            start_ticks,
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

    /// Reads the whole process at one instant: threads, loops and tasks.
    pub fn dump(&mut self, mode: DumpMode) -> Result<Dump, DumpError> {
        if self
            .interpreter
            .look_for_asyncio(self.pid, &ProcessMemory::new(self.pid))
        {
            self.sampler.set_layout(self.interpreter.layout);
        }
        let _ = mode;
        Err(DumpError::Gone { pid: self.pid })
    }

    /// Gives the memory of the last look back, about a megabyte. What was learned of the process stays.
    pub fn rest(&mut self) {
        self.sampler.rest();
    }

    fn sample_error(&self, tid: u32, source: ReadError) -> SampleError {
        let pid = self.pid;
        match source {
            ReadError::Memory(MemoryError::Gone) => SampleError::Gone { pid },
            ReadError::Memory(MemoryError::Denied) => SampleError::Denied { pid },
            _ => match kernel::start_ticks(pid) {
                None => SampleError::Gone { pid },
                Some(ticks) if ticks != self.start_ticks => SampleError::Replaced { pid },
                Some(_) if !locate::is_still_mapped(pid, &self.interpreter) => {
                    SampleError::Replaced { pid }
                }
                Some(_) => SampleError::Unreadable { tid, source },
            },
        }
    }
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
