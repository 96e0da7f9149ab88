//! Text on a screen or in a pipe: width, colour, figures, and nothing that a terminal would act on.
//!
//! What all commands that print a picture share. It knows no report and no dump.

pub(crate) mod format;
mod layout;
mod text;

use std::io::{IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use terminal_size::{Width, terminal_size_of};

pub(crate) use layout::Layout;
#[cfg(test)]
pub(crate) use text::is_unsafe;
pub(crate) use text::{Text, escape_json};

/// How wide and how colourful standard output may be written.
pub(crate) fn stdout_layout() -> Layout {
    let stdout = std::io::stdout();
    let width = terminal_size_of(&stdout).map(|(Width(columns), _)| usize::from(columns));
    Layout {
        width: width.filter(|_| stdout.is_terminal()),
        colour: AutoStream::choice(&stdout) != ColorChoice::Never,
    }
}

/// Writes to standard output; `false` where nobody reads it any more. The exit code still tells the
/// status then, so a reader that leaves early, such as `head`, is no error.
pub(crate) fn print(text: &str) -> bool {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .is_ok()
}
