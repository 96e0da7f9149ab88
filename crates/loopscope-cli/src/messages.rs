//! What the program says of itself: to stderr, each line marked as ours, so that a target's own output
//! stays its own.

use std::io::Write;

/// Says one line.
pub(crate) fn say(line: &str) {
    // A closed stderr is no reason to end anything.
    let _ = writeln!(anstream::stderr(), "loopscope: {line}");
}

/// Says what went wrong and the next step.
pub(crate) fn complain(what: &str, hint: &str) {
    say(what);
    say(&format!("hint: {hint}"));
}
