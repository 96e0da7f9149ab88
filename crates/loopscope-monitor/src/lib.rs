//! Watches the process that it is loaded into, for programs that call `loopscope.install()`, in Python or in Rust.
//!
//! The observer of library mode: the same engine and the same server as under `loopscope run`, on native
//! threads of the watched process itself. It reads the process as it would read any other, by its recording,
//! `/proc` and `process_vm_readv`; so it works while every loop is blocked and while C code holds the
//! interpreter's lock. For Python, the module is `loopscope._monitor`, and the package around it decides when; for
//! Rust, the crate `loopscope` does.
//!
//! What its threads must never do: wait for the interpreter's lock or touch an object of Python's, take a
//! signal that is meant for the program, share a file descriptor with it, read its environment, or keep it
//! from ending.

mod isolation;
mod monitor;
#[cfg(feature = "python")]
mod python;

#[cfg(feature = "python")]
use std::panic::set_hook;

#[cfg(feature = "python")]
use pyo3::prelude::*;

pub use monitor::{Monitor, Settings, Starting};

/// The module.
#[cfg(feature = "python")]
#[pymodule]
mod _monitor {
    #[pymodule_export]
    use crate::python::{Monitor, own_address};

    use super::*;

    #[pymodule_init]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        // Our own copy of the standard library: the hook is nobody else's. Nothing prints into the program.
        set_hook(Box::new(|_| {}));
        Ok(())
    }
}
