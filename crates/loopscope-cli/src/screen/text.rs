//! Text from elsewhere, made safe for a terminal.
//!
//! A report's strings come from the watched program: names, paths, messages. Printed as they are they
//! could move the cursor, change colours, set the window's title or turn the writing direction. [`Text`]
//! is neutralised where it is read, so nothing that renders can forget to.

use std::fmt::Write;

use serde::{Deserialize, Deserializer};

/// The longest text that is shown whole. A sentence with a path fits many times over.
const MAX_CHARS: usize = 2_000;

/// A string without anything that a terminal would act on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Text(String);

impl Text {
    /// Neutralises `raw`: white space becomes a space, what a terminal acts on its escape.
    pub(crate) fn new(raw: &str) -> Self {
        let mut safe = String::with_capacity(raw.len().min(MAX_CHARS));
        for (position, c) in raw.chars().enumerate() {
            if position == MAX_CHARS {
                safe.push('…');
                break;
            }
            push_safe(&mut safe, c);
        }
        Self(safe)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn push_safe(safe: &mut String, c: char) {
    match c {
        '\n' | '\r' | '\t' => safe.push(' '),
        c if is_unsafe(c) => safe.extend(c.escape_unicode()),
        c => safe.push(c),
    }
}

/// Control characters (C0, DEL, C1), what turns the writing direction, and what breaks lines.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// JSON with what a terminal acts on written as escapes, which read back as the same characters. Outside
/// of strings JSON holds no such characters but its own line breaks.
pub(crate) fn escape_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && is_unsafe(c) {
            // Writing to a string does not fail.
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Ok(Self::new(&raw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_neutralised() {
        let text = Text::new("a\u{1b}[31mred\u{7}\u{9b}2J\u{7f}\u{202e}gnp.exe\r\nb");
        assert_eq!(
            text.as_str(),
            r"a\u{1b}[31mred\u{7}\u{9b}2J\u{7f}\u{202e}gnp.exe  b"
        );
    }

    #[test]
    fn letters_of_all_scripts_are_kept() {
        assert_eq!(
            Text::new("größe 東京 עברית 🦀").as_str(),
            "größe 東京 עברית 🦀"
        );
    }

    #[test]
    fn endless_text_is_cut() {
        let text = Text::new(&"x".repeat(1_000_000));
        assert_eq!(text.as_str().chars().count(), MAX_CHARS + 1);
        assert!(text.as_str().ends_with('…'));
    }
}
