//! asyncio's own set of all tasks, with its two hot operations done here.
//!
//! Up to 3.13 every task goes into a `WeakSet` that is written in Python, and out of it again, which costs more
//! than all that the agent does. So the set gets an `add` of ours, which does what its own does. What it
//! holds, and all its other operations, stay as they were.
#![expect(
    unsafe_code,
    reason = "functions in the interpreter's own calling convention"
)]

use std::ffi::CStr;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyList, PySet};

/// The parts of the set.
struct Parts {
    /// The weak references.
    data: Py<PySet>,
    /// References that died while the set was being iterated over.
    pending: Py<PyList>,
    /// Who is iterating.
    iterating: Py<PySet>,
    /// Takes the pending ones out.
    commit: Py<PyAny>,
    /// What a dying reference calls: [`remove`].
    remove: Py<PyAny>,
}

/// Of the one set there is; set once and never changed, so that the parts can be used without holding them.
static PARTS: OnceLock<Parts> = OnceLock::new();

/// Gives the set an `add` of ours. Errors where it is not made as we know it; it stays as it is then.
pub(crate) fn install(set: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = set.py();
    let parts = Parts {
        data: set.getattr("data")?.cast_into_exact::<PySet>()?.unbind(),
        pending: set
            .getattr("_pending_removals")?
            .cast_into_exact::<PyList>()?
            .unbind(),
        iterating: set
            .getattr("_iterating")?
            .cast_into_exact::<PySet>()?
            .unbind(),
        commit: set.getattr("_commit_removals")?.unbind(),
        remove: function(py, c"_remove", remove)?,
    };
    set.getattr("_remove")?;
    if PARTS.set(parts).is_err() {
        return Ok(());
    }
    set.setattr("add", function(py, c"add", add)?)
}

type Method = unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> *mut PyObject;

fn function(py: Python<'_>, name: &'static CStr, method: Method) -> PyResult<Py<PyAny>> {
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer {
            PyCFunction: method,
        },
        ml_flags: ffi::METH_O,
        ml_doc: null(),
    }));
    // SAFETY: the definition lives for ever; the function needs no object of its own.
    let made = unsafe { ffi::PyCFunction_NewEx(definition, null_mut(), null_mut()) };
    // SAFETY: a new reference, or null with an error set.
    Ok(unsafe { Bound::from_owned_ptr_or_err(py, made) }?.unbind())
}

fn assume_attached() -> Python<'static> {
    // SAFETY: only called by functions that the interpreter calls.
    unsafe { Python::assume_attached() }
}

/// `WeakSet.add`.
unsafe extern "C" fn add(_: *mut PyObject, item: *mut PyObject) -> *mut PyObject {
    let py = assume_attached();
    // SAFETY: the caller's argument.
    let Some(item) = (unsafe { Borrowed::from_ptr_or_opt(py, item) }) else {
        return null_mut();
    };
    finish(py, added(py, item))
}

/// What `WeakSet` has dying references call.
unsafe extern "C" fn remove(_: *mut PyObject, reference: *mut PyObject) -> *mut PyObject {
    let py = assume_attached();
    // SAFETY: the caller's argument.
    let Some(reference) = (unsafe { Borrowed::from_ptr_or_opt(py, reference) }) else {
        return null_mut();
    };
    finish(py, removed(py, reference))
}

fn finish(py: Python<'_>, result: PyResult<()>) -> *mut PyObject {
    match result {
        Ok(()) => py.None().into_ptr(),
        Err(error) => {
            error.restore(py);
            null_mut()
        }
    }
}

fn added(py: Python<'_>, item: Borrowed<'_, '_, PyAny>) -> PyResult<()> {
    let Some(parts) = PARTS.get() else {
        return Ok(());
    };
    if !parts.pending.bind(py).is_empty() {
        parts.commit.bind(py).call0()?;
    }
    // SAFETY: living objects.
    let reference = unsafe { ffi::PyWeakref_NewRef(item.as_ptr(), parts.remove.as_ptr()) };
    // SAFETY: a new reference, or null with an error set.
    let reference = unsafe { Bound::from_owned_ptr_or_err(py, reference) }?;
    parts.data.bind(py).add(reference)
}

fn removed(py: Python<'_>, reference: Borrowed<'_, '_, PyAny>) -> PyResult<()> {
    let Some(parts) = PARTS.get() else {
        return Ok(());
    };
    if parts.iterating.bind(py).is_empty() {
        parts.data.bind(py).discard(reference)?;
    } else {
        parts.pending.bind(py).append(reference)?;
    }
    Ok(())
}
