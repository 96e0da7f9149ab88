//! Who holds the interpreter's lock.

use crate::error::ReadResult;
use crate::layout::GilLayout;
use crate::memory::Memory;
use crate::object_model::ObjectReader;

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
}
