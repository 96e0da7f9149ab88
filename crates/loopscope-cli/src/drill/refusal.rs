//! Why there is no drill, with the next command to try and the exit code.

/// Why there is no drill.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) what: String,
    pub(super) hint: String,
    pub(super) code: u8,
}

impl Refusal {
    pub(super) fn new(code: u8, what: impl ToString, hint: impl ToString) -> Self {
        Self {
            what: what.to_string(),
            hint: hint.to_string(),
            code,
        }
    }
}
