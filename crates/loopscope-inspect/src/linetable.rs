//! From an instruction's place in its code to a source line, in each of the three encodings.
//!
//! Pure functions over the bytes of a code object's line table. Offsets are in bytes from the first
//! instruction. `None` means that the compiler gave the instruction no line, or that the table ends
//! before it; a line outside 32 bits, which only garbage has, is `None` as well.

use crate::layout::LineFormat;

/// The line of the instruction at `offset`.
pub(crate) fn line_at(
    format: LineFormat,
    table: &[u8],
    first_line: u32,
    offset: u64,
) -> Option<u32> {
    let first_line = i64::from(first_line);
    let line = match format {
        LineFormat::Lnotab => line_in_lnotab(table, first_line, offset),
        LineFormat::Pairs => line_in_pairs(table, first_line, offset),
        LineFormat::Locations => line_in_locations(table, first_line, offset),
    };
    line.and_then(|line| u32::try_from(line).ok())
}

/// 3.9: pairs of "so many bytes further, so many lines further". The line holds until a pair begins
/// behind the offset; the last one holds to the end.
fn line_in_lnotab(table: &[u8], first_line: i64, offset: u64) -> Option<i64> {
    let mut start = 0_u64;
    let mut line = first_line;
    for [bytes, lines] in table.as_chunks().0 {
        start += u64::from(*bytes);
        if start > offset {
            break;
        }
        line += i64::from(lines.cast_signed());
    }
    Some(line)
}

/// 3.10: pairs of "so many lines further, for so many bytes"; the lowest line step means no line.
fn line_in_pairs(table: &[u8], first_line: i64, offset: u64) -> Option<i64> {
    let mut end = 0_u64;
    let mut line = first_line;
    for [bytes, lines] in table.as_chunks().0 {
        end += u64::from(*bytes);
        let step = lines.cast_signed();
        if step != i8::MIN {
            line += i64::from(step);
        }
        if offset < end {
            return (step != i8::MIN).then_some(line);
        }
    }
    None
}

/// From 3.11 on: entries of a head byte (top bit set, four bits of kind, three bits of length in code
/// units) and data by kind.
fn line_in_locations(table: &[u8], first_line: i64, offset: u64) -> Option<i64> {
    let mut bytes = table.iter().copied();
    let mut end = 0_u64;
    let mut line = first_line;
    while let Some(head) = bytes.next() {
        let kind = head >> 3 & 15;
        end += 2 * (u64::from(head & 7) + 1);
        line += line_step(kind, &mut bytes);
        if offset < end {
            return (kind != KIND_NONE).then_some(line);
        }
    }
    None
}

const KIND_SHORT_LAST: u8 = 9;
const KIND_ONE_LINE_FIRST: u8 = 10;
const KIND_ONE_LINE_LAST: u8 = 12;
const KIND_NO_COLUMNS: u8 = 13;
const KIND_LONG: u8 = 14;
const KIND_NONE: u8 = 15;

/// Takes an entry's data; returns by how much its line differs from the one before.
fn line_step(kind: u8, bytes: &mut impl Iterator<Item = u8>) -> i64 {
    match kind {
        // One byte of columns.
        0..=KIND_SHORT_LAST => {
            bytes.next();
            0
        }
        // Two bytes of columns; the step is the kind's own.
        KIND_ONE_LINE_FIRST..=KIND_ONE_LINE_LAST => {
            bytes.next();
            bytes.next();
            i64::from(kind - KIND_ONE_LINE_FIRST)
        }
        KIND_NO_COLUMNS => signed_varint(bytes),
        // The step, then end line, column and end column.
        KIND_LONG => {
            let step = signed_varint(bytes);
            for _ in 0..3 {
                varint(bytes);
            }
            step
        }
        _ => 0,
    }
}

/// Six bits a byte, lowest first; the seventh says that another byte follows.
fn varint(bytes: &mut impl Iterator<Item = u8>) -> u32 {
    let mut value = 0_u32;
    let mut shift = 0;
    for byte in bytes {
        if shift < u32::BITS {
            value |= u32::from(byte & 63) << shift;
        }
        shift += 6;
        if byte & 64 == 0 {
            break;
        }
    }
    value
}

/// The lowest bit is the sign.
fn signed_varint(bytes: &mut impl Iterator<Item = u8>) -> i64 {
    let value = varint(bytes);
    let magnitude = i64::from(value >> 1);
    if value & 1 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

#[cfg(test)]
mod tests;
