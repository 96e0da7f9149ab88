//! Small values: floats, truth, and the message of an exception.

use super::{Kind, ObjectReader};
use crate::error::ReadResult;
use crate::layout::fixed;
use crate::memory::Memory;

impl<M: Memory> ObjectReader<M> {
    /// The value of a `float` that is a number.
    pub(crate) fn float(&mut self, object: u64) -> ReadResult<Option<f64>> {
        self.expect_kind(object, Kind::Float, "a float")?;
        let value = f64::from_bits(self.pointer(object, fixed::FLOAT_VALUE)?);
        Ok(value.is_finite().then_some(value))
    }

    /// Whether a `bool` is true.
    pub(crate) fn truth(&mut self, object: u64) -> ReadResult<bool> {
        Ok(self.unsigned(object)? != 0)
    }

    /// The first argument of an exception, where that is a string.
    pub(crate) fn exception_message(&mut self, exception: u64) -> ReadResult<Option<String>> {
        let arguments = self.pointer(exception, fixed::EXCEPTION_ARGUMENTS)?;
        match self.tuple_item(arguments, 0)? {
            Some(first) if self.kind_of(first)? == Kind::Str => self.string(first).map(Some),
            _ => Ok(None),
        }
    }
}
