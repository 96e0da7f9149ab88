//! Stands in on machines whose registers are not known here: no call can be made for a thread.

use std::io;

use super::{Call, CallSite, Original, Tracee};

/// Whether calls can be made for a thread of this machine.
pub(in super::super) const IS_KNOWN: bool = false;

/// Never looked for.
pub(in super::super) const CALL_AND_RETURN: &[u8] = b"\0";
/// Never looked for.
pub(in super::super) const SIGNAL_RETURN: &[u8] = b"\0";

/// Never made.
pub(in super::super) mod calls {
    use crate::pause::registers::Call;

    const NONE: Call = Call {
        number: 0,
        arguments: [0; 4],
        makes_child: false,
    };

    pub(in super::super::super) const COPY_PROCESS: Call = NONE;

    pub(in super::super::super) fn collect(_child: u64) -> Call {
        NONE
    }
}

/// Never read.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Registers(());

impl Registers {
    pub(in super::super) fn of(_thread: Tracee) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in super::super) fn give_to(&self, _thread: Tracee) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in super::super) fn is_native(&self) -> bool {
        false
    }

    pub(in super::super) fn is_in_call(&self) -> bool {
        false
    }

    pub(in super::super) fn instruction(&self) -> u64 {
        0
    }

    pub(in super::super) fn stack_and_frame(&self) -> (u64, u64) {
        (0, 0)
    }

    pub(in super::super) fn returned(&self) -> i64 {
        0
    }
}

pub(super) fn extended_state(_thread: Tracee) -> io::Result<Vec<u8>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Never made.
#[derive(Debug)]
pub(in super::super) struct WayBack {
    pub(in super::super) start: u64,
    pub(in super::super) bytes: Vec<u8>,
    home: Registers,
}

impl WayBack {
    pub(in super::super) fn new(_original: &Original, _site: CallSite) -> Option<Self> {
        None
    }

    pub(in super::super) fn home(&self) -> Registers {
        self.home
    }

    pub(in super::super) fn is_at_entry(&self, _now: &Registers) -> bool {
        false
    }

    pub(in super::super) fn detour(&self, _call: &Call) -> Registers {
        self.home
    }
}
