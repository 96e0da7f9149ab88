//! A task's state, read where the C implementation has it.
//!
//! The offsets are found by trying: futures in known states differ in known fields. Where that does not give
//! one place for each, the attributes are asked.
#![expect(unsafe_code, reason = "reads fields of C futures")]

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use pyo3::ffi;
use pyo3::types::PyAnyMethods;
use pyo3::{Bound, PyAny, PyResult, intern};

/// Where the state and the exception stand; 0 where that is not known.
static STATE: AtomicUsize = AtomicUsize::new(0);
static EXCEPTION: AtomicUsize = AtomicUsize::new(0);

/// Where a coroutine of this type has its code object; 0 where that is not known.
static COROUTINE_TYPE: AtomicUsize = AtomicUsize::new(0);
static CODE: AtomicUsize = AtomicUsize::new(0);

/// The low bits of a pointer to a code object that the interpreter may use for itself.
const TAG_BITS: usize = 7;

/// What an object begins with: its count and its type.
const HEAD_BYTES: usize = 16;

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Cancelled,
    Returned,
    Failed,
}

/// Futures in known states, and a coroutine that has begun.
pub(crate) struct Samples<'py> {
    pub(crate) pending: Bound<'py, PyAny>,
    pub(crate) cancelled: Bound<'py, PyAny>,
    pub(crate) returned: Bound<'py, PyAny>,
    pub(crate) failed: Bound<'py, PyAny>,
    pub(crate) exception: Bound<'py, PyAny>,
    pub(crate) coroutine: Bound<'py, PyAny>,
}

/// Finds the offsets.
pub(crate) fn calibrate(samples: &Samples<'_>) -> PyResult<()> {
    calibrate_coroutine(&samples.coroutine)?;
    let size = size_of_objects(&samples.pending)?;
    let states = (HEAD_BYTES..size.saturating_sub(3))
        .step_by(4)
        .filter(|offset| {
            let read = |future: &Bound<'_, PyAny>| {
                // SAFETY: inside the object, by its size.
                unsafe { field::<i32>(future, *offset) }
            };
            read(&samples.pending) == 0
                && read(&samples.cancelled) == 1
                && read(&samples.returned) == 2
                && read(&samples.failed) == 2
        });
    let exceptions = words_of(size).filter(|offset| {
        let read = |future: &Bound<'_, PyAny>| {
            // SAFETY: inside the object, by its size.
            unsafe { field::<usize>(future, *offset) }
        };
        read(&samples.pending) == 0
            && read(&samples.returned) == 0
            && read(&samples.failed) == samples.exception.as_ptr().addr()
    });
    if let (Some(state), Some(exception)) = (only(states), only(exceptions)) {
        EXCEPTION.store(exception, Relaxed);
        STATE.store(state, Relaxed);
    }
    Ok(())
}

/// Finds where a coroutine has its code object.
fn calibrate_coroutine(coroutine: &Bound<'_, PyAny>) -> PyResult<()> {
    let code = coroutine.getattr(intern!(coroutine.py(), "cr_code"))?;
    let mut offsets = words_of(size_of_objects(coroutine)?).filter(|offset| {
        // SAFETY: inside the object, by its size.
        unsafe { field::<usize>(coroutine, *offset) & !TAG_BITS == code.as_ptr().addr() }
    });
    if let Some(offset) = offsets.next() {
        COROUTINE_TYPE.store(coroutine.get_type().as_ptr().addr(), Relaxed);
        CODE.store(offset, Relaxed);
    }
    Ok(())
}

fn size_of_objects(object: &Bound<'_, PyAny>) -> PyResult<usize> {
    object.get_type().getattr("__basicsize__")?.extract()
}

fn words_of(size: usize) -> impl Iterator<Item = usize> {
    (HEAD_BYTES..size.saturating_sub(7)).step_by(8)
}

/// The address of a coroutine's code object; 0 for what is no plain coroutine.
#[inline]
pub(crate) fn code_address(coroutine: &Bound<'_, PyAny>) -> usize {
    let offset = CODE.load(Relaxed);
    // SAFETY: a living object.
    let kind = unsafe { ffi::Py_TYPE(coroutine.as_ptr()) };
    if offset == 0 || kind.addr() != COROUTINE_TYPE.load(Relaxed) {
        return 0;
    }
    // SAFETY: inside a coroutine, by its type; such an offset was found.
    (unsafe { field::<usize>(coroutine, offset) }) & !TAG_BITS
}

/// The one item; `None` where there are none or several.
fn only(mut items: impl Iterator<Item = usize>) -> Option<usize> {
    items.next().filter(|_| items.next().is_none())
}

/// How a task of the C implementation stands.
#[inline]
pub(crate) fn of(task: &Bound<'_, PyAny>) -> State {
    let (state, exception) = (STATE.load(Relaxed), EXCEPTION.load(Relaxed));
    if state == 0 {
        return asked(task);
    }
    // SAFETY: a C task begins as a C future does, for which the offset was found.
    match unsafe { field::<i32>(task, state) } {
        0 => State::Pending,
        1 => State::Cancelled,
        // SAFETY: as above.
        _ if unsafe { field::<usize>(task, exception) } != 0 => State::Failed,
        _ => State::Returned,
    }
}

/// How any task stands, by its attributes.
#[cold]
pub(crate) fn asked(task: &Bound<'_, PyAny>) -> State {
    let py = task.py();
    let state = task.getattr(intern!(py, "_state"));
    let state = state
        .and_then(|state| state.extract::<String>())
        .unwrap_or_default();
    let exception = || task.getattr(intern!(py, "_exception"));
    match state.as_str() {
        "CANCELLED" => State::Cancelled,
        "FINISHED" if exception().is_ok_and(|found| !found.is_none()) => State::Failed,
        "FINISHED" => State::Returned,
        _ => State::Pending,
    }
}

/// Whether nobody has taken the exception of a failed task yet. Reading this changes nothing.
pub(crate) fn is_unretrieved(task: &Bound<'_, PyAny>) -> bool {
    let flag = task.getattr(intern!(task.py(), "_log_traceback"));
    flag.and_then(|flag| flag.extract::<bool>())
        .unwrap_or(false)
}

/// # Safety
/// The object is larger than the offset by a field's size.
#[inline]
unsafe fn field<T: Copy>(object: &Bound<'_, PyAny>, offset: usize) -> T {
    let start = object.as_ptr().cast::<u8>();
    // SAFETY: by contract inside the object.
    let place = unsafe { start.add(offset) }.cast::<T>();
    // SAFETY: as above; aligned, as the offset is a multiple of the size.
    unsafe { place.read() }
}
