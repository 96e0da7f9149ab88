//! Connections that are open, by their addresses, from their opening to their end.

use std::sync::Arc;

use pyo3::ffi::PyObject;
use pyo3::prelude::*;

use super::pools::Pool;
use crate::gil::GilCell;
use crate::hash::AddressMap;
use crate::process;
use crate::symbols::symbols;
use crate::tasks::Callers;

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
    made: Callers,
}

/// A connection was opened.
pub(super) fn opened(connection: &Bound<'_, PyAny>, pool: &Arc<Pool>) {
    let py = connection.py();
    pool.opened(py);
    let life = Life {
        pool: Arc::clone(pool),
        opened_nanos: super::now(),
        epoch: process::epoch(),
        made: Callers::now(py, FRAMES),
    };
    let address = connection.as_ptr().addr();
    let before = LIVES.with(py, |lives| {
        (lives.len() < MOST).then(|| lives.insert(address, life))
    });
    // One at this address whose end was missed.
    end(py, before.flatten().flatten(), false);
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
