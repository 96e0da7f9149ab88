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
        let indent = first.width();
        let room = self
            .width
            .map_or(usize::MAX, |width| width.saturating_sub(indent).max(20));
        let lines = wrapped(text, room).join(&format!("\n{}", " ".repeat(indent)));
        format!("{first}{lines}\n")
    }
}

/// Breaks `text` at spaces. A word that is wider than the room, such as a path, stays whole, so that it
/// can be copied.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.width() + 1 + word.width() <= room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
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
            wrapped(&format!("at {path} in f"), 20),
            ["at", path, "in f"]
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
