//! Native stacks in the engine's words.

use std::sync::Arc;

use loopscope_inspect::{Flavour, NativeFrame, NativeSample, Place};

use crate::in_app::is_in_app;
use crate::observation::{Frame, Gil, InsideLoop, LoopRuntime, Sample, ThreadState};

/// What a look at a thread of native code says of the moment.
pub(super) fn sample_of(found: NativeSample, thread: ThreadState) -> Sample {
    let (inside_loop, callback) = match found.place {
        Some(Place::Polling { poll, .. }) => (InsideLoop::Yes, poll),
        Some(Place::Between { .. } | Place::HandedOver) => (InsideLoop::Between, None),
        None => (InsideLoop::Unknown, None),
    };
    Sample {
        inside_loop,
        frames: frames(&found.frames),
        task: None,
        callback,
        gil: Gil::Unknown,
        thread,
        error: None,
    }
}

/// What kind of loop runs on the thread, where one of tokio's does.
pub(super) fn runtime_of(found: &NativeSample) -> Option<LoopRuntime> {
    let flavour = match found.place? {
        Place::Polling { flavour, .. } | Place::Between { flavour } => flavour,
        Place::HandedOver => Flavour::MultiThread,
    };
    Some(match flavour {
        Flavour::MultiThread => LoopRuntime::Tokio,
        Flavour::CurrentThread => LoopRuntime::TokioCurrentThread,
    })
}

fn frames(stack: &[NativeFrame]) -> Vec<Frame> {
    let mut frames: Vec<Frame> = stack.iter().map(frame).collect();
    // What a line of the application calls is the next function inward.
    for place in 1..frames.len() {
        let callee = Arc::clone(&frames[place - 1].function);
        if is_worth_naming(&callee) && is_in_app(&frames[place]) && !is_in_app(&frames[place - 1]) {
            frames[place].calls = vec![public_name(&callee)];
        }
    }
    frames
}

/// A line that computes is inside of some iterator at most instants, which says nothing.
fn is_worth_naming(callee: &str) -> bool {
    !callee.is_empty() && !callee.starts_with("core::") && !callee.starts_with("alloc::")
}

fn frame(found: &NativeFrame) -> Frame {
    Frame {
        file: Arc::clone(&found.file),
        line: found.line,
        function: Arc::clone(&found.function),
        is_coroutine: false,
        calls: Vec::new(),
    }
}

/// A function of the standard library under the path that programs write.
fn public_name(function: &Arc<str>) -> Arc<str> {
    // The module, where it is to be found, and the type in it: debug information may have no more of the name of an
    // inlined function than its last part.
    const PRIVATE: [(&str, &str, &str); 5] = [
        ("std::thread::functions::", "std::thread::", ""),
        (
            "std::thread::join_handle::",
            "std::thread::",
            "JoinHandle::",
        ),
        ("std::sync::poison::mutex::", "std::sync::", "Mutex::"),
        ("std::sync::poison::rwlock::", "std::sync::", "RwLock::"),
        ("std::sync::poison::condvar::", "std::sync::", "Condvar::"),
    ];
    let mut known = PRIVATE.iter();
    let written = known.find_map(|(private, public, of_type)| {
        let rest = function.strip_prefix(private)?;
        let of_type = if rest.contains("::") { "" } else { of_type };
        Some(format!("{public}{of_type}{rest}").into())
    });
    written.unwrap_or_else(|| Arc::clone(function))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(function: &str, file: &str) -> NativeFrame {
        NativeFrame {
            file: file.into(),
            line: 7,
            function: function.into(),
            is_inlined: false,
        }
    }

    #[test]
    fn what_is_called_has_the_name_that_programs_write() {
        let names = [
            ("std::thread::functions::sleep", "std::thread::sleep"),
            (
                "std::sync::poison::mutex::Mutex::lock",
                "std::sync::Mutex::lock",
            ),
            ("std::sync::poison::mutex::lock", "std::sync::Mutex::lock"),
            (
                "std::sync::mpsc::Receiver::recv",
                "std::sync::mpsc::Receiver::recv",
            ),
        ];
        for (private, written) in names {
            assert_eq!(&*public_name(&private.into()), written);
        }
    }

    #[test]
    fn a_line_of_the_application_names_what_it_calls() {
        let std = "/rustc/59807616e/library/std/src/thread/functions.rs";
        let stack = [
            native("clock_nanosleep", ""),
            native("std::thread::functions::sleep", std),
            native("app::nap", "/srv/app/src/main.rs"),
            native("app::serve", "/srv/app/src/main.rs"),
        ];
        let frames = frames(&stack);
        let calls: Vec<&[Arc<str>]> = frames.iter().map(|frame| frame.calls.as_slice()).collect();
        assert_eq!(calls[2], ["std::thread::sleep".into()]);
        assert!(calls[0].is_empty() && calls[1].is_empty() && calls[3].is_empty());
    }
}
