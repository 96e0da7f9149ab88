//! Pools, and servers that are connected to without one.

use std::sync::Arc;

use loopscope_recorder::layout::{FactKind, LoopOwner};
use loopscope_recorder::writer::{ConnectionWriter, FactRecord, PoolSpec, PoolWriter, Recording};
use pyo3::prelude::*;

use super::{PyMoment, lives};
use crate::gil::GilCell;
use crate::process::{self, Bound as Process};
use crate::tasks::{Limiter, Told, type_name};

/// How often the same thing about one pool is told in full within ten seconds.
const TOLD: u32 = 8;

static LIMITER: GilCell<Limiter> = GilCell::new(Limiter::new(TOLD));

/// A pool of connections; without a name all the connections to a server that no pool holds.
#[pyclass(frozen, module = "loopscope._native")]
pub(crate) struct PoolSite(Arc<Pool>);

/// A pool, and its record in this process's recording.
pub(super) struct Pool {
    name: String,
    driver: String,
    server: String,
    bound: GilCell<(Process, Option<PoolWriter>)>,
}

#[pymethods]
impl PoolSite {
    #[new]
    fn new(name: String, driver: String, server: String) -> Self {
        Self(Arc::new(Pool {
            name,
            driver,
            server,
            bound: GilCell::new((Process::NONE, None)),
        }))
    }

    /// Somebody begins to wait for a connection.
    fn waits(&self, py: Python<'_>) {
        self.0.with(py, |writer| writer.waits(super::now()));
    }

    /// A wait that began at that moment got a connection: this one, where that is known.
    #[pyo3(signature = (moment, connection=None))]
    fn acquired(&self, py: Python<'_>, moment: &PyMoment, connection: Option<&Bound<'_, PyAny>>) {
        let now = super::now();
        let waited = moment.0.elapsed_nanos();
        self.0.with(py, |writer| writer.acquired(now, waited));
        if let Some(connection) = connection {
            lives::taken(connection);
        }
    }

    /// A wait that began at that moment was given up because it took too long.
    fn timed_out(&self, py: Python<'_>, moment: &PyMoment) {
        self.0.with(py, |writer| writer.timed_out(super::now()));
        self.0
            .tell(py, FactKind::AcquireTimedOut, moment.0.nanos(), || {
                Told::of_callers(py)
            });
    }

    /// A wait ended in another way.
    fn stops_waiting(&self, py: Python<'_>) {
        self.0.with(py, |writer| writer.stops_waiting(super::now()));
    }

    /// A connection was given back: this one, where that is known.
    #[pyo3(signature = (connection=None))]
    fn released(&self, py: Python<'_>, connection: Option<&Bound<'_, PyAny>>) {
        let used = connection.and_then(lives::returned);
        self.0.with(py, |writer| writer.released(used));
    }

    /// How many connections there are, lie ready, are kept at least and may be at most.
    fn set_sizes(&self, py: Python<'_>, size: u64, idle: u64, smallest: u64, largest: u64) {
        let set = |writer: &PoolWriter| writer.set_sizes(size, idle, smallest, largest);
        self.0.with(py, set);
    }

    /// How many connections are taken from it, where the pool says so itself.
    fn set_in_use(&self, py: Python<'_>, in_use: u64) {
        self.0.with(py, |writer| writer.set_in_use(in_use));
    }
}

impl PoolSite {
    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.0
    }
}

impl Pool {
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Whether it is a pool, and not all the connections to a server.
    pub(super) fn holds(&self) -> bool {
        !self.name.is_empty()
    }

    pub(super) fn opened(&self, py: Python<'_>) {
        self.with(py, PoolWriter::opened);
    }

    pub(super) fn closed(&self, py: Python<'_>, lifetime_nanos: u64) {
        self.with(py, |writer| writer.closed(lifetime_nanos));
    }

    /// The record of a connection of this pool, which was opened just now.
    pub(super) fn connection(
        &self,
        py: Python<'_>,
        backend: u32,
        opened_nanos: u64,
    ) -> Option<ConnectionWriter> {
        let (recording, writer) = self.writer(py)?;
        recording.connection(writer.index(), backend, opened_nanos)
    }

    /// A connection was given out where it does not belong: `how`.
    pub(super) fn shared(&self, py: Python<'_>, opened_nanos: u64, how: &str) {
        self.tell(py, FactKind::ConnectionShared, opened_nanos, || Told {
            message: how.to_owned(),
            ..Told::of_callers(py)
        });
    }

    /// A connection went away that nobody had closed; `told` says where it was made.
    pub(super) fn leaked(&self, py: Python<'_>, opened_nanos: u64, told: impl FnOnce() -> Told) {
        let lifetime = super::now().saturating_sub(opened_nanos);
        self.with(py, |writer| writer.leaked(lifetime));
        self.tell(py, FactKind::ConnectionLeaked, opened_nanos, told);
    }

    pub(super) fn open_failed(
        &self,
        error: &Bound<'_, PyAny>,
        describe: &Py<PyAny>,
        started_nanos: u64,
    ) {
        let py = error.py();
        let error_type = type_name(error);
        self.with(py, |writer| writer.open_failed(&error_type));
        self.tell(py, FactKind::ConnectionFailed, started_nanos, || {
            let described = describe.bind(py).call1((error,));
            Told {
                error_type,
                message: described
                    .and_then(|text| text.extract())
                    .unwrap_or_default(),
                ..Told::of_callers(py)
            }
        });
    }

    fn with(&self, py: Python<'_>, write: impl FnOnce(&PoolWriter)) {
        if let Some((_, writer)) = self.writer(py) {
            write(&writer);
        }
    }

    fn writer(&self, py: Python<'_>) -> Option<(Recording, PoolWriter)> {
        let found = self.bound.with(py, |(process, writer)| {
            if process.epoch == 0 || process.epoch != process::epoch() {
                *process = process::bind();
                let recording = process.recording;
                *writer = recording.and_then(|recording| recording.pool(&self.spec()));
            }
            Some((process.recording?, (*writer)?))
        });
        found.flatten()
    }

    fn spec(&self) -> PoolSpec<'_> {
        PoolSpec {
            name: &self.name,
            driver: &self.driver,
            server: &self.server,
        }
    }

    /// Tells of something that happened to it, unless that was told often lately.
    fn tell(
        &self,
        py: Python<'_>,
        kind: FactKind,
        started_nanos: u64,
        told: impl FnOnce() -> Told,
    ) {
        let Some((recording, writer)) = self.writer(py) else {
            return;
        };
        let now = super::now();
        let what = (writer.index() << 4 | kind as u32, 1);
        if LIMITER.with(py, |limiter| limiter.allows(what, now)) != Some(true) {
            return;
        }
        let told = told();
        let thread_id = process::thread_id(process::epoch());
        recording.push_fact(&FactRecord {
            owner: LoopOwner::Thread(thread_id),
            subject: Some(writer.index()),
            thread_id,
            started_nanos,
            ended_nanos: now,
            name: &self.server,
            error_type: &told.error_type,
            message: &told.message,
            frames: &told.fact_frames(),
            ..FactRecord::new(kind)
        });
    }
}
