//! Colour, width and wrapping: how text is laid out for the place that it goes to.

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

/// Where text goes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Layout {
    /// Columns of the terminal; `None` in a pipe, where nothing is wrapped or cut.
    pub(crate) width: Option<usize>,
    /// Whether colours may be used.
    pub(crate) colour: bool,
}

impl Layout {
    /// `text` in `style`, or as it is without colour.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        if self.colour {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    /// A section's title.
    pub(crate) fn title(&self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    /// What is there for the thorough.
    pub(crate) fn dim(&self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    /// A line of text below `first`, wrapped at spaces with the following lines indented as deep.
    pub(crate) fn item(&self, first: &str, text: &str) -> String {
        self.pieces(first, " ", text.split(' '))
    }

    /// Pieces of text below `first` with `between` them, wrapped between pieces only, so that each can be
    /// copied whole.
    pub(crate) fn pieces<'a>(
        &self,
        first: &str,
        between: &str,
        pieces: impl Iterator<Item = &'a str>,
    ) -> String {
        let indent = columns(first);
        let room = self
            .width
            .map_or(usize::MAX, |width| width.saturating_sub(indent).max(20));
        let lines = wrapped(pieces, between, room).join(&format!("\n{}", " ".repeat(indent)));
        format!("{first}{lines}\n")
    }
}

/// Breaks between pieces. One that is wider than the room, such as a path, stays whole.
fn wrapped<'a>(pieces: impl Iterator<Item = &'a str>, between: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for piece in pieces {
        let Some(line) = lines.last_mut() else { break };
        let needed = columns(piece);
        if line.is_empty() {
            line.push_str(piece);
            used = needed;
        } else if used + columns(between) + needed <= room {
            line.push_str(between);
            line.push_str(piece);
            used += columns(between) + needed;
        } else {
            line.push_str(between.trim_end());
            lines.push(piece.to_owned());
            used = needed;
        }
    }
    lines
}

/// The width on a terminal: colours have none.
pub(crate) fn columns(text: &str) -> usize {
    if text.contains('\u{1b}') {
        anstream::adapter::strip_str(text).to_string().width()
    } else {
        text.width()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_on_a_terminal_and_not_in_a_pipe() {
        let text = "one two three four five six seven";
        let terminal = Layout {
            width: Some(22),
            colour: false,
        };
        assert_eq!(
            terminal.item("- ", text),
            "- one two three four\n  five six seven\n"
        );
        assert_eq!(Layout::default().item("- ", text), format!("- {text}\n"));
    }

    #[test]
    fn a_path_is_never_broken() {
        let path = "/a/very/long/path/to/the/application/module.py:31";
        assert_eq!(
            wrapped(format!("at {path} in f").split(' '), " ", 20),
            ["at", path, "in f"]
        );
    }

    #[test]
    fn a_chain_is_broken_between_its_links_and_colours_take_no_room() {
        let terminal = Layout {
            width: Some(26),
            colour: true,
        };
        let links = [
            "first (a.py:1)",
            "\u{1b}[2msecond\u{1b}[0m",
            "third (b.py:3)",
        ];
        assert_eq!(
            terminal.pieces("  ", " → ", links.into_iter()),
            "  first (a.py:1) → \u{1b}[2msecond\u{1b}[0m →\n  third (b.py:3)\n"
        );
    }

    #[test]
    fn without_colour_there_are_no_escapes() {
        assert_eq!(Layout::default().title("Loops"), "Loops");
        assert!(
            Layout {
                width: None,
                colour: true
            }
            .title("Loops")
            .contains('\u{1b}')
        );
    }
}
