//! Texts in the file: whole words, zero-padded, cut at a character's border.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::fence;

use crate::layout::{ERROR_TEXT_BYTES, ErrorText, checksum};

/// Stores as much of a text as fits, at a character's border, the rest zero. Returns the bytes kept.
pub(super) fn store_text(words: &[AtomicU64], text: &str) -> usize {
    let kept = head(text, words.len() * 8);
    for (index, word) in words.iter().enumerate() {
        word.store(word_at(kept.as_bytes(), index), Relaxed);
    }
    kept.len()
}

/// The end of a text that fits into so many bytes.
pub(super) fn tail(text: &str, most: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(most))..]
}

/// The beginning of a text that fits into so many bytes.
pub(super) fn head(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

impl ErrorText {
    /// Replaces the text, unless another thread is just doing so, or it says this already.
    pub(super) fn replace(&self, text: &str) {
        let words = words_of(text);
        let before = self.sequence.load(Relaxed);
        let says_this = self.checksum.load(Relaxed) == checksum(before, &words);
        if says_this || !before.is_multiple_of(2) {
            return;
        }
        let writing = before.wrapping_add(1);
        let taken = self
            .sequence
            .compare_exchange(before, writing, Acquire, Relaxed);
        if taken.is_err() {
            return;
        }
        fence(Release);
        let finished = writing.wrapping_add(1);
        for (place, word) in self.words.iter().zip(words) {
            place.store(word, Relaxed);
        }
        self.checksum.store(checksum(finished, &words), Relaxed);
        self.sequence.store(finished, Release);
    }
}

fn words_of(text: &str) -> [u64; ERROR_TEXT_BYTES / 8] {
    let kept = head(text, ERROR_TEXT_BYTES).as_bytes();
    std::array::from_fn(|index| word_at(kept, index))
}

/// The eight bytes of a text at this word, zero beyond its end.
pub(super) fn word_at(text: &[u8], index: usize) -> u64 {
    let mut bytes = [0u8; 8];
    let part = text.get(index * 8..).unwrap_or_default();
    for (to, from) in bytes.iter_mut().zip(part) {
        *to = *from;
    }
    u64::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_keeps_its_end_at_a_character() {
        assert_eq!(tail("/opt/äb", 2), "b");
        assert_eq!(tail("/opt/äb", 3), "äb");
        assert_eq!(tail("ab", 4), "ab");
    }
}
