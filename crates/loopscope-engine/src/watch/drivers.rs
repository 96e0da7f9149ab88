//! Python loops other than asyncio's, told by the function that turns them.
//!
//! asyncio and uvloop say themselves whether they run on a thread. These do not; but while one of them
//! runs, the function that turns it is on the stack, and when the program has left it, it is not.

use loopscope_inspect::Frame;

/// End of the file's path and last part of the function's name.
const DRIVERS: &[(&str, &str)] = &[
    ("/trio/_core/_run.py", "unrolled_run"),
    ("/curio/kernel.py", "kernel_run"),
    ("/kombu/asynchronous/hub.py", "create_loop"),
    ("/twisted/internet/base.py", "mainLoop"),
];

/// Whether one of the known drivers is on this stack.
pub(super) fn is_driven(frames: &[Frame]) -> bool {
    frames.iter().any(|frame| {
        let function = frame.function.rsplit('.').next().unwrap_or_default();
        DRIVERS
            .iter()
            .any(|(file, name)| frame.file.ends_with(file) && function == *name)
    })
}
