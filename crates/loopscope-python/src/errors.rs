//! The error that the interpreter is carrying while we look.

#![expect(unsafe_code, reason = "takes the interpreter's error and puts it back")]

use std::marker::PhantomData;
use std::ptr::null_mut;

use pyo3::Python;
use pyo3::ffi::{self, PyObject};

/// The error that was set when we were called; set again, just as it was, when this is dropped. What we
/// leave behind ourselves is gone then.
pub(crate) struct ErrorKept<'py> {
    parts: Option<[*mut PyObject; 3]>,
    lock: PhantomData<Python<'py>>,
}

impl<'py> ErrorKept<'py> {
    #[inline]
    pub(crate) fn take(_: Python<'py>) -> Self {
        // SAFETY: the lock is held.
        let is_set = !unsafe { ffi::PyErr_Occurred() }.is_null();
        Self {
            parts: is_set.then(fetch),
            lock: PhantomData,
        }
    }
}

impl Drop for ErrorKept<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the lock is held.
        if self.parts.is_none() && unsafe { ffi::PyErr_Occurred() }.is_null() {
            return;
        }
        let [kind, value, traceback] = self.parts.unwrap_or([null_mut(); 3]);
        // SAFETY: the three references are ours to give; nulls clear what is set.
        unsafe { ffi::PyErr_Restore(kind, value, traceback) };
    }
}

#[cold]
fn fetch() -> [*mut PyObject; 3] {
    let [mut kind, mut value, mut traceback] = [null_mut(); 3];
    // SAFETY: the lock is held; the pointers are to locals.
    unsafe { ffi::PyErr_Fetch(&mut kind, &mut value, &mut traceback) };
    [kind, value, traceback]
}
