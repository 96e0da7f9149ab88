//! Functions, methods and what they carry: closures, bound objects, arguments.
//!
//! This is how it is told what a callback is for without calling it.

use super::{Kind, ObjectReader};
use crate::error::ReadResult;
use crate::layout::fixed;
use crate::memory::Memory;

impl<M: Memory> ObjectReader<M> {
    /// The value in a cell; `None` where it is empty.
    pub(crate) fn cell_value(&mut self, cell: u64) -> ReadResult<Option<u64>> {
        self.expect_kind(cell, Kind::Cell, "a cell")?;
        let value = self.pointer(cell, fixed::CELL_VALUE)?;
        Ok((value != 0).then_some(value))
    }

    /// What a function closes over, by variable; empty cells are left out.
    pub(crate) fn closure(&mut self, function: u64) -> ReadResult<Vec<(String, u64)>> {
        self.expect_kind(function, Kind::Function, "a function")?;
        let cells = self.pointer(function, self.layout.function.closure)?;
        if cells == 0 {
            return Ok(Vec::new());
        }
        let cells = self.tuple_items(cells)?;
        let code = self.pointer(function, self.layout.function.code)?;
        let names = self.free_variables(code, cells.len())?;
        let mut values = Vec::with_capacity(cells.len());
        for (name, cell) in names.into_iter().zip(cells) {
            if let Some(value) = self.cell_value(cell)? {
                values.push((self.string(name)?, value));
            }
        }
        Ok(values)
    }

    /// A function's qualified name.
    pub(crate) fn function_name(&mut self, function: u64) -> ReadResult<String> {
        self.expect_kind(function, Kind::Function, "a function")?;
        let name = self.pointer(function, self.layout.function.qualified_name)?;
        self.string(name)
    }

    /// The function of a bound method, and the object that it is bound to.
    pub(crate) fn bound_method(&mut self, method: u64) -> ReadResult<(u64, u64)> {
        self.expect_kind(method, Kind::Method, "a bound method")?;
        let function = self.pointer(method, fixed::METHOD_FUNCTION)?;
        Ok((function, self.pointer(method, fixed::METHOD_SELF)?))
    }

    /// The positional arguments of a `functools.partial`.
    pub(crate) fn partial_arguments(&mut self, partial: u64) -> ReadResult<Vec<u64>> {
        self.expect_kind(partial, Kind::Partial, "a partial")?;
        let arguments = self.pointer(partial, fixed::PARTIAL_ARGUMENTS)?;
        self.tuple_items(arguments)
    }
}
