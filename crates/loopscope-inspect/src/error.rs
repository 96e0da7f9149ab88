//! Why a process cannot be attached to, and why a look at a thread failed.
//!
//! Each error says what happened; `hint()` gives the next step separately. Nothing here is printed or
//! logged by this crate.

use std::io;
use std::path::PathBuf;

use crate::layout::PythonVersion;
use crate::memory::MemoryError;

/// Why a part of the target's memory is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It could not be read.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// It could be read and does not hold what belongs there.
    #[error("not {expected} at address {address:#x}")]
    Unexpected {
        /// What belongs there, with its article.
        expected: &'static str,
        /// Where.
        address: u64,
    },
}

impl ReadError {
    /// Whether a further read of the same process can succeed at all.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Memory(error) if error.is_final())
    }
}

/// The outcome of reading an object.
pub(crate) type ReadResult<T> = Result<T, ReadError>;

/// Why a process cannot be attached to.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// There is no such process, or it ended meanwhile.
    #[error("no such process: {pid}")]
    NoProcess {
        /// The id asked for.
        pid: u32,
    },
    /// The kernel does not let this observer read the process.
    #[error("permission to read the process refused: {pid}")]
    Denied {
        /// The id asked for.
        pid: u32,
    },
    /// No Python interpreter is mapped in the process.
    #[error("not a Python process: {}", program.display())]
    NotPython {
        /// Its program file.
        program: PathBuf,
    },
    /// It runs a Python other than CPython.
    #[error("not CPython: {}", program.display())]
    OtherInterpreter {
        /// The file that shows it.
        program: PathBuf,
    },
    /// Its interpreter is for a machine that the offset tables are not for.
    #[error("only 64-bit x86 interpreters are supported: {}", program.display())]
    UnsupportedMachine {
        /// The interpreter's file.
        program: PathBuf,
    },
    /// Its interpreter's version has no offset table.
    #[error("unsupported Python version: {version}")]
    UnsupportedVersion {
        /// The version.
        version: PythonVersion,
    },
    /// Its interpreter was built without the interpreter lock.
    #[error("free-threaded builds of Python are not supported: {version}")]
    FreeThreaded {
        /// The version.
        version: PythonVersion,
    },
    /// Its interpreter was built without the symbols that lead to its state.
    #[error("the interpreter's state cannot be located: {}", program.display())]
    NoSymbols {
        /// The interpreter's file.
        program: PathBuf,
    },
    /// The interpreter's file cannot be read.
    #[error("cannot read the interpreter's file: {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The interpreter is starting or ending.
    #[error("the interpreter is not up: {pid}")]
    NotUp {
        /// The id asked for.
        pid: u32,
    },
    /// The interpreter's state is not laid out as its version should have it.
    #[error("Python {version} is not laid out as expected")]
    UnexpectedLayout {
        /// The version.
        version: PythonVersion,
        /// What was found out.
        source: ReadError,
    },
}

const DENIED_HINT: &str = "run as the same user or as root; where /proc/sys/kernel/yama/ptrace_scope is not 0, \
     start the target under `loopscope run`, or try `sudo sysctl kernel.yama.ptrace_scope=0`; \
     in a container add `--cap-add SYS_PTRACE`";

impl AttachError {
    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Denied { .. } => Some(DENIED_HINT),
            Self::NotUp { .. } => Some("try again in a moment"),
            Self::NoSymbols { .. } => {
                Some("use an interpreter whose `_PyRuntime` symbol is not stripped")
            }
            Self::UnsupportedVersion { .. } => Some("Python 3.9 to 3.15 are supported"),
            Self::FreeThreaded { .. } => Some("use the default build of Python"),
            _ => None,
        }
    }

    /// Whether the same attempt can succeed a moment later, because an interpreter that starts can look
    /// like this. A process that is about to run Python by `exec`, or loads its libraries, can be
    /// [`Self::NotPython`] for some milliseconds as well: ask again while it is young.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::NotUp { .. } | Self::NoSymbols { .. } | Self::UnexpectedLayout { .. }
        )
    }
}

/// Why a look at a thread failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// The process is gone.
    #[error("the process is gone: {pid}")]
    Gone {
        /// Its id.
        pid: u32,
    },
    /// The pid names another process now, or the process runs another program: attach again.
    #[error("the process is not the one attached to: {pid}")]
    Replaced {
        /// Its id.
        pid: u32,
    },
    /// The kernel no longer lets this observer read the process.
    #[error("permission to read the process refused: {pid}")]
    Denied {
        /// Its id.
        pid: u32,
    },
    /// The thread's state could not be read in any of several attempts.
    #[error("the thread's state cannot be read: {tid}")]
    Unreadable {
        /// The thread.
        tid: u32,
        /// What was found at the last attempt.
        source: ReadError,
    },
}

impl SampleError {
    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Denied { .. } => Some(DENIED_HINT),
            Self::Replaced { .. } => Some("attach again"),
            _ => None,
        }
    }
}

/// Why a whole process could not be dumped. What could be read in part is no error: the dump says what
/// is missing.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The process is gone.
    #[error("the process is gone: {pid}")]
    Gone {
        /// Its id.
        pid: u32,
    },
    /// The pid names another process now, or the process runs another program: attach again.
    #[error("the process is not the one attached to: {pid}")]
    Replaced {
        /// Its id.
        pid: u32,
    },
    /// The kernel does not let this observer read the process.
    #[error("permission to read the process refused: {pid}")]
    Denied {
        /// Its id.
        pid: u32,
    },
    /// The kernel does not let this observer stop the process, though it might read it.
    #[error("permission to stop the process refused: {pid}")]
    StopDenied {
        /// Its id.
        pid: u32,
    },
    /// Another tracer (a debugger, `strace`) has the process.
    #[error("process {pid} is traced by process {tracer}")]
    Traced {
        /// Its id.
        pid: u32,
        /// The tracer's id.
        tracer: u32,
    },
    /// A process cannot stop itself and read on.
    #[error("a process cannot stop itself: {pid}")]
    OwnProcess {
        /// Its id.
        pid: u32,
    },
    /// The process could not be stopped, though that is permitted.
    #[error("process {pid} could not be stopped")]
    NotStopped {
        /// Its id.
        pid: u32,
        /// Why.
        source: io::Error,
    },
    /// No copy of the process could be made.
    #[error("no snapshot of process {pid} could be made")]
    NoSnapshot {
        /// Its id.
        pid: u32,
        /// Why.
        source: io::Error,
    },
    /// Nothing of it could be read.
    #[error("the process's state cannot be read: {pid}")]
    Unreadable {
        /// Its id.
        pid: u32,
        /// What was found.
        source: ReadError,
    },
}

impl DumpError {
    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Denied { .. } | Self::StopDenied { .. } => Some(DENIED_HINT),
            Self::Replaced { .. } => Some("attach again"),
            Self::Traced { .. }
            | Self::OwnProcess { .. }
            | Self::NotStopped { .. }
            | Self::NoSnapshot { .. } => Some("read it while it runs: `--mode live`"),
            _ => None,
        }
    }
}
