//! A type as the interpreter wants it described, put together piece by piece.
#![expect(unsafe_code, reason = "makes a type from a specification")]

use std::ffi::{CStr, c_int, c_uint, c_void};
use std::ptr::{null, null_mut};

use pyo3::ffi;
use pyo3::prelude::*;

/// A type to be made. What is put into it must have the type of its place.
pub(super) struct Shape {
    name: &'static CStr,
    bytes: usize,
    flags: c_uint,
    members: Vec<ffi::PyMemberDef>,
    methods: Vec<ffi::PyMethodDef>,
    properties: Vec<ffi::PyGetSetDef>,
    slots: Vec<ffi::PyType_Slot>,
}

impl Shape {
    /// Of objects of this size, which the collector knows.
    pub(super) fn new(name: &'static CStr, bytes: usize) -> Self {
        Self {
            name,
            bytes,
            flags: ffi::Py_TPFLAGS_DEFAULT as c_uint | ffi::Py_TPFLAGS_HAVE_GC as c_uint,
            members: Vec::new(),
            methods: Vec::new(),
            properties: Vec::new(),
            slots: Vec::new(),
        }
    }

    pub(super) fn flag(mut self, flag: c_uint) -> Self {
        self.flags |= flag;
        self
    }

    /// A word that the interpreter looks for by this name.
    pub(super) fn word(mut self, name: &'static CStr, offset: usize) -> Self {
        self.members.push(ffi::PyMemberDef {
            name: name.as_ptr(),
            type_code: ffi::Py_T_PYSSIZET,
            offset: offset as ffi::Py_ssize_t,
            flags: ffi::Py_READONLY,
            doc: null(),
        });
        self
    }

    pub(super) fn method(
        mut self,
        name: &'static CStr,
        function: ffi::PyCFunction,
        flags: c_int,
    ) -> Self {
        self.methods.push(ffi::PyMethodDef {
            ml_name: name.as_ptr(),
            ml_meth: ffi::PyMethodDefPointer {
                PyCFunction: function,
            },
            ml_flags: flags,
            ml_doc: null(),
        });
        self
    }

    pub(super) fn property(mut self, name: &'static CStr, get: ffi::getter) -> Self {
        self.properties.push(ffi::PyGetSetDef {
            name: name.as_ptr(),
            get: Some(get),
            set: None,
            doc: null(),
            closure: null_mut(),
        });
        self
    }

    pub(super) fn slot(mut self, slot: c_int, function: *const c_void) -> Self {
        self.slots.push(ffi::PyType_Slot {
            slot,
            pfunc: function.cast_mut(),
        });
        self
    }

    /// Makes the type. Its description lives for ever, as types do.
    pub(super) fn make(mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.members.push(ffi::PyMemberDef::default());
        self.methods.push(ffi::PyMethodDef::zeroed());
        self.properties.push(ffi::PyGetSetDef::default());
        let tables = [
            (ffi::Py_tp_members, self.members.leak().as_mut_ptr().cast()),
            (ffi::Py_tp_methods, self.methods.leak().as_mut_ptr().cast()),
            (
                ffi::Py_tp_getset,
                self.properties.leak().as_mut_ptr().cast(),
            ),
            (0, null_mut()),
        ];
        let tables = tables.map(|(slot, pfunc)| ffi::PyType_Slot { slot, pfunc });
        self.slots.extend(tables);
        let mut spec = ffi::PyType_Spec {
            name: self.name.as_ptr(),
            basicsize: self.bytes as c_int,
            itemsize: 0,
            flags: self.flags,
            slots: self.slots.leak().as_mut_ptr(),
        };
        // SAFETY: every table ends with an empty entry and lives for ever; each function has its slot's type.
        let made = unsafe { ffi::PyType_FromSpec(&mut spec) };
        // SAFETY: a new reference, or null with an error set.
        Ok(unsafe { Bound::from_owned_ptr_or_err(py, made) }?.unbind())
    }
}
