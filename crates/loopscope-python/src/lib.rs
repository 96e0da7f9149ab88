//! The Python agent: what a Python process's tasks and calls do, written into its recording.
//!
//! First step of the data's way, beside the pulse: it runs inside the observed process, stores numbers and
//! facts, and judges nothing. The module is `loopscope._native`; the Python package around it decides when
//! what is watched.
//!
//! What it must never do: raise into the program, print, change a result, an exception or a task, wait with
//! the interpreter's lock held, or write into another process's recording.

mod api;
mod calls;
mod collector;
mod coverage;
mod databases;
mod errors;
mod executors;
mod frames;
mod gil;
mod hash;
mod process;
mod pulse;
mod slots;
mod symbols;
mod tasks;
mod turn;

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

use pyo3::prelude::*;

/// Runs what may fail. Nothing unwinds into the interpreter.
#[inline]
pub(crate) fn quietly(work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        coverage::count_fault();
    }
}

/// The module.
#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::api::{
        begin, count_fault, quicken_registry, watch_calls, watch_collector, watch_executors,
        watch_handler, watch_tasks,
    };
    #[pymodule_export]
    use crate::calls::library::track_library;
    #[pymodule_export]
    use crate::calls::running::{CallSite, RunningCall};
    #[pymodule_export]
    use crate::collector::collector_callback;
    #[pymodule_export]
    use crate::databases::{
        Driver, PoolSite, PyMoment, moment, take_closing, watch_builtin, watch_closing,
        watch_function, without_literals,
    };
    #[pymodule_export]
    use crate::executors::{ExecutorSite, Piece};
    #[pymodule_export]
    use crate::pulse::{hook, load_pulse, note_turn, refusal, unhook};
    #[pymodule_export(name = "VERSION")]
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    use super::*;

    #[pymodule_init]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        // Our own copy of the standard library: the hook is nobody else's.
        set_hook(Box::new(|_| {}));
        Ok(())
    }
}
