//! Statements without their literals, as the names of calls: `SELECT * FROM bots WHERE id = ?`.
//!
//! For adapters, before anything is written: what a statement holds of a person must never get into a
//! recording. Strings, numbers and placeholders become `?`, several in a row become one, comments go, white
//! space is folded. No parser: a tokenizer that knows where a literal begins and ends in the dialect at hand,
//! and takes out too much rather than too little. No allocation.

mod kept;
mod scan;

use crate::layout::CALL_TEXT_BYTES;
use kept::Kept;
use scan::Scan;

/// As much of a statement is looked at; what comes behind is left out.
pub const SCANNED_BYTES: usize = 16 * 1024;

/// How literals are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// By the standard and PostgreSQL: double quotes are around names, a backslash is no more than itself
    /// but in `E'…'`.
    #[default]
    Standard,
    /// SQLite: double quotes are around names, or around strings where there is no such name.
    Sqlite,
    /// MySQL: double quotes are around strings, and a backslash escapes.
    Backslash,
}

/// A statement without its literals.
#[derive(Clone, Debug)]
pub struct Statement {
    bytes: [u8; CALL_TEXT_BYTES],
    used: usize,
}

impl Statement {
    /// Takes the literals out of a statement.
    ///
    /// ```
    /// use loopscope_recorder::statement::{Dialect, Statement};
    ///
    /// let found = Statement::of("SELECT *\n FROM bots WHERE id IN (1, 2) AND name = 'Bo''b'", Dialect::Standard);
    /// assert_eq!(found.as_str(), "SELECT * FROM bots WHERE id IN (?) AND name = ?");
    /// ```
    pub fn of(text: &str, dialect: Dialect) -> Self {
        let is_cut = text.len() > SCANNED_BYTES;
        let looked_at = &text[..text.floor_char_boundary(SCANNED_BYTES)];
        let mut kept = Kept::new();
        Scan::new(looked_at.as_bytes(), dialect, is_cut).run(&mut kept);
        let (bytes, used) = kept.finish();
        Self { bytes, used }
    }

    /// Its text, no longer than the name of a call may be.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.used).unwrap_or_default();
        match std::str::from_utf8(bytes) {
            Ok(text) => text,
            // Cut in the middle of a character.
            Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
