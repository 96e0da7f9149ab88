//! State that the interpreter's lock guards.

#![expect(unsafe_code, reason = "shares a cell under the interpreter's lock")]

use std::cell::RefCell;

use pyo3::Python;

/// State of the agent, reached only with the interpreter's lock held.
///
/// Whoever is inside must not call back into Python, where the same state might be wanted again; who does
/// so all the same finds the door shut and does nothing.
pub(crate) struct GilCell<T>(RefCell<T>);

// SAFETY: the only way in takes a `Python`, which proves that the calling thread holds the interpreter's
// lock. Interpreters without it, and those with one of their own, do not load this module.
unsafe impl<T: Send> Sync for GilCell<T> {}

impl<T> GilCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// Runs `work` on the state; `None` where somebody is inside already.
    #[inline]
    pub(crate) fn with<R>(&self, _: Python<'_>, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.0
            .try_borrow_mut()
            .ok()
            .map(|mut state| work(&mut state))
    }
}
