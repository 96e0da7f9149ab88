//! How a status reads: as a word, and in colour.

use anstyle::{AnsiColor, Style};
use loopscope_engine::report::Status;

/// A status as a word.
pub(crate) fn word(status: Status) -> &'static str {
    match status {
        Status::Healthy => "healthy",
        Status::Degraded => "degraded",
        Status::Critical => "critical",
    }
}

/// A status's style.
pub(crate) fn style(status: Status) -> Style {
    let colour = match status {
        Status::Healthy => AnsiColor::Green,
        Status::Degraded => AnsiColor::Yellow,
        Status::Critical => AnsiColor::Red,
    };
    colour.on_default().bold()
}
