//! Who looks on when a function is called, whether it is one of Python's or one of C's.

use std::sync::Arc;

use pyo3::ffi::PyObject;
use pyo3::prelude::*;

use super::followed::follow;
use super::followed_types::Kind;
use super::given::Given;
use super::library::Library;
use super::{Begun, Call, Failure, Moment};
use crate::calls::function::is_cancellation;
use crate::databases::{Driver, Watcher};
use crate::errors::ErrorKept;

/// Who looks on.
pub(crate) enum Onlooker {
    /// Counts the call.
    Call(Arc<Call>),
    /// Follows what the call makes to its end, and counts that.
    Following(Kind, Arc<Call>),
    /// Counts the call under a name that its arguments choose.
    Library(Library),
    /// Is shown the call's arguments first.
    Arguments(fn(&Given<'_>)),
    /// Counts the statement that is among the arguments.
    Query(Query),
    /// Is told in Python when the call is over.
    Watcher(Watcher),
    /// A connection is closed.
    Closing,
    /// A connection is about to go away.
    Going(Driver),
}

/// Where a driver's function has its statement.
pub(crate) struct Query {
    pub(crate) driver: Driver,
    pub(crate) place: usize,
    pub(crate) name: String,
}

/// What is kept from a call's begin to its end.
pub(crate) enum Kept {
    Nothing,
    /// A statement's call.
    Query(Arc<Call>, Begun),
    Moment(Moment),
}

/// How a function ended.
pub(crate) enum Outcome<'a> {
    Returned(Borrowed<'a, 'a, PyAny>),
    /// With the error that the interpreter carries, and carries on.
    Raised(Python<'a>),
}

impl Onlooker {
    /// The call begins.
    #[inline]
    pub(crate) fn begins(&self, py: Python<'_>, given: &Given<'_>) -> Kept {
        match self {
            Self::Query(query) => {
                let statement = given.argument(query.place, &query.name);
                let begun = query.driver.begin(py, statement.as_ref(), true);
                begun.map_or(Kept::Nothing, |(call, begun)| Kept::Query(call, begun))
            }
            Self::Arguments(show) => {
                show(given);
                Kept::Nothing
            }
            Self::Watcher(watcher) => {
                watcher.begins(py, given);
                Kept::Moment(Moment::now(true))
            }
            Self::Going(driver) => {
                driver.going(py, given.object());
                Kept::Nothing
            }
            Self::Call(_) | Self::Following(..) | Self::Library(_) | Self::Closing => Kept::Nothing,
        }
    }

    /// The call is over.
    #[inline]
    pub(crate) fn ends(&self, kept: Kept, given: &Given<'_>, outcome: &Outcome<'_>) {
        match (self, kept) {
            (Self::Query(query), Kept::Query(call, begun)) => {
                end_call(&call, begun, outcome);
                if let Outcome::Raised(py) = outcome {
                    let kept = ErrorKept::take(*py);
                    query.driver.failed(*py, given.object());
                    drop(kept);
                }
            }
            (Self::Watcher(watcher), Kept::Moment(moment)) => watcher.ends(moment, given, outcome),
            (Self::Closing, _) => crate::databases::closed(outcome.py(), given.object()),
            _ => {}
        }
    }
}

impl<'a> Outcome<'a> {
    fn py(&self) -> Python<'a> {
        match self {
            Self::Returned(result) => result.py(),
            Self::Raised(py) => *py,
        }
    }
}

#[inline]
fn end_call(call: &Call, begun: Begun, outcome: &Outcome<'_>) {
    match outcome {
        Outcome::Returned(result) => call.returned(result.py(), begun),
        Outcome::Raised(py) => raised(*py, call, begun),
    }
}

/// A call ended with the error that the interpreter now carries. It carries it on.
#[cold]
pub(super) fn raised(py: Python<'_>, call: &Call, begun: Begun) {
    let Some(error) = PyErr::take(py) else { return };
    let exception = error.value(py).as_any();
    if is_cancellation(exception) {
        call.cancelled(py, begun);
    } else {
        let traceback = error.traceback(py);
        call.failed(py, begun, &Failure::Raised(exception, traceback));
    }
    error.restore(py);
}

/// Runs a function in front of which an onlooker stands. Nothing of the onlooker's gets out, unless that is what
/// a person interrupts the program with.
///
/// `call` is the function with the caller's arguments, and `given` these arguments.
#[inline]
pub(crate) fn around(
    py: Python<'_>,
    onlooker: &Onlooker,
    given: &Given<'_>,
    call: impl FnOnce() -> *mut PyObject,
) -> *mut PyObject {
    match onlooker {
        Onlooker::Call(counted) => return count(py, counted, call),
        Onlooker::Library(library) => return library.around(py, given, call),
        _ => {}
    }
    let mut kept = Kept::Nothing;
    crate::quietly(|| kept = onlooker.begins(py, given));
    let result = call();
    if let Onlooker::Following(kind, call) = onlooker {
        return followed(py, *kind, result, call);
    }
    if matches!(kept, Kept::Nothing) && !matches!(onlooker, Onlooker::Closing) {
        return result;
    }
    // SAFETY is the interpreter's: what it returned lives until it is returned to the caller.
    let outcome = outcome_of(py, result);
    crate::quietly(|| onlooker.ends(kept, given, &outcome));
    result
}

/// Runs a function and counts that. Apart from the rest since it is what a program does in its inner loops, and what is
/// kept of the call stays in registers.
#[inline(always)]
fn count(py: Python<'_>, counted: &Call, call: impl FnOnce() -> *mut PyObject) -> *mut PyObject {
    let mut begun = None;
    crate::quietly(|| begun = counted.begin(py, true));
    let result = call();
    let Some(begun) = begun else { return result };
    crate::quietly(|| {
        if result.is_null() {
            raised(py, counted, begun);
        } else {
            counted.returned(py, begun);
        }
    });
    result
}

#[inline]
#[expect(unsafe_code, reason = "stands in front of what a function returned")]
fn followed(py: Python<'_>, kind: Kind, made: *mut PyObject, call: &Arc<Call>) -> *mut PyObject {
    if made.is_null() {
        return made;
    }
    // SAFETY: a new reference.
    unsafe { follow(py, kind, made, call) }
}

#[inline]
#[expect(unsafe_code, reason = "looks at what a function returned")]
fn outcome_of(py: Python<'_>, result: *mut PyObject) -> Outcome<'_> {
    // SAFETY: a new reference that is the caller's, or null with an error set.
    let returned = unsafe { Borrowed::from_ptr_or_opt(py, result) };
    returned.map_or(Outcome::Raised(py), Outcome::Returned)
}
