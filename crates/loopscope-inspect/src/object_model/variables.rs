//! The variables of code: their names, and their values in a frame.

use super::{Kind, ObjectReader, field};
use crate::error::{ReadError, ReadResult};
use crate::layout::VariableNames;
use crate::memory::Memory;

/// The low bits of a variable that the interpreter may use for itself, from 3.14 on.
const TAG_BITS: u64 = 7;

impl<M: Memory> ObjectReader<M> {
    /// The names of the variables that code closes over, of which there are as many as its closure has
    /// cells.
    pub(super) fn free_variables(&mut self, code: u64, count: usize) -> ReadResult<Vec<u64>> {
        self.expect_kind(code, Kind::Code, "a code object")?;
        let names = match self.layout.code.variables {
            VariableNames::Separate { free, .. } => free,
            VariableNames::Joined { names } => names,
        };
        let names = self.pointer(code, names)?;
        let mut names = self.tuple_items(names)?;
        // Free variables come last.
        match names.len().checked_sub(count) {
            Some(others) => Ok(names.split_off(others)),
            None => Err(ReadError::Unexpected {
                expected: "a code object",
                address: code,
            }),
        }
    }

    /// Whether the first argument of code is called `self`.
    pub(crate) fn is_method_code(&mut self, code: u64) -> ReadResult<bool> {
        let names = match self.layout.code.variables {
            VariableNames::Separate { locals, .. } => locals,
            VariableNames::Joined { names } => names,
        };
        let names = self.pointer(code, names)?;
        match self.tuple_item(names, 0)? {
            Some(name) => self.is_string(name, "self"),
            None => Ok(false),
        }
    }

    /// The value of a frame's first variable; `None` where it has none.
    pub(crate) fn first_variable(&mut self, frame: u64) -> ReadResult<Option<u64>> {
        let at = field(frame, self.layout.frame.locals)?;
        let value = self.pages.u64(at)? & !TAG_BITS;
        if value == 0 {
            return Ok(None);
        }
        match self.kind_of(value)? {
            Kind::Cell => self.cell_value(value),
            _ => Ok(Some(value)),
        }
    }
}
