//! Where functions begin, also in a program without names: by the index of the tables for unwinding, `.eh_frame_hdr`,
//! as the Linux Standard Base describes it.

use super::modules::Section;

/// Version 1, a pointer and a count of four bytes each, and a table of pairs relative to the section: what every linker
/// writes.
const HEAD: [u8; 4] = [1, 0x1b, 0x03, 0x3b];

/// Where the table begins.
const TABLE: usize = 12;

/// A pair: where a function begins, and where the tables say how it is unwound.
const PAIR_BYTES: usize = 8;

/// Where the function begins in which an address is, both as the file has them. An address between two functions counts
/// with the first.
pub(super) fn begins((range, bytes): &Section, address: u64) -> Option<u64> {
    if bytes.get(..HEAD.len())? != HEAD {
        return None;
    }
    let told = number(bytes.get(HEAD.len() + 4..TABLE)?)? as u32 as usize;
    let table = bytes.get(TABLE..)?;
    let table = table.get(..told.checked_mul(PAIR_BYTES)?)?;
    let distance = address.wrapping_sub(range.start) as i64;
    let (pairs, _) = table.as_chunks::<PAIR_BYTES>();
    let begin = |pair: &[u8; PAIR_BYTES]| number(&pair[..4]).map_or(i64::MAX, i64::from);
    let behind = pairs.partition_point(|pair| begin(pair) <= distance);
    let found = begin(pairs.get(behind.checked_sub(1)?)?);
    Some(range.start.wrapping_add_signed(found))
}

fn number(bytes: &[u8]) -> Option<i32> {
    Some(i32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::native::modules::Modules;

    fn section(head: [u8; 4], told: u32, begins: &[i32]) -> Section {
        let mut bytes = head.to_vec();
        bytes.extend([0; 4]);
        bytes.extend(told.to_le_bytes());
        for begin in begins {
            bytes.extend(begin.to_le_bytes());
            bytes.extend([0; 4]);
        }
        (0x8000..0x9000, Arc::from(bytes))
    }

    #[test]
    fn an_address_belongs_to_the_function_that_begins_last_before_it() {
        let index = section(HEAD, 3, &[-0x2000, -0x1000, 0x100]);
        let of = |address| begins(&index, address);
        assert_eq!(of(0x5fff), None);
        assert_eq!((of(0x6000), of(0x6fff)), (Some(0x6000), Some(0x6000)));
        assert_eq!((of(0x7000), of(0x8200)), (Some(0x7000), Some(0x8100)));
    }

    #[test]
    fn a_table_that_is_cut_off_or_is_another_one_tells_nothing() {
        assert_eq!(begins(&section(HEAD, 4, &[0, 1, 2]), 0x8001), None);
        assert_eq!(begins(&section(HEAD, u32::MAX, &[0]), 0x8001), None);
        assert_eq!(
            begins(&section([1, 0x1b, 0x03, 0x1b], 1, &[0]), 0x8001),
            None
        );
        assert_eq!(begins(&(0x8000..0x8000, Arc::from([])), 0x8001), None);
    }

    #[test]
    fn a_function_of_this_program_begins_where_it_is_called() {
        let modules = Modules::of(std::process::id()).unwrap();
        let function = Modules::of as *const () as u64;
        assert_eq!(modules.function_at(function + 5), Some(function));
    }
}
