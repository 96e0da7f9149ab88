//! What a fixture says of itself, a JSON object a line. See `fixtures/declare.py`.

use serde::Deserialize;

/// One line of a fixture's stdout.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Line {
    /// A stall that is over.
    Stall(Declared),
    /// A turn that was meant to be short and was not.
    Slip(Slip),
    /// The program is set up.
    Ready(Ready),
    /// Anything else that it had to say.
    Other(serde_json::Value),
}

/// A stall that happened, as its program measured it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Declared {
    /// Its name within the fixture.
    pub(crate) stall: String,
    /// When it began, monotonic.
    pub(crate) start_monotonic: f64,
    /// When it ended, monotonic.
    pub(crate) end_monotonic: f64,
    /// For how much of it the thread was ready to run and got no processor, by the kernel's account.
    #[serde(default)]
    pub(crate) waited_seconds: f64,
    /// The source file to blame.
    pub(crate) file: String,
    /// The lines to blame, any of them; empty where no line is.
    pub(crate) lines: Vec<u32>,
    /// The function to blame; empty where none is.
    pub(crate) function: String,
    /// The process whose loop stalled.
    pub(crate) pid: u32,
    /// The thread whose loop stalled.
    pub(crate) thread_id: u32,
}

impl Declared {
    /// How long it lasted.
    pub(crate) fn seconds(&self) -> f64 {
        self.end_monotonic - self.start_monotonic
    }

    /// Whether the machine, not the code, made up so much of it that calling it starved is right, too.
    /// Loopscope draws that line at a quarter; a reading on either side of it proves neither.
    pub(crate) fn is_nearly_starved(&self) -> bool {
        self.waited_seconds > 0.2 * self.seconds()
    }
}

/// A turn that the machine, not the program, made long.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Slip {
    /// What was under way.
    #[expect(
        dead_code,
        reason = "it tells this line from the others and is shown by Debug"
    )]
    pub(crate) slip: String,
    /// When it began, monotonic.
    pub(crate) start_monotonic: f64,
    /// When it ended, monotonic.
    pub(crate) end_monotonic: f64,
}

/// The program is set up.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Ready {
    /// Always true.
    #[expect(
        dead_code,
        reason = "it tells this line from the others and is shown by Debug"
    )]
    pub(crate) ready: bool,
    /// The process that says so.
    pub(crate) pid: u32,
}

/// Reads one line. A line that is not JSON is kept as a string: the target may print what it likes.
pub(crate) fn parse(line: &str) -> Line {
    serde_json::from_str(line).unwrap_or_else(|_| Line::Other(line.into()))
}
