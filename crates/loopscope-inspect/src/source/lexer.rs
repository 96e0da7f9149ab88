//! Python source as tokens, as far as finding calls needs it.
//!
//! Drops comments, literals' contents and layout; joins lines inside brackets and after a backslash.
//! It never fails: what is no valid Python gives some tokens.

use std::iter::Peekable;
use std::str::CharIndices;

/// How deep f-strings are followed into each other.
const MAX_STRING_DEPTH: usize = 16;

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'text> {
    /// A name or a keyword.
    Name(&'text str),
    /// A string literal, whatever its kind.
    Text,
    /// A number.
    Number,
    /// A bracket, a dot, a comma, or one character of any other operator.
    Mark(char),
    /// The end of a logical line.
    End,
}

/// The tokens of a text, each with its line, counted from 1.
pub(super) struct Lexer<'text> {
    text: &'text str,
    chars: Peekable<CharIndices<'text>>,
    line: u32,
    open_brackets: usize,
}

impl<'text> Lexer<'text> {
    pub(super) fn new(text: &'text str) -> Self {
        Self {
            text,
            chars: text.char_indices().peekable(),
            line: 1,
            open_brackets: 0,
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().map(|(_, character)| *character)
    }

    fn advance(&mut self) -> Option<char> {
        let (_, character) = self.chars.next()?;
        if character == '\n' {
            self.line += 1;
        }
        Some(character)
    }

    fn advance_if(&mut self, accept: impl Fn(char) -> bool) -> bool {
        let accepted = self.peek().is_some_and(accept);
        if accepted {
            self.advance();
        }
        accepted
    }

    /// A name, or the string literal that it is the prefix of.
    fn name(&mut self, start: usize) -> Token<'text> {
        while self.advance_if(is_name_char) {}
        let end = self.chars.peek().map_or(self.text.len(), |(at, _)| *at);
        let name = self.text.get(start..end).unwrap_or_default();
        match self.peek() {
            Some('"' | '\'') if is_string_prefix(name) => {
                let lower = name.to_ascii_lowercase();
                self.string(lower.contains(['f', 't']), 0);
                Token::Text
            }
            _ => Token::Name(name),
        }
    }

    fn number(&mut self) -> Token<'text> {
        while self.advance_if(|character| is_name_char(character) || character == '.') {}
        Token::Number
    }

    /// Passes a string literal from its opening quote on.
    fn string(&mut self, has_fields: bool, depth: usize) {
        let Some(quote) = self.advance() else { return };
        let is_quote = |character| character == quote;
        let is_triple = self.advance_if(is_quote) && {
            if !self.advance_if(is_quote) {
                return;
            }
            true
        };
        let mut quotes = 0;
        while let Some(character) = self.peek() {
            if character == '\n' && !is_triple {
                return;
            }
            self.advance();
            quotes = if character == quote { quotes + 1 } else { 0 };
            if quotes == 3 || quotes == 1 && !is_triple {
                return;
            }
            match character {
                '\\' => drop(self.advance()),
                '{' if has_fields && !self.advance_if(|next| next == '{') => {
                    self.field(is_triple, depth);
                }
                _ => {}
            }
        }
    }

    /// Passes a field of an f-string, from behind its opening brace to behind its closing one.
    fn field(&mut self, is_triple: bool, depth: usize) {
        let mut open = 1_usize;
        while let Some(character) = self.peek() {
            match character {
                '\n' if !is_triple => return,
                '"' | '\'' if depth < MAX_STRING_DEPTH => {
                    self.string(true, depth + 1);
                    continue;
                }
                '{' => open += 1,
                '}' => open -= 1,
                _ => {}
            }
            self.advance();
            if open == 0 {
                return;
            }
        }
    }

    fn mark(&mut self, character: char) -> Token<'text> {
        match character {
            '(' | '[' | '{' => self.open_brackets += 1,
            ')' | ']' | '}' => self.open_brackets = self.open_brackets.saturating_sub(1),
            _ => {}
        }
        Token::Mark(character)
    }
}

impl<'text> Iterator for Lexer<'text> {
    type Item = (Token<'text>, u32);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (start, character) = *self.chars.peek()?;
            let line = self.line;
            if matches!(character, '"' | '\'') {
                self.string(false, 0);
                return Some((Token::Text, line));
            }
            self.advance();
            let token = match character {
                '#' => {
                    while self.advance_if(|next| next != '\n') {}
                    continue;
                }
                '\\' => {
                    self.advance_if(|next| next == '\r');
                    self.advance_if(|next| next == '\n');
                    continue;
                }
                '\n' if self.open_brackets == 0 => Token::End,
                _ if character.is_whitespace() => continue,
                _ if character.is_ascii_digit() => self.number(),
                _ if is_name_char(character) => self.name(start),
                _ => self.mark(character),
            };
            return Some((token, line));
        }
    }
}

fn is_name_char(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

fn is_string_prefix(name: &str) -> bool {
    name.len() <= 2 && name.chars().all(|letter| "rRbBuUfFtT".contains(letter))
}
