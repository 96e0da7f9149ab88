//! Where the tokens of a statement begin and end.

use super::Dialect;
use super::kept::Kept;

/// What stands before a string and belongs to it: `E'…'`, `B'…'`, `X'…'`, `N'…'`.
const PREFIXES: &[u8] = b"eEbBxXnN";

/// Words behind which a name follows that differs each time.
const NAMED_ANEW: &[&[u8]] = &[b"savepoint", b"deallocate"];

/// Words behind which SQLite may take a text in double quotes for a string.
const BEFORE_STRINGS: &[&[u8]] = &[
    b"like", b"glob", b"regexp", b"match", b"values", b"is", b"not", b"when", b"then", b"else",
];

/// A statement, and how far it has been read.
pub(super) struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    dialect: Dialect,
    /// Whether more follows that is not looked at.
    is_cut: bool,
    /// The last word, until another token follows.
    word: &'a [u8],
    /// Brackets open since `VALUES` or `IN`; `None` outside.
    list_depth: Option<usize>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a [u8], dialect: Dialect, is_cut: bool) -> Self {
        Self {
            text,
            at: 0,
            dialect,
            is_cut,
            word: &[],
            list_depth: None,
        }
    }

    /// Reads it to its end.
    pub(super) fn run(mut self, kept: &mut Kept) {
        while let Some(byte) = self.peek(0) {
            if kept.is_full() {
                return;
            }
            self.token(byte, kept);
        }
        if self.is_cut {
            kept.space();
            "…".bytes().for_each(|byte| kept.push(byte));
        }
    }

    fn token(&mut self, byte: u8, kept: &mut Kept) {
        match byte {
            _ if byte.is_ascii_whitespace() => {
                self.at += 1;
                kept.space();
            }
            b'-' if self.peek(1) == Some(b'-') => self.line_comment(kept),
            b'#' if self.dialect == Dialect::Backslash => self.line_comment(kept),
            b'/' if self.peek(1) == Some(b'*') => self.block_comment(kept),
            b'\'' => self.string(byte, false, kept),
            b'"' => self.double_quoted(kept),
            b'`' => self.name(byte, kept),
            b'$' => self.dollar(kept),
            b'?' | b':' | b'@' | b'%' => self.placeholder(byte, kept),
            b'.' if self.peek(1).is_some_and(|next| next.is_ascii_digit()) => {
                // Behind a name it is no beginning of a number.
                if kept.text().last().copied().is_some_and(is_word) {
                    self.copy(1, kept);
                } else {
                    self.number(kept);
                }
            }
            b'0'..=b'9' => self.number(kept),
            _ if is_word(byte) => self.word(kept),
            _ => self.sign(byte, kept),
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn copy(&mut self, count: usize, kept: &mut Kept) {
        let end = (self.at + count).min(self.text.len());
        for byte in self.text.get(self.at..end).unwrap_or_default() {
            kept.push(*byte);
        }
        self.at = end;
    }

    fn literal(&mut self, kept: &mut Kept) {
        self.word = &[];
        kept.literal();
    }

    fn line_comment(&mut self, kept: &mut Kept) {
        let end = self.rest().iter().position(|byte| *byte == b'\n');
        self.at = end.map_or(self.text.len(), |end| self.at + end);
        kept.space();
    }

    /// They may hold each other in PostgreSQL.
    fn block_comment(&mut self, kept: &mut Kept) {
        let mut depth = 0usize;
        while let Some(byte) = self.peek(0) {
            let step = match (byte, self.peek(1)) {
                (b'/', Some(b'*')) if depth == 0 || self.dialect == Dialect::Standard => {
                    depth += 1;
                    2
                }
                (b'*', Some(b'/')) => {
                    depth -= 1;
                    2
                }
                _ => 1,
            };
            self.at += step;
            if depth == 0 {
                break;
            }
        }
        kept.space();
    }

    /// A quoted literal. One without an end goes to the end of the statement.
    fn string(&mut self, quote: u8, escapes: bool, kept: &mut Kept) {
        self.at = self.quoted_end(quote, escapes || self.dialect == Dialect::Backslash);
        self.literal(kept);
    }

    /// Behind the quote that ends what the current one begins; a doubled one stands for itself.
    fn quoted_end(&self, quote: u8, escapes: bool) -> usize {
        let mut at = self.at + 1;
        while let Some(byte) = self.text.get(at).copied() {
            let next = self.text.get(at + 1).copied();
            if byte == quote && next != Some(quote) {
                return at + 1;
            }
            let is_pair = byte == quote || (escapes && byte == b'\\');
            at += if is_pair { 2 } else { 1 };
        }
        self.text.len()
    }

    /// A quoted name, kept as it is.
    fn name(&mut self, quote: u8, kept: &mut Kept) {
        let end = self.quoted_end(quote, false);
        if is_word_of(NAMED_ANEW, self.word) {
            self.at = end;
            return self.literal(kept);
        }
        self.word = &[];
        for byte in self.text.get(self.at..end).unwrap_or_default() {
            // Brackets in a name are none.
            kept.push(if matches!(byte, b'(' | b')') {
                b'_'
            } else {
                *byte
            });
        }
        self.at = end;
    }

    fn double_quoted(&mut self, kept: &mut Kept) {
        let is_string = match self.dialect {
            Dialect::Standard => false,
            Dialect::Sqlite => self.is_where_a_value_stands(kept),
            Dialect::Backslash => true,
        };
        if is_string {
            self.string(b'"', false, kept);
        } else {
            self.name(b'"', kept);
        }
    }

    /// Whether SQLite may take what follows in double quotes for a string: where a value stands, and it is no
    /// part of a name with dots.
    fn is_where_a_value_stands(&self, kept: &Kept) -> bool {
        let end = self.quoted_end(b'"', false);
        let is_dotted = self.text.get(end) == Some(&b'.') || kept.text().ends_with(b".");
        let before = kept.text().trim_ascii_end().last().copied();
        let is_compared = before.is_some_and(|byte| b"=<>|+-*/%".contains(&byte));
        let is_listed = self.list_depth.is_some_and(|depth| depth > 0);
        !is_dotted && (is_compared || is_listed || is_word_of(BEFORE_STRINGS, self.word))
    }

    /// `$1`, `$name`, or a string between `$tag$` and `$tag$`.
    fn dollar(&mut self, kept: &mut Kept) {
        let tag = self.rest().get(1..).unwrap_or_default();
        let length = tag
            .iter()
            .take_while(|byte| is_word(**byte) && **byte != b'$');
        let length = length.count();
        let is_quote =
            tag.get(length) == Some(&b'$') && !tag.first().is_some_and(u8::is_ascii_digit);
        if !is_quote {
            self.at += 1 + length;
            return if length > 0 {
                self.literal(kept)
            } else {
                kept.push(b'$')
            };
        }
        let delimiter = self.rest().get(..length + 2).unwrap_or_default();
        let body = self.rest().get(length + 2..).unwrap_or_default();
        let end = body
            .windows(delimiter.len())
            .position(|part| part == delimiter);
        let skipped = end.map_or(self.rest().len(), |end| end + 2 * delimiter.len());
        self.at += skipped;
        self.literal(kept);
    }

    /// `?`, `?1`, `:name`, `@name`, `%s`, `%(name)s`; or a sign that looks like the beginning of one.
    fn placeholder(&mut self, byte: u8, kept: &mut Kept) {
        let next = self.peek(1);
        if byte != b'?' && next == Some(byte) {
            return self.copy(2, kept);
        }
        let length = match (byte, next) {
            (b'?', _) => Some(self.count_words(1)),
            (b'%', Some(b'(')) => self.bracketed_placeholder(),
            (b'%', Some(b's' | b'b' | b't')) if self.count_words(1) == 2 => Some(2),
            (b':' | b'@', Some(next)) if is_word(next) && !next.is_ascii_digit() => {
                Some(self.count_words(1))
            }
            (b':', Some(next)) if next.is_ascii_digit() => Some(self.count_words(1)),
            _ => None,
        };
        match length {
            Some(length) => {
                self.at += length;
                self.literal(kept);
            }
            None => self.sign(byte, kept),
        }
    }

    /// So many bytes, and the word behind them.
    fn count_words(&self, ahead: usize) -> usize {
        let behind = self.rest().get(ahead..).unwrap_or_default();
        ahead + behind.iter().take_while(|byte| is_word(**byte)).count()
    }

    fn bracketed_placeholder(&self) -> Option<usize> {
        let end = self.rest().iter().position(|byte| *byte == b')')?;
        let format = self.rest().get(end + 1)?;
        b"sbt".contains(format).then_some(end + 2)
    }

    /// A number, with everything that can be part of one.
    fn number(&mut self, kept: &mut Kept) {
        while let Some(byte) = self.peek(0) {
            let before = self.at.checked_sub(1).and_then(|at| self.text.get(at));
            let is_exponent = matches!(before, Some(b'e' | b'E')) && matches!(byte, b'+' | b'-');
            if !is_word(byte) && byte != b'.' && !is_exponent {
                break;
            }
            self.at += 1;
        }
        self.literal(kept);
    }

    fn word(&mut self, kept: &mut Kept) {
        let length = self.count_words(0);
        let word = self.rest().get(..length).unwrap_or_default();
        let behind = self.peek(length);
        if length == 1 && behind == Some(b'\'') && PREFIXES.contains(&word[0]) {
            self.at += 1;
            return self.string(b'\'', word[0].eq_ignore_ascii_case(&b'e'), kept);
        }
        if word.eq_ignore_ascii_case(b"u") && self.rest().get(1..3) == Some(b"&'") {
            self.at += 2;
            return self.string(b'\'', false, kept);
        }
        if is_word_of(NAMED_ANEW, self.word) {
            self.at += length;
            return self.literal(kept);
        }
        self.begin_list(word);
        self.word = word;
        self.copy(length, kept);
    }

    /// Follows the lists of values behind `VALUES` and `IN`.
    fn begin_list(&mut self, word: &[u8]) {
        if is_word_of(&[b"values", b"in"], word) {
            self.list_depth = Some(0);
        } else if self.list_depth == Some(0) {
            self.list_depth = None;
        }
    }

    fn sign(&mut self, byte: u8, kept: &mut Kept) {
        if let Some(depth) = &mut self.list_depth {
            match byte {
                b'(' => *depth += 1,
                b')' => *depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        self.word = &[];
        self.copy(1, kept);
    }
}

/// Part of a word: a letter, a digit, or any part of a character beyond ASCII.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn is_word_of(words: &[&[u8]], word: &[u8]) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}
