//! Databases: the statements that drivers send, their connections, and pools of these.
//!
//! The Python package knows the drivers and says what is to be looked at; here it is counted. Functions of
//! Python and of C are looked on without a frame of ours, and their arguments are read where they are: no
//! parameter is ever touched, and of a statement only what remains without its literals is kept.

mod askers;
mod builtins;
mod lives;
mod pools;
mod statements;
mod watcher;

pub(crate) use lives::closed;
pub(crate) use pools::PoolSite;
pub(crate) use watcher::{PyMoment, Watcher};

use std::sync::Arc;

use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::layout::{CallKind, Coverage};
use pyo3::exceptions::PyValueError;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::calls::function::new_tracked;
use crate::calls::onlooker::{Onlooker, Query};
use crate::calls::running::RunningCall;
use crate::calls::{Begun, Call, Failure, Moment};
use crate::coverage;
use crate::gil::GilCell;
use crate::process;
use statements::Statements;

/// A driver.
#[pyclass(frozen, module = "loopscope._native")]
#[derive(Clone)]
pub(crate) struct Driver(Arc<Known>);

/// What is known of a driver.
struct Known {
    name: String,
    /// Says of an error what may be written down.
    describe: Py<PyAny>,
    /// Turns a statement that is no text into one.
    render: Py<PyAny>,
    /// Whether a connection that goes away unclosed was lost by the program.
    is_leaked: Py<PyAny>,
    statements: GilCell<Statements>,
}

#[pymethods]
impl Driver {
    /// `dialect` is one of `standard`, `sqlite`, `backslash`.
    #[new]
    fn new(
        name: String,
        dialect: &str,
        describe: Py<PyAny>,
        render: Py<PyAny>,
        is_leaked: Py<PyAny>,
    ) -> PyResult<Self> {
        let dialect =
            statements::dialect(dialect).ok_or_else(|| PyValueError::new_err("no such dialect"))?;
        coverage::add(Coverage::DATABASES);
        process::bind();
        Ok(Self(Arc::new(Known {
            name,
            describe,
            render,
            is_leaked,
            statements: GilCell::new(Statements::new(dialect)),
        })))
    }

    /// A statement begins that does not keep its thread to itself by its nature.
    #[pyo3(name = "begin")]
    fn begin_in_python(&self, statement: &Bound<'_, PyAny>) -> Option<RunningCall> {
        let (call, begun) = self.begin(statement.py(), Some(statement), false)?;
        Some(RunningCall::new(call, Some(begun)))
    }

    /// Something else that is asked of the server begins, or of its client.
    fn call(&self, py: Python<'_>, name: &str) -> RunningCall {
        let call = Arc::new(self.new_call(py, CallKind::Call, name));
        let begun = call.begin(py, false);
        RunningCall::new(call, begun)
    }

    /// A synchronous function of Python whose argument at this place, or of this name, is a statement.
    fn track(
        &self,
        function: &Bound<'_, PyAny>,
        place: usize,
        name: String,
    ) -> PyResult<Py<PyAny>> {
        new_tracked(function, Onlooker::Query(self.query(place, name)))
    }

    /// The same for a function that is written in C, in place. False where that cannot be done.
    fn take(&self, kind: &Bound<'_, PyAny>, method: &str, place: usize, name: String) -> bool {
        builtins::take(kind, method, Onlooker::Query(self.query(place, name)))
    }

    /// A synchronous function of Python that is counted by its name.
    fn track_call(&self, function: &Bound<'_, PyAny>, name: &str) -> PyResult<Py<PyAny>> {
        let call = self.new_call(function.py(), CallKind::Call, name);
        new_tracked(function, Onlooker::Call(Arc::new(call)))
    }

    /// The same for a function that is written in C, in place.
    fn take_call(&self, kind: &Bound<'_, PyAny>, method: &str) -> bool {
        let call = self.new_call(kind.py(), CallKind::Call, method);
        builtins::take(kind, method, Onlooker::Call(Arc::new(call)))
    }

    /// A function of Python through which each connection goes before it goes away: its `__del__`.
    fn track_going(&self, function: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        new_tracked(function, Onlooker::Going(self.clone()))
    }

    /// Connections of a type that is written in C.
    fn take_going(&self, kind: &Bound<'_, PyType>) -> bool {
        builtins::take_deallocation(kind)
    }

    /// A connection was opened, which began at that moment. `pool` is the one that holds it, or stands for the
    /// server; `backend` is the process id of its session there, 0 where that is not known; one that `is_of_loop`
    /// can be used on the running loop alone.
    #[pyo3(signature = (connection, moment, pool, backend=0, is_of_loop=false))]
    fn opened(
        &self,
        connection: &Bound<'_, PyAny>,
        moment: &PyMoment,
        pool: &PoolSite,
        backend: u32,
        is_of_loop: bool,
    ) {
        let py = connection.py();
        let pool = pool.pool();
        let connecting = self.new_call(py, CallKind::Connect, pool.server());
        if let Some(begun) = connecting.begin_at(py, moment.0) {
            connecting.returned(py, begun);
        }
        lives::opened(connection, pool, backend, is_of_loop);
    }

