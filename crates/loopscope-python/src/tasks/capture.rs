//! What is told of an exception: its type, its message, and where it came from.
//!
//! At a task's death this runs no Python code: a program's own `__str__` could do anything, and the exception
//! may be one that somebody is about to handle. Where nobody took it, asyncio itself will turn it into text,
//! and then so do we.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use pyo3::exceptions::PyBaseException;
use pyo3::types::{
    PyAnyMethods, PyBool, PyBytes, PyFloat, PyInt, PyString, PyStringMethods, PyTraceback, PyTuple,
    PyTupleMethods, PyType, PyTypeMethods,
};
use pyo3::{Bound, Py, PyAny, PyTypeInfo, Python};

use loopscope_recorder::writer::FactFrame;

use super::origin::{function_of, text};
use crate::frames::{Place, Walker};

/// Frames kept from the inner end of a deep stack, and from its outer end.
const INNER_FRAMES: usize = 24;
const OUTER_FRAMES: usize = 4;

/// Frames that are walked before giving up on the inner end: twice Python's own default for recursion.
const MOST_FRAMES: usize = 2048;

/// An exception, told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) error_type: String,
    pub(crate) message: String,
    pub(crate) frames: Vec<Frame>,
}

/// A frame, innermost first in [`Told::frames`].
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    file: String,
    line: u32,
    function: String,
}

/// The files of this package that stand between a tracked call and its caller.
const OWN_FILES: [&str; 3] = [
    "/loopscope/_calls.py",
    "/loopscope/_clients/",
    "/loopscope/_databases/",
];

/// Frames of an exception that are kept where those of its callers are told too.
const FRAMES_BEFORE_CALLERS: usize = 6;

/// Frames of installed packages that are told, where there are so many that the program's own might find no
/// room behind them.
const FOREIGN_FRAMES: usize = 3;
const MANY_FRAMES: usize = 8;

impl Frame {
    fn is_own(&self) -> bool {
        is_own_file(&self.file)
    }

    fn is_of_package(&self) -> bool {
        let folders = ["/site-packages/", "/dist-packages/"];
        folders.iter().any(|folder| self.file.contains(folder))
    }
}

/// Whether a file is one of this package that stand between a call and its caller.
pub(crate) fn is_own_file(file: &str) -> bool {
    OWN_FILES.iter().any(|own| file.contains(own))
}

/// How much may be run to get at a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Nothing that is written in Python.
    Safe,
    /// The exception's own `__str__`.
    Full,
}

impl Told {
    /// `traceback` is where the exception came from, if that is not yet written in the exception itself.
    pub(crate) fn of(
        exception: &Bound<'_, PyAny>,
        traceback: Option<&Bound<'_, PyTraceback>>,
        effort: Effort,
    ) -> Self {
        let traceback = traceback.map(|known| known.clone().into_any());
        Self {
            error_type: type_name(exception),
            message: message(exception, effort),
            frames: frames(traceback.or_else(|| exception.getattr("__traceback__").ok())),
        }
    }

    /// No exception, but who is calling.
    pub(crate) fn of_callers(py: Python<'_>) -> Self {
        Callers::now(py, INNER_FRAMES).told(py)
    }

    /// Adds who is calling, as far as an exception that is still on its way has not got there.
    pub(crate) fn add_callers(&mut self, py: Python<'_>) {
        self.frames.truncate(FRAMES_BEFORE_CALLERS);
        self.frames.extend(Self::of_callers(py).frames);
        self.frames.truncate(INNER_FRAMES);
    }

    /// The frames as the recording takes them.
    pub(crate) fn fact_frames(&self) -> Vec<FactFrame<'_>> {
        let frames = self.frames.iter().map(|frame| FactFrame {
            file: &frame.file,
            line: frame.line,
            function: &frame.function,
        });
        frames.collect()
    }
}

/// Who is calling, kept to be told later, if at all.
pub(crate) struct Callers {
    walker: Walker,
    /// Each place with its code object, which is kept for it.
    places: Vec<(Py<PyAny>, Place)>,
}

