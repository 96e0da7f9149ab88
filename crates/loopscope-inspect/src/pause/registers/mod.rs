//! The registers of a halted thread, and the frame that leads a thread back on its own.
//!
//! Everything that knows the machine is in one file per machine below; each offers the same names.

use std::io;

use super::call_site::CallSite;
use super::tracee::{SignalSet, Tracee};

#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(not(target_arch = "x86_64"), path = "unsupported.rs")]
mod machine;

pub(super) use machine::{CALL_AND_RETURN, IS_KNOWN, Registers, SIGNAL_RETURN, WayBack, calls};

/// A system call for a thread to make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// Its number.
    pub(super) number: u64,
    /// Its first arguments.
    pub(super) arguments: [u64; 4],
    /// Whether it makes a child, which then must have a stack that ends it.
    pub(super) makes_child: bool,
}

/// What has to be known of a halted thread to lead it back.
#[derive(Debug)]
pub(super) struct Original {
    /// All that its program's instructions count on, but for the floating-point state.
    pub(super) registers: Registers,
    /// The floating-point and vector state.
    pub(super) extended: Vec<u8>,
    /// The signals that it blocks.
    pub(super) mask: SignalSet,
}

impl Original {
    pub(super) fn of(thread: Tracee) -> io::Result<Self> {
        Ok(Self {
            registers: Registers::of(thread)?,
            extended: machine::extended_state(thread)?,
            mask: thread.signal_mask()?,
        })
    }

    /// Gives the thread back what it had. The mask comes first: should we die before the registers are
    /// given back too, the way back sets both.
    pub(super) fn give_back(&self, thread: Tracee) -> io::Result<()> {
        thread.set_signal_mask(self.mask)?;
        super::checkpoint();
        self.registers.give_to(thread)
    }
}
