//! Where tasks come from: the innermost frame of whoever asked for one.
//!
//! Frames of asyncio and anyio themselves are passed over. Where there are no others, as with the handler of
//! a connection, the coroutine's own code says where it comes from.
#![expect(unsafe_code, reason = "takes code objects from living frames")]

use std::ops::ControlFlow;
use std::ptr::NonNull;

use pyo3::ffi::PyObject;
use pyo3::types::PyAnyMethods;
use pyo3::{Bound, Py, PyAny, Python, intern};

use crate::frames::{Place, Walker};
use crate::hash::AddressMap;

/// Code objects that are kept alive so that their addresses mean something. Programs that make code without
/// end get further ones looked at anew each time.
const MOST_CODES: usize = 16 << 10;

/// Code objects that are found without a search.
const RECENT: usize = 64;

/// Folders of packages whose frames are passed over.
const PASSED_OVER: [&str; 2] = ["/site-packages/anyio/", "/dist-packages/anyio/"];

/// Knows which code objects are to be passed over.
pub(crate) struct Origins {
    /// For each code object, whether it is passed over.
    codes: AddressMap<NonNull<PyObject>, bool>,
    /// Those of them that were looked up last, each at a place that its address gives.
    recent: [Option<(NonNull<PyObject>, bool)>; RECENT],
    kept: Vec<Py<PyAny>>,
}

// SAFETY: the addresses are kept alive by `kept`, and all of it is reached under the interpreter's lock.
unsafe impl Send for Origins {}

/// What a walk up the stack led to.
pub(crate) enum Walked {
    /// The frame that asked.
    Asker(Place),
    /// A code object that has not been judged yet.
    Unjudged(Place),
    /// Every frame was passed over.
    Nobody,
}

impl Origins {
    pub(crate) fn new() -> Self {
        Self {
            codes: AddressMap::default(),
            recent: [None; RECENT],
            kept: Vec::new(),
        }
    }

    #[inline]
    fn judgement(&mut self, code: NonNull<PyObject>) -> Option<bool> {
        let place = (code.addr().get() >> 5) % RECENT;
        if let Some(Some((known, is_passed_over))) = self.recent.get(place)
            && *known == code
        {
            return Some(*is_passed_over);
        }
        let is_passed_over = *self.codes.get(&code)?;
        self.recent[place] = Some((code, is_passed_over));
        Some(is_passed_over)
    }

    /// Walks to the first frame that is not passed over.
    #[inline]
    pub(crate) fn walk(&mut self, py: Python<'_>, walker: &Walker) -> Walked {
        let found = walker.walk(py, |place| match self.judgement(place.code) {
            Some(true) => ControlFlow::Continue(()),
            Some(false) => ControlFlow::Break(Walked::Asker(place)),
            None => ControlFlow::Break(Walked::Unjudged(place)),
        });
        found.unwrap_or(Walked::Nobody)
    }

    /// Whether a place's code object has been judged, and is thereby kept.
    pub(crate) fn knows(&self, place: Place) -> bool {
        self.codes.contains_key(&place.code)
    }

    /// Remembers a judgement, and the code object with it. False where there is no room.
    pub(crate) fn remember(&mut self, code: Bound<'_, PyAny>, is_passed_over: bool) -> bool {
        let Some(address) = NonNull::new(code.as_ptr()) else {
            return false;
        };
        if self.kept.len() >= MOST_CODES {
            return false;
        }
        self.kept.push(code.unbind());
        self.codes.insert(address, is_passed_over);
        true
    }
}

/// Whether frames with this code are passed over. `own` is the folder of asyncio.
pub(crate) fn is_passed_over(code: &Bound<'_, PyAny>, own: &str) -> bool {
    let file = text(code, "co_filename");
    let is_own = file
        .strip_prefix(own)
        .is_some_and(|rest| rest.starts_with('/'));
    is_own || PASSED_OVER.iter().any(|folder| file.contains(folder))
}

/// The code object of a coroutine or a generator; `None` for what is made in C.
pub(crate) fn code_of<'py>(coroutine: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    let py = coroutine.py();
    let code = coroutine.getattr(intern!(py, "cr_code"));
    code.or_else(|_| coroutine.getattr(intern!(py, "gi_code")))
        .ok()
}

/// A function's name as people know it, from its code object.
pub(crate) fn function_of(code: &Bound<'_, PyAny>) -> String {
    let qualified = text(code, "co_qualname");
    if qualified.is_empty() {
        text(code, "co_name")
    } else {
        qualified
    }
}

/// An attribute that is a text; empty where it is none.
pub(crate) fn text(object: &Bound<'_, PyAny>, attribute: &str) -> String {
    object
        .getattr(attribute)
        .and_then(|value| value.extract::<String>())
        .unwrap_or_default()
}