impl Callers {
    /// The innermost frames of the running thread.
    pub(crate) fn now(py: Python<'_>, most: usize) -> Self {
        let mut places = Vec::new();
        let walker = super::walker(py).unwrap_or_else(|| Walker::new(py));
        walker.walk(py, |place| {
            places.push((code_of(py, place), place));
            if places.len() < most {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        Self { walker, places }
    }

    /// Puts them into words.
    pub(crate) fn told(&self, py: Python<'_>) -> Told {
        let frames = self.places.iter();
        let frames = frames.map(|(code, place)| caller(code.bind(py), &self.walker, *place));
        let frames: Vec<Frame> = frames.filter(|frame| !frame.is_own()).collect();
        Told {
            frames: with_room_for_the_program(frames),
            ..Told::default()
        }
    }
}

/// Leaves out what is in the middle of a way through many packages: the ends of it say enough.
fn with_room_for_the_program(frames: Vec<Frame>) -> Vec<Frame> {
    if frames.len() <= MANY_FRAMES {
        return frames;
    }
    let asked_by_program: Vec<bool> = frames
        .iter()
        .skip(1)
        .map(|next| !next.is_of_package())
        .chain([true])
        .collect();
    let mut foreign = 0;
    let mut is_told = |(frame, is_asked): &(Frame, bool)| {
        foreign += usize::from(frame.is_of_package());
        !frame.is_of_package() || *is_asked || foreign <= FOREIGN_FRAMES
    };
    let pairs = frames.into_iter().zip(asked_by_program);
    pairs
        .filter(|pair| is_told(pair))
        .map(|(frame, _)| frame)
        .collect()
}

/// `module.Type`; without the module for built-in ones.
pub(crate) fn type_name(exception: &Bound<'_, PyAny>) -> String {
    let kind = exception.get_type();
    let name = text(&kind, "__qualname__");
    match text(&kind, "__module__").as_str() {
        "" | "builtins" => name,
        module => format!("{module}.{name}"),
    }
}

fn message(exception: &Bound<'_, PyAny>, effort: Effort) -> String {
    if effort == Effort::Full || is_plain(exception) {
        return exception
            .str()
            .map(|text| text.to_string_lossy().into_owned())
            .unwrap_or_default();
    }
    let first = exception.getattr("args").and_then(|args| args.get_item(0));
    let first = first
        .ok()
        .filter(|first| first.is_exact_instance_of::<PyString>());
    first
        .and_then(|first| first.extract().ok())
        .unwrap_or_default()
}

/// Whether nothing written in Python runs when this exception is turned into text.
fn is_plain(exception: &Bound<'_, PyAny>) -> bool {
    let py = exception.py();
    let (Some(own), Some(in_c)) = (
        kind_of_str(&exception.get_type()),
        kind_of_str(&PyBaseException::type_object(py)),
    ) else {
        return false;
    };
    own.is(&in_c) && are_args_plain(exception) && is_file_name_plain(exception)
}

fn kind_of_str<'py>(kind: &Bound<'py, PyType>) -> Option<Bound<'py, PyType>> {
    Some(kind.getattr("__str__").ok()?.get_type())
}

fn are_args_plain(exception: &Bound<'_, PyAny>) -> bool {
    let args = exception.getattr("args");
    let Ok(args) = args.and_then(|args| Ok(args.cast_into::<PyTuple>()?)) else {
        return false;
    };
    // A group's second argument are its members, which its text only counts.
    let counted = if is_group(exception) { 1 } else { usize::MAX };
    args.iter().take(counted).all(|arg| is_value_plain(&arg))
}

fn is_group(exception: &Bound<'_, PyAny>) -> bool {
    let mro = exception.get_type().mro();
    mro.iter()
        .any(|kind| text(&kind, "__name__") == "BaseExceptionGroup")
}

/// An error of the system shows its file's name, which may be any object.
fn is_file_name_plain(exception: &Bound<'_, PyAny>) -> bool {
    let is_of_system = exception.is_instance_of::<pyo3::exceptions::PyOSError>();
    let names = ["filename", "filename2"].map(|name| exception.getattr(name));
    !is_of_system || names.iter().flatten().all(is_value_plain)
}

fn is_value_plain(value: &Bound<'_, PyAny>) -> bool {
    value.is_none()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyBytes>()
}

/// The frames that the exception went through, innermost first; both ends of a deep stack.
fn frames(mut next: Option<Bound<'_, PyAny>>) -> Vec<Frame> {
    let mut outer = Vec::new();
    let mut inner = VecDeque::new();
    for _ in 0..MOST_FRAMES {
        let Some(traceback) = next.filter(|traceback| !traceback.is_none()) else {
            break;
        };
        next = traceback.getattr("tb_next").ok();
        if outer.len() < OUTER_FRAMES {
            outer.push(traceback);
            continue;
        }
        if inner.len() == INNER_FRAMES {
            inner.pop_front();
        }
        inner.push_back(traceback);
    }
    let innermost_first = inner.iter().rev().chain(outer.iter().rev());
    let frames = innermost_first.filter_map(frame);
    frames.filter(|frame| !frame.is_own()).collect()
}

fn frame(traceback: &Bound<'_, PyAny>) -> Option<Frame> {
    let code = traceback.getattr("tb_frame").ok()?.getattr("f_code").ok()?;
    let line = traceback
        .getattr("tb_lineno")
        .and_then(|line| line.extract());
    Some(Frame {
        file: text(&code, "co_filename"),
        line: line.unwrap_or(0),
        function: function_of(&code),
    })
}

#[expect(unsafe_code, reason = "the place is on the stack")]
fn code_of(py: Python<'_>, place: Place) -> Py<PyAny> {
    // SAFETY: a frame of the running thread's stack has the code object.
    unsafe { place.code_object(py) }.unbind()
}

#[expect(unsafe_code, reason = "the place's code object is kept")]
fn caller(code: &Bound<'_, PyAny>, walker: &Walker, place: Place) -> Frame {
    Frame {
        file: text(code, "co_filename"),
        // SAFETY: the place's code object lives; the walker found it.
        line: unsafe { walker.line(place) },
        function: function_of(code),
    }
}

/// The name of a task, by the C implementation's own method: a subclass may have one of its own.
pub(crate) fn task_name(task: &Bound<'_, PyAny>, get_name: Option<&Bound<'_, PyAny>>) -> String {
    let name = get_name.and_then(|get_name| get_name.call1((task,)).ok());
    name.and_then(|name| name.extract().ok())
        .unwrap_or_default()
}
