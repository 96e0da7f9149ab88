//! Connections that are open, by their addresses, from their opening to their end.

use std::sync::Arc;

use loopscope_recorder::layout::{SHARED_BY_FORK, SHARED_BY_LOOPS};
use loopscope_recorder::writer::{ConnectionWriter, HolderSpec};
use pyo3::ffi::PyObject;
use pyo3::prelude::*;

use super::askers::Asker;
use super::pools::Pool;
use crate::gil::GilCell;
use crate::hash::AddressMap;
use crate::symbols::symbols;
use crate::tasks::{self, Callers};
use crate::{process, turn};

/// Connections that are followed at once; more are counted as opened and never as closed.
const MOST: usize = 65_536;

/// Frames that are kept of those that made a connection.
const FRAMES: usize = 16;

static LIVES: GilCell<AddressMap<usize, Life>> =
    GilCell::new(AddressMap::with_hasher(std::hash::BuildHasherDefault::new()));

/// A connection that is open.
struct Life {
    pool: Arc<Pool>,
    opened_nanos: u64,
    /// The process that opened it. In a child it is the parent's.
    epoch: u64,
    /// Its record in that process.
    record: Option<ConnectionWriter>,
    /// The process id of its session on the server, 0 where that is not known.
    backend: u32,
    /// The address of the loop that it can be used on, where it is bound to one.
    event_loop: Option<usize>,
    made: Callers,
}

/// A connection was opened.
pub(super) fn opened(
    connection: &Bound<'_, PyAny>,
    pool: &Arc<Pool>,
    backend: u32,
    is_of_loop: bool,
) {
    let py = connection.py();
    pool.opened(py);
    let opened_nanos = super::now();
    let record = pool.connection(py, backend, opened_nanos);
    if let Some(record) = record.filter(|_| !pool.holds()) {
        take(py, record, opened_nanos);
    }
    let life = Life {
        pool: Arc::clone(pool),
        opened_nanos,
        epoch: process::epoch(),
        record,
        backend,
        event_loop: turn::running_loop(py).filter(|_| is_of_loop),
        made: Callers::now(py, FRAMES),
    };
    let address = connection.as_ptr().addr();
    let before = LIVES.with(py, |lives| {
        (lives.len() < MOST).then(|| lives.insert(address, life))
    });
    // One at this address whose end was missed.
    end(py, before.flatten().flatten(), false);
}

/// A connection was given out by its pool.
pub(super) fn taken(connection: &Bound<'_, PyAny>) {
    let py = connection.py();
    let address = connection.as_ptr().addr();
    let found = LIVES.with(py, |lives| {
        let life = lives.get(&address)?;
        let is_inherited = life.epoch != process::epoch();
        let pool = Arc::clone(&life.pool);
        Some((
            pool,
            life.opened_nanos,
            is_inherited,
            life.event_loop,
            life.record,
        ))
    });
    let Some((pool, opened_nanos, is_inherited, event_loop, mut record)) = found.flatten() else {
        return;
    };
    if is_inherited {
        pool.shared(py, opened_nanos, SHARED_BY_FORK);
        record = adopt(py, address, &pool);
    } else if let (Some(own), Some(running)) = (event_loop, turn::running_loop(py))
        && own != running
    {
        pool.shared(py, opened_nanos, SHARED_BY_LOOPS);
    }
    if let Some(record) = record {
        take(py, record, super::now());
    }
}

/// A parent's connection is this process's from now on, whether that is well or not.
fn adopt(py: Python<'_>, address: usize, pool: &Arc<Pool>) -> Option<ConnectionWriter> {
    let known = LIVES.with(py, |lives| {
        let life = lives.get(&address)?;
        Some((life.backend, life.opened_nanos))
    });
    let (backend, opened_nanos) = known.flatten()?;
    let record = pool.connection(py, backend, opened_nanos);
    pool.opened(py);
    LIVES.with(py, |lives| {
        let life = lives.get_mut(&address)?;
        life.epoch = process::epoch();
        life.record = record;
        record
    })?
}

/// Writes down that the calling task has a connection from now on.
fn take(py: Python<'_>, record: ConnectionWriter, since_nanos: u64) {
    let asker = Asker::now(py);
    let task = turn::current_task(py);
    let task_name = task.as_ref().map(tasks::name_of);
    record.taken(&HolderSpec {
        since_nanos,
        thread_id: process::thread_id(process::epoch()),
        task: task.map_or(0, |task| task.as_ptr().addr() as u64),
        task_name: &task_name.unwrap_or_default(),
        file: &asker.file,
        line: asker.line,
        function: &asker.function,
    });
}

/// A connection was given back to its pool. Returns for how long it was in use, in nanoseconds.
pub(super) fn returned(connection: &Bound<'_, PyAny>) -> Option<u64> {
    let address = connection.as_ptr().addr();
    let record = LIVES.with(connection.py(), |lives| {
        let life = lives.get(&address)?;
        life.record.filter(|_| life.epoch == process::epoch())
    });
    let since = record.flatten()?.returned()?;
    Some(super::now().saturating_sub(since))
}

/// Whether a connection is known and open.
pub(super) fn is_open(py: Python<'_>, connection: *mut PyObject) -> bool {
    let known = LIVES.with(py, |lives| lives.contains_key(&connection.addr()));
    known.unwrap_or(false)
}

/// A connection was closed, whoever did it. Those that are not known are passed over.
pub(crate) fn closed(py: Python<'_>, connection: *mut PyObject) {
    let life = LIVES.with(py, |lives| lives.remove(&connection.addr()));
    end(py, life.flatten(), false);
}

/// A connection goes away; `is_leaked` if it was open and nobody can have meant that.
pub(super) fn gone(py: Python<'_>, connection: *mut PyObject, is_leaked: bool) {
    let life = LIVES.with(py, |lives| lives.remove(&connection.addr()));
    // What is still there when the interpreter ends was needed until then.
    end(py, life.flatten(), is_leaked && !is_ending());
}

/// A connection that is written in C goes away. What a pool holds goes with the pool.
pub(super) fn freed(py: Python<'_>, connection: *mut PyObject) {
    let life = LIVES.with(py, |lives| lives.remove(&connection.addr()));
    let life = life.flatten();
    let is_leaked = life.as_ref().is_some_and(|life| !life.pool.holds());
    end(py, life, is_leaked && !is_ending());
}

fn end(py: Python<'_>, life: Option<Life>, is_leaked: bool) {
    let Some(life) = life.filter(|life| life.epoch == process::epoch()) else {
        return;
    };
    if let Some(record) = life.record {
        record.closed();
    }
    if is_leaked {
        life.pool
            .leaked(py, life.opened_nanos, || life.made.told(py));
    } else {
        let lifetime = super::now().saturating_sub(life.opened_nanos);
        life.pool.closed(py, lifetime);
    }
}

#[expect(unsafe_code, reason = "asks the interpreter whether it ends")]
fn is_ending() -> bool {
    let Some(is_finalizing) = symbols().is_finalizing else {
        return false;
    };
    // SAFETY: takes nothing; may be asked at any time.
    unsafe { is_finalizing() != 0 }
}
