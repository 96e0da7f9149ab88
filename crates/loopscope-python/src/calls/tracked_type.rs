//! The type of tracked functions, as the interpreter wants it described.
#![expect(unsafe_code, reason = "makes a type from a specification")]

use std::ffi::{CStr, c_int, c_uint, c_void};
use std::mem::offset_of;
use std::ptr::{null, null_mut};

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;

use super::function::{self, Tracked};
use crate::gil::GilCell;
use crate::symbols::{VectorcallCall, symbols};

/// Flags of a type that pyo3 does not name for the stable interface: called fast, binds as a method.
const HAVE_VECTORCALL: c_uint = 1 << 11;
const METHOD_DESCRIPTOR: c_uint = 1 << 17;

static TYPE: GilCell<Option<Py<PyAny>>> = GilCell::new(None);

/// The type, made when it is first needed.
pub(super) fn tracked_type(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let known = TYPE.with(py, |known| Some(known.as_ref()?.clone_ref(py)));
    if let Some(known) = known.flatten() {
        return Ok(known);
    }
    if symbols().vectorcall_dict.is_none() || symbols().new_method.is_none() {
        return Err(PyRuntimeError::new_err(
            "this interpreter lacks what tracking needs",
        ));
    }
    let made = make_type(py)?;
    TYPE.with(py, |known| *known = Some(made.clone_ref(py)));
    Ok(made)
}

fn make_type(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let members = Box::leak(Box::new([
        member(c"__vectorcalloffset__", offset_of!(Tracked, vectorcall)),
        member(c"__weaklistoffset__", offset_of!(Tracked, weakly)),
        ffi::PyMemberDef::default(),
    ]));
    let methods = Box::leak(Box::new([
        ffi::PyMethodDef {
            ml_name: c"__reduce__".as_ptr(),
            ml_meth: ffi::PyMethodDefPointer {
                PyCFunction: function::reduce,
            },
            ml_flags: ffi::METH_NOARGS,
            ml_doc: null(),
        },
        ffi::PyMethodDef::zeroed(),
    ]));
    let shown = Box::leak(Box::new([
        ffi::PyGetSetDef {
            name: c"__wrapped__".as_ptr(),
            get: Some(function::wrapped),
            set: None,
            doc: null(),
            closure: null_mut(),
        },
        ffi::PyGetSetDef::default(),
    ]));
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let slots = Box::leak(Box::new([
        slot(ffi::Py_tp_members, members.as_mut_ptr().cast()),
        slot(ffi::Py_tp_methods, methods.as_mut_ptr().cast()),
        slot(ffi::Py_tp_getset, shown.as_mut_ptr().cast()),
        slot(
            ffi::Py_tp_call,
            function::call_slowly as VectorcallCall as *mut c_void,
        ),
        slot(
            ffi::Py_tp_repr,
            function::repr as ffi::reprfunc as *mut c_void,
        ),
        slot(
            ffi::Py_tp_descr_get,
            function::bind as ffi::descrgetfunc as *mut c_void,
        ),
        slot(
            ffi::Py_tp_getattro,
            function::get_attribute as ffi::getattrofunc as *mut c_void,
        ),
        slot(
            ffi::Py_tp_setattro,
            function::set_attribute as ffi::setattrofunc as *mut c_void,
        ),
        slot(
            ffi::Py_tp_traverse,
            function::traverse as ffi::traverseproc as *mut c_void,
        ),
        slot(
            ffi::Py_tp_clear,
            function::clear as ffi::inquiry as *mut c_void,
        ),
        slot(
            ffi::Py_tp_dealloc,
            function::dealloc as ffi::destructor as *mut c_void,
        ),
        slot(0, null_mut()),
    ]));
    let mut spec = ffi::PyType_Spec {
        name: c"loopscope._native.TrackedFunction".as_ptr(),
        basicsize: size_of::<Tracked>() as c_int,
        itemsize: 0,
        flags: ffi::Py_TPFLAGS_DEFAULT as c_uint
            | ffi::Py_TPFLAGS_HAVE_GC as c_uint
            | HAVE_VECTORCALL
            | METHOD_DESCRIPTOR,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: every table ends with an empty entry and lives for ever; each function has its slot's type.
    let made = unsafe { ffi::PyType_FromSpec(&mut spec) };
    // SAFETY: a new reference, or null with an error set.
    Ok(unsafe { Bound::from_owned_ptr_or_err(py, made) }?.unbind())
}

fn member(name: &'static CStr, offset: usize) -> ffi::PyMemberDef {
    ffi::PyMemberDef {
        name: name.as_ptr(),
        type_code: ffi::Py_T_PYSSIZET,
        offset: offset as ffi::Py_ssize_t,
        flags: ffi::Py_READONLY,
        doc: null(),
    }
}
