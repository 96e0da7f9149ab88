//! `int` objects.

use super::{Kind, ObjectReader};
use crate::error::{ReadError, ReadResult};
use crate::layout::IntSize;
use crate::memory::Memory;

/// `lv_tag`, or `ob_size` before 3.12.
const SIZE: u64 = 16;

/// The first digit.
const DIGITS: u64 = 24;

/// Bits of a digit, on every 64-bit platform.
const DIGIT_BITS: u32 = 30;

/// Digits that are read: enough for any 64-bit value.
const MAX_DIGITS: u64 = 3;

impl<M: Memory> ObjectReader<M> {
    /// The value of an `int` that is not negative and fits.
    pub(crate) fn unsigned(&mut self, object: u64) -> ReadResult<u64> {
        let unexpected = ReadError::Unexpected {
            expected: "an integer of 64 bits or less",
            address: object,
        };
        self.expect_kind(object, Kind::Int, "an integer")?;
        let size = self.pointer(object, SIZE)?;
        let (digits, is_negative) = match self.layout.int {
            IntSize::Signed => (size.cast_signed().unsigned_abs(), size.cast_signed() < 0),
            IntSize::Tagged => (size >> 3, size & 3 == 2),
        };
        // Zero has no digit before 3.12 and a sign of its own, 1, after; both give an empty sum.
        if is_negative || digits > MAX_DIGITS {
            return Err(unexpected);
        }
        let mut value: u128 = 0;
        for digit in (0..digits).rev() {
            value = value << DIGIT_BITS | u128::from(self.word(object, DIGITS + 4 * digit)?);
        }
        u64::try_from(value).map_err(|_| unexpected)
    }
}
