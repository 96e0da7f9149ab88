//! What is kept of a statement: a text of fixed size in which repetitions are folded as they come.

use crate::layout::CALL_TEXT_BYTES;

/// Groups in brackets that are remembered at once; in deeper ones repetitions stay.
const MOST_OPEN: usize = 16;

/// Tokens between which a sign belongs to the number behind it.
const BEFORE_A_SIGN: &[u8] = b"(,=<>+-*/%";

/// The text so far.
pub(super) struct Kept {
    bytes: [u8; CALL_TEXT_BYTES],
    used: usize,
    /// Where the brackets that are open begin.
    open: [usize; MOST_OPEN],
    depth: usize,
}

impl Kept {
    pub(super) fn new() -> Self {
        Self {
            bytes: [0; CALL_TEXT_BYTES],
            used: 0,
            open: [0; MOST_OPEN],
            depth: 0,
        }
    }

    /// Whether no more is kept.
    pub(super) fn is_full(&self) -> bool {
        self.used == CALL_TEXT_BYTES
    }

    /// A byte of the statement.
    pub(super) fn push(&mut self, byte: u8) {
        match byte {
            b'(' => self.open_group(),
            b')' => self.close_group(),
            _ => self.put(byte),
        }
    }

    /// White space, or a comment.
    pub(super) fn space(&mut self) {
        if self.used > 0 && self.last() != Some(b' ') {
            self.put(b' ');
        }
    }

    /// A literal or a placeholder. One behind another with nothing but a comma between them is not kept.
    pub(super) fn literal(&mut self) {
        self.drop_sign();
        let before = self.text().trim_ascii_end();
        let repeats = before.strip_suffix(b",").map(<[u8]>::trim_ascii_end);
        match repeats {
            Some(rest) if rest.ends_with(b"?") => self.used = rest.len(),
            _ => self.put(b'?'),
        }
    }

    /// The text, and its length.
    pub(super) fn finish(mut self) -> ([u8; CALL_TEXT_BYTES], usize) {
        self.used = self.text().trim_ascii_end().len();
        (self.bytes, self.used)
    }

    pub(super) fn text(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }

    fn last(&self) -> Option<u8> {
        self.text().last().copied()
    }

    fn put(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.used) {
            *place = byte;
            self.used += 1;
        }
    }

    /// `-5` is a literal as a whole where nothing is subtracted.
    fn drop_sign(&mut self) {
        let text = self.text();
        let Some(before) = text.strip_suffix(b"-").or(text.strip_suffix(b"+")) else {
            return;
        };
        let before = before.trim_ascii_end();
        if before
            .last()
            .is_none_or(|last| BEFORE_A_SIGN.contains(last))
        {
            // The space before the sign stays.
            self.used -= 1;
        }
    }

    fn open_group(&mut self) {
        if let Some(place) = self.open.get_mut(self.depth) {
            *place = self.used;
        }
        self.depth += 1;
        self.put(b'(');
    }

    /// A group that is the same as the one before it, as rows of `VALUES` are, is not kept.
    fn close_group(&mut self) {
        self.put(b')');
        self.depth = self.depth.saturating_sub(1);
        let Some(start) = self.open.get(self.depth).copied() else {
            return;
        };
        let (before, group) = self.text().split_at(start.min(self.used));
        let earlier = before.trim_ascii_end().strip_suffix(b",");
        let earlier = earlier.map(<[u8]>::trim_ascii_end).unwrap_or_default();
        if !group.is_empty() && group.starts_with(b"(") && earlier.ends_with(group) {
            self.used = earlier.len();
        }
    }
}
