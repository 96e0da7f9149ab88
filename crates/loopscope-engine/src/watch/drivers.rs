//! What the functions on a stack say of the loop below them.
//!
//! asyncio and uvloop say themselves whether they run on a thread. Other Python loops do not; but while one
//! of them runs, the function that turns it is on the stack, and when the program has left it, it is not.
//! And where a function made the loop, runs it once and closes it, nothing happened to that loop outside of
//! the run that is seen.

use loopscope_inspect::Frame;

/// End of the file's path and last part of the function's name.
const DRIVERS: &[(&str, &str)] = &[
    ("/trio/_core/_run.py", "unrolled_run"),
    ("/curio/kernel.py", "kernel_run"),
    ("/kombu/asynchronous/hub.py", "create_loop"),
    ("/twisted/internet/base.py", "mainLoop"),
];

/// Functions that make a loop, run it once and close it: end of the file's path, and the function's whole
/// name. (`Runner.run` runs a loop as often as it is called.)
const ONE_RUN: &[(&str, &str)] = &[
    ("/asyncio/runners.py", "run"),
    ("/uvloop/__init__.py", "run"),
    ("/uvicorn/_compat.py", "asyncio_run"),
];

/// Whether the loop that runs below this stack was made for this run and lasts no longer.
pub(super) fn runs_once(frames: &[Frame]) -> bool {
    let is_one_run = |frame: &Frame| {
        let function = &*frame.function;
        ONE_RUN
            .iter()
            .any(|(file, name)| function == *name && frame.file.ends_with(file))
    };
    frames.iter().any(is_one_run)
}

/// Whether one of the known drivers is on this stack.
pub(super) fn is_driven(frames: &[Frame]) -> bool {
    frames.iter().any(|frame| {
        let function = frame.function.rsplit('.').next().unwrap_or_default();
        DRIVERS
            .iter()
            .any(|(file, name)| frame.file.ends_with(file) && function == *name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(file: &str, function: &str) -> Frame {
        Frame {
            file: file.into(),
            line: 1,
            function: function.into(),
            is_coroutine: false,
        }
    }

    #[test]
    fn a_loop_that_was_made_for_one_run_is_told_from_one_that_is_run_again_and_again() {
        let runners = "/usr/lib/python3.12/asyncio/runners.py";
        let own = frame("/srv/app.py", "run");
        let again = [frame(runners, "Runner.run"), own.clone()];
        assert!(!runs_once(&again));
        let once = [frame(runners, "Runner.run"), frame(runners, "run"), own];
        assert!(runs_once(&once));
    }
}