    /// A connection could not be opened, which began at that moment.
    fn open_failed(&self, error: &Bound<'_, PyAny>, moment: &PyMoment, pool: &PoolSite) {
        let py = error.py();
        let pool = pool.pool();
        let connecting = self.new_call(py, CallKind::Connect, pool.server());
        let begun = connecting.begin_at(py, moment.0);
        if crate::calls::function::is_cancellation(error) {
            if let Some(begun) = begun {
                connecting.cancelled(py, begun);
            }
            return;
        }
        if let Some(begun) = begun {
            connecting.failed(py, begun, &Failure::Raised(error, None));
        }
        pool.open_failed(error, &self.0.describe, moment.0.nanos());
    }

    /// A connection was closed.
    fn closed(&self, connection: &Bound<'_, PyAny>) {
        closed(connection.py(), connection.as_ptr());
    }
}

impl Driver {
    /// A statement begins; `None` where nothing is recorded.
    #[inline]
    pub(crate) fn begin(
        &self,
        py: Python<'_>,
        statement: Option<&Bound<'_, PyAny>>,
        is_sync: bool,
    ) -> Option<(Arc<Call>, Begun)> {
        // Nobody is to be asked for a name before there is somebody to tell it.
        if process::epoch() == 0 && process::bind().epoch == 0 {
            return None;
        }
        let call = self.call_of(py, statement?);
        let begun = call.begin(py, is_sync)?;
        Some((call, begun))
    }

    /// The counter of a statement.
    #[inline]
    fn call_of(&self, py: Python<'_>, statement: &Bound<'_, PyAny>) -> Arc<Call> {
        let known = &self.0;
        if let Some(found) = known
            .statements
            .with(py, |known| known.find(statement))
            .flatten()
        {
            return found;
        }
        self.new_call_of(py, statement)
    }

    #[cold]
    fn new_call_of(&self, py: Python<'_>, statement: &Bound<'_, PyAny>) -> Arc<Call> {
        let known = &self.0;
        let dialect = known.statements.with(py, |known| known.dialect());
        let name = statements::name_of(statement, &known.render, dialect.unwrap_or_default());
        let call = Arc::new(self.new_call(py, CallKind::Query, &name));
        let left = known
            .statements
            .with(py, |known| known.keep(statement, &call));
        // What is not kept any more goes here, where the door is open again.
        drop(left);
        call
    }

    fn new_call(&self, py: Python<'_>, kind: CallKind, name: &str) -> Call {
        let known = &self.0;
        let call = Call::new(kind, known.name.clone(), name.to_owned());
        call.described_by(known.describe.clone_ref(py))
    }

    fn query(&self, place: usize, name: String) -> Query {
        let driver = self.clone();
        Query {
            driver,
            place,
            name,
        }
    }

    /// A statement failed on this cursor. If its connection broke, nobody has to close it any more.
    #[cold]
    pub(crate) fn failed(&self, py: Python<'_>, cursor: *mut PyObject) {
        let cursor = watcher::living(py, cursor);
        let connection = cursor.and_then(|cursor| cursor.getattr("connection").ok());
        let Some(connection) = connection else { return };
        let is_closed = connection.getattr("closed");
        if is_closed.is_ok_and(|closed| closed.is_truthy().unwrap_or(false)) {
            closed(py, connection.as_ptr());
        }
    }

    /// A connection that is written in Python is about to go away.
    pub(crate) fn going(&self, py: Python<'_>, connection: *mut PyObject) {
        if !lives::is_open(py, connection) {
            return;
        }
        let is_leaked = watcher::living(py, connection)
            .and_then(|connection| self.0.is_leaked.bind(py).call1((connection,)).ok())
            .and_then(|answer| answer.extract().ok());
        lives::gone(py, connection, is_leaked.unwrap_or(false));
    }
}

/// The moment at which something begins.
#[pyfunction]
pub(crate) fn moment() -> PyMoment {
    PyMoment(Moment::now(false))
}

/// A function that is written in Python tells `ended`, and before that `begun`, that a synchronous one is
/// called: see `_native.pyi`.
#[pyfunction]
#[pyo3(signature = (function, ended, begun=None))]
pub(crate) fn watch_function(
    function: &Bound<'_, PyAny>,
    ended: Py<PyAny>,
    begun: Option<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    new_tracked(function, Onlooker::Watcher(Watcher::new(begun, ended)))
}

/// The same for a function that is written in C, in place.
#[pyfunction]
pub(crate) fn watch_builtin(kind: &Bound<'_, PyAny>, name: &str, ended: Py<PyAny>) -> bool {
    builtins::take(kind, name, Onlooker::Watcher(Watcher::new(None, ended)))
}

/// A function of Python that closes the connection which is its first argument.
#[pyfunction]
pub(crate) fn watch_closing(function: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    new_tracked(function, Onlooker::Closing)
}

/// The same for a method that is written in C, in place.
#[pyfunction]
pub(crate) fn take_closing(kind: &Bound<'_, PyAny>, name: &str) -> bool {
    builtins::take(kind, name, Onlooker::Closing)
}

/// How long a fresh name for a statement takes: what is done to one that is not known yet.
#[pyfunction]
pub(crate) fn without_literals(statement: &str, dialect: &str) -> PyResult<String> {
    let dialect =
        statements::dialect(dialect).ok_or_else(|| PyValueError::new_err("no such dialect"))?;
    Ok(statements::without_literals(statement, dialect))
}

/// Where time is told in this process.
fn now() -> u64 {
    monotonic_nanos()
}
