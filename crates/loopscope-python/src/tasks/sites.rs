//! What a site is told by: its place in the code, in words.
//!
//! All of this calls the interpreter, outside of the state, and happens once for each site.
#![expect(unsafe_code, reason = "takes code objects by their addresses")]

use std::ptr::NonNull;

use pyo3::ffi::PyObject;
use pyo3::types::PyAnyMethods;
use pyo3::{Bound, PyAny, Python, intern};

use super::{SiteKey, TASKS, origin};
use crate::frames::Place;
use crate::process;

/// The texts of a site.
pub(super) struct SiteTexts {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) function: String,
    pub(super) coroutine: String,
}

/// Judges the code of a frame on the way up. False where that cannot be remembered, or must not be.
#[cold]
pub(super) fn judge(py: Python<'_>, place: Place) -> bool {
    if !process::is_main_interpreter(py) {
        return false;
    }
    let code = code_object(py, place);
    let own = TASKS.with(py, |tasks| Some(tasks.own_folder.as_ref()?.clone_ref(py)));
    let own = own.flatten().and_then(|own| own.extract::<String>(py).ok());
    let is_passed_over = origin::is_passed_over(&code, &own.unwrap_or_default());
    let remembered = TASKS.with(py, |tasks| {
        let origins = tasks.origins.as_mut();
        origins.is_some_and(|origins| origins.remember(code, is_passed_over))
    });
    remembered.unwrap_or(false)
}

/// The beginning of what a task runs, with its code object kept; `None` where it runs no Python.
#[cold]
pub(super) fn place_of_coroutine(coroutine: &Bound<'_, PyAny>) -> Option<Place> {
    let py = coroutine.py();
    let code = origin::code_of(coroutine)?;
    let place = Place::begin_of(NonNull::<PyObject>::new(code.as_ptr())?);
    let is_kept = TASKS.with(py, |tasks| {
        let origins = tasks.origins.as_ref();
        origins.is_some_and(|origins| origins.knows(place))
    });
    (is_kept == Some(true) || judge(py, place)).then_some(place)
}

/// Makes the site with this key.
#[cold]
pub(super) fn make(coroutine: &Bound<'_, PyAny>, key: SiteKey) {
    let py = coroutine.py();
    let code = code_object(py, key.place);
    // Kept, so that the address in the key means the same tomorrow.
    let running = place_of_coroutine(coroutine);
    let running = running.map(|place| origin::function_of(&code_object(py, place)));
    let texts = SiteTexts {
        file: origin::text(&code, "co_filename"),
        line: line_of(&code, key.place),
        function: origin::function_of(&code),
        coroutine: running.unwrap_or_else(|| origin::text(coroutine, "__qualname__")),
    };
    TASKS.with(py, |tasks| tasks.add_site(key, &texts));
}

fn line_of(code: &Bound<'_, PyAny>, place: Place) -> u32 {
    let py = code.py();
    if place.is_begin() {
        let first = code.getattr(intern!(py, "co_firstlineno"));
        return first.and_then(|line| line.extract()).unwrap_or(0);
    }
    let walker = super::walker(py);
    // SAFETY: a frame of the running thread's stack has the code object; the walker is the only one.
    walker.map_or(0, |walker| unsafe { walker.line(place) })
}

fn code_object(py: Python<'_>, place: Place) -> Bound<'_, PyAny> {
    // SAFETY: a frame of the running thread's stack has it, or it was remembered and thereby kept, or the
    // task's coroutine has it.
    unsafe { place.code_object(py) }
}
