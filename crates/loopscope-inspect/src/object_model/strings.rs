//! `str` objects.

use super::{Kind, ObjectReader, bounded, field};
use crate::error::{ReadError, ReadResult};
use crate::memory::Memory;

/// The longest string that is read, in characters. Names and paths are far shorter.
const MAX_STRING_CHARS: usize = 16_384;

/// How a string's characters are stored, from the bits of `state`: two of interning, three of the
/// width of a character, one each for "characters follow the header" and "only ASCII".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Storage {
    char_bytes: usize,
    is_ascii: bool,
}

impl Storage {
    fn from_state(state: u32) -> Option<Self> {
        let char_bytes = (state >> 2 & 7) as usize;
        let is_compact = state & 1 << 5 != 0;
        let is_ascii = state & 1 << 6 != 0;
        (is_compact && matches!(char_bytes, 1 | 2 | 4)).then_some(Self {
            char_bytes,
            is_ascii,
        })
    }
}

impl<M: Memory> ObjectReader<M> {
    /// The text of a `str`. Characters that are no Unicode scalar values come out as U+FFFD.
    pub(crate) fn string(&mut self, object: u64) -> ReadResult<String> {
        self.expect_kind(object, Kind::Str, "a string")?;
        let layout = self.layout.string;
        let length = self.pointer(object, layout.length)?;
        let length = bounded(
            length,
            MAX_STRING_CHARS,
            "a string of a plausible length",
            object,
        )?;
        let storage = self.storage(object)?;
        let data = if storage.is_ascii {
            layout.ascii_data
        } else {
            layout.compact_data
        };
        let bytes = self
            .pages
            .bytes(field(object, data)?, length * storage.char_bytes)?;
        match storage.is_ascii {
            true => Ok(String::from_utf8(bytes)
                .unwrap_or_else(|error| decode(error.as_bytes(), storage.char_bytes))),
            false => Ok(decode(&bytes, storage.char_bytes)),
        }
    }

    /// Whether an object is a string with this text, which must be ASCII.
    pub(crate) fn is_string(&mut self, object: u64, text: &str) -> ReadResult<bool> {
        if self.type_of(object)?.kind != Kind::Str {
            return Ok(false);
        }
        let layout = self.layout.string;
        if self.pointer(object, layout.length)? != text.len() as u64
            || !self.storage(object)?.is_ascii
        {
            return Ok(false);
        }
        let bytes = self
            .pages
            .bytes(field(object, layout.ascii_data)?, text.len())?;
        Ok(bytes == text.as_bytes())
    }

    fn storage(&mut self, object: u64) -> ReadResult<Storage> {
        let state = self.word(object, self.layout.string.state)?;
        Storage::from_state(state).ok_or(ReadError::Unexpected {
            expected: "a compact string",
            address: object,
        })
    }
}

fn decode(bytes: &[u8], char_bytes: usize) -> String {
    let scalar = |code: u32| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    match char_bytes {
        1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
        2 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|unit| scalar(u16::from_le_bytes(*unit).into()))
            .collect(),
        _ => bytes
            .as_chunks()
            .0
            .iter()
            .map(|unit| scalar(u32::from_le_bytes(*unit)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_width_of_characters_is_decoded() {
        assert_eq!(decode(b"caf\xe9", 1), "café");
        assert_eq!(decode(&[0x2d, 0x4e, 0x41, 0x00], 2), "中A");
        assert_eq!(decode(&[0x00, 0xf4, 0x01, 0x00], 4), "\u{1f400}");
    }

    #[test]
    fn a_lone_surrogate_becomes_a_replacement_character() {
        assert_eq!(decode(&[0x00, 0xd8], 2), "\u{fffd}");
    }

    #[test]
    fn a_string_that_is_not_compact_has_no_storage() {
        assert_eq!(Storage::from_state(0b000_0100), None);
        assert_eq!(
            Storage::from_state(0b010_1100),
            None,
            "three bytes a character"
        );
        assert_eq!(
            Storage::from_state(0b110_0101),
            Some(Storage {
                char_bytes: 1,
                is_ascii: true
            })
        );
    }
}
