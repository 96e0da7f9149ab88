//! Who holds the interpreter's lock.

use std::ops::Range;

use crate::error::ReadResult;
use crate::layout::GilLayout;
use crate::memory::Memory;
use crate::object_model::ObjectReader;

/// The size of `struct _gil_runtime_state`, with room for a C library whose conditions and mutexes are
/// larger than glibc's; with those it takes 208 bytes. Up to 3.11 it stands right before the word that says
/// who holds it, and no other lock is near.
const GIL_BYTES: u64 = 256;

impl<M: Memory> ObjectReader<M> {
    /// The thread state that holds the lock of an interpreter; `None` where nobody does.
    pub(crate) fn gil_holder(&mut self, runtime: u64, interpreter: u64) -> ReadResult<Option<u64>> {
        let holder = match self.layout.gil {
            GilLayout::RuntimePointer { current } => self.pointer(runtime, current)?,
            GilLayout::InterpreterLock {
                gil,
                last_holder,
                locked,
            } => {
                let gil = self.pointer(interpreter, gil)?;
                // -1 stands for a lock that was never made.
                match self.word(gil, locked)? {
                    1 => self.pointer(gil, last_holder)?,
                    _ => 0,
                }
            }
        };
        Ok((holder != 0).then_some(holder))
    }

    /// The memory that the lock of an interpreter lies in. A thread that waits for it sleeps at an address
    /// in there, and at that of no other lock.
    pub(crate) fn gil_memory(&mut self, runtime: u64, interpreter: u64) -> ReadResult<Range<u64>> {
        Ok(match self.layout.gil {
            GilLayout::RuntimePointer { current } => {
                let end = runtime.saturating_add(current);
                end.saturating_sub(GIL_BYTES)..end
            }
            GilLayout::InterpreterLock { gil, .. } => {
                let gil = self.pointer(interpreter, gil)?;
                gil..gil.saturating_add(GIL_BYTES)
            }
        })
    }
}
