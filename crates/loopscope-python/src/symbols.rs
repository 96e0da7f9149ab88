//! Functions of the interpreter that its stable interface leaves out, looked up where the module is loaded.
//!
//! All of them have been exported with the same meaning since 3.9 or before; where one is missing some day,
//! what needs it is left out.
#![expect(unsafe_code, reason = "looks symbols up and gives them their types")]

use std::ffi::{CStr, c_int, c_void};
use std::mem::transmute_copy;
use std::sync::OnceLock;

use pyo3::ffi::{PyFrameObject, PyObject};

type CodeLine = unsafe extern "C" fn(*mut PyObject, c_int) -> c_int;
type FrameBack = unsafe extern "C" fn(*mut PyFrameObject) -> *mut PyFrameObject;
type FrameLine = unsafe extern "C" fn(*mut PyFrameObject) -> c_int;
type FrameCode = unsafe extern "C" fn(*mut PyFrameObject) -> *mut PyObject;
pub(crate) type Vectorcall = unsafe extern "C" fn(
    *mut PyObject,
    *const *mut PyObject,
    usize,
    *mut PyObject,
) -> *mut PyObject;
pub(crate) type VectorcallCall =
    unsafe extern "C" fn(*mut PyObject, *mut PyObject, *mut PyObject) -> *mut PyObject;
pub(crate) type VectorcallDict = unsafe extern "C" fn(
    *mut PyObject,
    *const *mut PyObject,
    usize,
    *mut PyObject,
) -> *mut PyObject;
type IsFinalizing = unsafe extern "C" fn() -> c_int;
/// Sends to a generator or coroutine: the result is one of [`Sent`].
pub(crate) type IterSend =
    unsafe extern "C" fn(*mut PyObject, *mut PyObject, *mut *mut PyObject) -> c_int;
pub(crate) type NewMethod = unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> *mut PyObject;

/// What came of sending.
pub(crate) struct Sent;

impl Sent {
    /// It returned.
    pub(crate) const RETURN: c_int = 0;
    /// An error is set.
    pub(crate) const ERROR: c_int = -1;
    /// It yielded.
    pub(crate) const NEXT: c_int = 1;
}

/// Each function, `None` where the interpreter has none of that name.
pub(crate) struct Symbols {
    pub(crate) code_line: Option<CodeLine>,
    pub(crate) frame_back: Option<FrameBack>,
    pub(crate) frame_line: Option<FrameLine>,
    pub(crate) frame_code: Option<FrameCode>,
    /// From 3.11 on.
    pub(crate) vectorcall: Option<Vectorcall>,
    pub(crate) vectorcall_dict: Option<VectorcallDict>,
    pub(crate) vectorcall_call: Option<VectorcallCall>,
    pub(crate) new_method: Option<NewMethod>,
    /// Without the underscore from 3.13 on.
    pub(crate) is_finalizing: Option<IsFinalizing>,
    /// From 3.10 on.
    pub(crate) iter_send: Option<IterSend>,
}

/// The functions, looked up once.
pub(crate) fn symbols() -> &'static Symbols {
    static SYMBOLS: OnceLock<Symbols> = OnceLock::new();
    SYMBOLS.get_or_init(|| {
        // SAFETY: each type is the function's own, as CPython's headers of 3.9 to 3.14 declare it.
        unsafe { look_up() }
    })
}

/// # Safety
/// The types of [`Symbols`] are those of the functions.
unsafe fn look_up() -> Symbols {
    Symbols {
        code_line: function(c"PyCode_Addr2Line"),
        frame_back: function(c"PyFrame_GetBack"),
        frame_line: function(c"PyFrame_GetLineNumber"),
        frame_code: function(c"PyFrame_GetCode"),
        vectorcall: function(c"PyObject_Vectorcall"),
        vectorcall_dict: function(c"PyObject_VectorcallDict"),
        vectorcall_call: function(c"PyVectorcall_Call"),
        new_method: function(c"PyMethod_New"),
        is_finalizing: function(c"Py_IsFinalizing").or_else(|| function(c"_Py_IsFinalizing")),
        iter_send: function(c"PyIter_Send"),
    }
}

fn function<F: Copy>(name: &CStr) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    // SAFETY: looks a name up among the objects that are loaded.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    // SAFETY: takes nothing. It clears the failure that a missing name left, which is not the program's.
    unsafe { libc::dlerror() };
    // SAFETY: `F` is a function pointer by this module's only caller, as large as the address.
    (!found.is_null()).then(|| unsafe { transmute_copy::<*mut c_void, F>(&found) })
}
