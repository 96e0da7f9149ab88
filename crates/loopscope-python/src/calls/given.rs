//! What a function was called with, however the interpreter hands it over.
#![expect(unsafe_code, reason = "reads the arguments of a call where they are")]

use std::ptr::null_mut;

use pyo3::ffi::PyObject;
use pyo3::types::{
    PyAnyMethods, PyDict, PyDictMethods, PyString, PyStringMethods, PyTuple, PyTupleMethods,
};
use pyo3::{Borrowed, Bound, PyAny, PyResult, Python};

use super::function::call_real;

/// The arguments of a call under way. The caller holds all of them until it is over.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    py: Python<'a>,
    /// The object whose method was called, where it is not the first of the plain arguments.
    object: *mut PyObject,
    plain: Plain<'a>,
    named: Named<'a>,
}

#[derive(Clone, Copy)]
enum Plain<'a> {
    Slice(&'a [*mut PyObject]),
    Tuple(Borrowed<'a, 'a, PyTuple>),
}

#[derive(Clone, Copy)]
enum Named<'a> {
    Nothing,
    /// Their names, and where the values begin.
    Names(Borrowed<'a, 'a, PyTuple>, *const *mut PyObject),
    Dict(Borrowed<'a, 'a, PyDict>),
}

impl<'a> Given<'a> {
    /// Arguments in a row, with the values of named ones behind the plain ones.
    ///
    /// # Safety
    /// `count` plain arguments, then one for each name of the tuple `names`, which may be null. All of them,
    /// and `object` unless it is null, live for as long as this.
    pub(crate) unsafe fn in_a_row(
        py: Python<'a>,
        object: *mut PyObject,
        args: *const *mut PyObject,
        count: usize,
        names: *mut PyObject,
    ) -> Self {
        let plain = if count == 0 {
            &[]
        } else {
            // SAFETY: by contract there are so many.
            unsafe { std::slice::from_raw_parts(args, count) }
        };
        // SAFETY: by contract a tuple or null.
        let names = unsafe { Borrowed::from_ptr_or_opt(py, names) };
        let names = names.and_then(|names| names.cast::<PyTuple>().ok());
        let values = args.wrapping_add(count);
        Self {
            py,
            object,
            plain: Plain::Slice(plain),
            named: names.map_or(Named::Nothing, |names| Named::Names(names, values)),
        }
    }

    /// Arguments in a tuple, named ones in a dictionary, which may be null.
    ///
    /// # Safety
    /// All of them, and `object` unless it is null, live for as long as this.
    pub(crate) unsafe fn in_a_tuple(
        py: Python<'a>,
        object: *mut PyObject,
        args: *mut PyObject,
        named: *mut PyObject,
    ) -> Self {
        // SAFETY: by contract.
        let args = unsafe { Borrowed::from_ptr_or_opt(py, args) };
        let args = args.and_then(|args| args.cast::<PyTuple>().ok());
        // SAFETY: by contract.
        let named = unsafe { Borrowed::from_ptr_or_opt(py, named) };
        let named = named.and_then(|named| named.cast::<PyDict>().ok());
        Self {
            py,
            object,
            plain: args.map_or(Plain::Slice(&[]), Plain::Tuple),
            named: named.map_or(Named::Nothing, Named::Dict),
        }
    }

    /// The object whose method was called: apart, or the first of the plain arguments.
    pub(crate) fn object(&self) -> *mut PyObject {
        if self.object.is_null() {
            self.plain(0).map_or(self.object, |first| first.as_ptr())
        } else {
            self.object
        }
    }

    /// An argument by its place among the plain ones, or by its name.
    #[inline]
    pub(crate) fn argument(&self, place: usize, name: &str) -> Option<Bound<'a, PyAny>> {
        self.plain(place).or_else(|| self.named(name))
    }

    #[inline]
    fn plain(&self, place: usize) -> Option<Bound<'a, PyAny>> {
        match self.plain {
            Plain::Slice(plain) => self.living(*plain.get(place)?),
            Plain::Tuple(plain) => plain.get_item(place).ok(),
        }
    }

    fn named(&self, name: &str) -> Option<Bound<'a, PyAny>> {
        match self.named {
            Named::Nothing => None,
            Named::Dict(named) => named.get_item(name).ok().flatten(),
            Named::Names(names, values) => {
                let is_it = |known: &Bound<'_, PyAny>| {
                    let known = known.cast::<PyString>();
                    known.is_ok_and(|known| *known.to_string_lossy() == *name)
                };
                let place = names.iter().position(|known| is_it(&known))?;
                self.value(values, place)
            }
        }
    }

    fn value(&self, values: *const *mut PyObject, place: usize) -> Option<Bound<'a, PyAny>> {
        let address = values.wrapping_add(place);
        // SAFETY: by the contract of `in_a_row` there is a value for each name.
        self.living(unsafe { address.read() })
    }

    fn living(&self, object: *mut PyObject) -> Option<Bound<'a, PyAny>> {
        // SAFETY: by contract the caller holds it.
        unsafe { Bound::from_borrowed_ptr_or_opt(self.py, object) }
    }

    /// Calls something else with the same.
    pub(super) fn hand_to(self, function: &Bound<'a, PyAny>) -> PyResult<Bound<'a, PyAny>> {
        let (args, names, plain) = match (self.plain, self.named) {
            (Plain::Slice(plain), Named::Nothing) if self.object.is_null() => {
                (plain.as_ptr(), null_mut(), plain)
            }
            (Plain::Slice(plain), Named::Names(names, values)) if self.object.is_null() => {
                (values.wrapping_sub(plain.len()), names.as_ptr(), plain)
            }
            _ => {
                let (plain, named) = self.to_python()?;
                return function.call(plain, Some(&named));
            }
        };
        // SAFETY: the arguments as they were given: plain ones, then one for each name.
        let result = unsafe { call_real(function.as_ptr(), args, plain.len(), names) };
        // SAFETY: a new reference, or null with an error set.
        unsafe { Bound::from_owned_ptr_or_err(self.py, result) }
    }

    /// All of them as Python's own tuple and dictionary, the object first.
    pub(crate) fn to_python(self) -> PyResult<(Bound<'a, PyTuple>, Bound<'a, PyDict>)> {
        let mut all: Vec<Bound<'a, PyAny>> = self.living(self.object).into_iter().collect();
        match self.plain {
            Plain::Slice(plain) => all.extend(plain.iter().filter_map(|one| self.living(*one))),
            Plain::Tuple(plain) => all.extend(plain.iter()),
        }
        let named = PyDict::new(self.py);
        match self.named {
            Named::Nothing => {}
            Named::Dict(given) => named.update(given.as_mapping())?,
            Named::Names(names, values) => {
                for (place, name) in names.iter().enumerate() {
                    named.set_item(name, self.value(values, place))?;
                }
            }
        }
        Ok((PyTuple::new(self.py, all)?, named))
    }
}

/// What a count of arguments says besides: that the place before the first may be used.
const ARGUMENTS_OFFSET: usize = 1 << (usize::BITS - 1);

/// How many plain arguments there are.
pub(crate) fn plain_count(count: usize) -> usize {
    count & !ARGUMENTS_OFFSET
}
