//! Puts our functions in front of functions that types and methods of C modules have in their slots.
//!
//! Every place is proved before it is changed: what stands there must be what the interpreter says stands
//! there. It is changed by the kernel, which refuses where memory cannot be written and so cannot crash us.
#![expect(unsafe_code, reason = "changes slots of C types")]

use std::ffi::{CStr, c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::Ordering::{Acquire, Release};

use pyo3::types::{PyAnyMethods, PyType, PyTypeMethods};
use pyo3::{Bound, PyAny, ffi};

/// In `PyTypeObject`, of 3.9 to 3.14 on 64-bit systems.
const TP_CALL: usize = 128;
const TP_INIT: usize = 296;
const TP_FINALIZE: usize = 392;

/// In the object that shows a type's slot as a method.
const D_WRAPPED: usize = 48;

/// In a function that is written in C: its definition; and in that, the function.
const M_ML: usize = 16;
const ML_METH: usize = 8;
const ML_FLAGS: usize = 16;

/// In the object that shows a method of a type that is written in C: the type, and the method's definition.
const D_TYPE: usize = 16;
const D_METHOD: usize = 40;

/// A slot of a type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TypeSlot {
    Call,
    Init,
    Finalize,
}

impl TypeSlot {
    fn offset(self) -> usize {
        match self {
            Self::Call => TP_CALL,
            Self::Init => TP_INIT,
            Self::Finalize => TP_FINALIZE,
        }
    }

    fn shown_as(self) -> &'static str {
        match self {
            Self::Call => "__call__",
            Self::Init => "__init__",
            Self::Finalize => "__del__",
        }
    }
}

/// What stood in a slot before.
pub(crate) struct Original(AtomicPtr<c_void>);

impl Original {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    /// The function; `None` before the slot was taken.
    ///
    /// # Safety
    /// `F` is the type of the slot's function.
    #[inline]
    pub(crate) unsafe fn function<F: Copy>(&self) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        let found = self.0.load(Acquire);
        // SAFETY: by contract the type of the function that stood in the slot.
        (!found.is_null()).then(|| unsafe { std::mem::transmute_copy::<*mut c_void, F>(&found) })
    }

    fn is_taken(&self) -> bool {
        !self.0.load(Acquire).is_null()
    }
}

/// Takes a slot of a type. False, with nothing changed, where it is not where it was expected.
pub(crate) fn take_type_slot(
    kind: &Bound<'_, PyType>,
    slot: TypeSlot,
    original: &Original,
    ours: *const c_void,
) -> bool {
    let Ok(shown) = kind
        .getattr("__dict__")
        .and_then(|dict| dict.get_item(slot.shown_as()))
    else {
        return false;
    };
    if original.is_taken() || !is_wrapper(&shown) {
        return false;
    }
    let in_type = kind.as_ptr().addr() + slot.offset();
    let in_shown = shown.as_ptr().addr() + D_WRAPPED;
    // SAFETY: type objects are larger than that.
    let function = unsafe { read(in_type) };
    // SAFETY: a slot's wrapper is larger than that.
    if function == 0 || unsafe { read(in_shown) } != function {
        return false;
    }
    original
        .0
        .store(std::ptr::with_exposed_provenance_mut(function), Release);
    // What calls the method by its name finds us too.
    let is_taken = poke(in_type, ours.addr());
    if is_taken {
        poke(in_shown, ours.addr());
    }
    is_taken
}

/// Takes a function of one argument that is written in C, for all objects that are made of its definition.
pub(crate) fn take_method(
    method: &Bound<'_, PyAny>,
    original: &Original,
    ours: *const c_void,
) -> bool {
    // SAFETY: a living object.
    if original.is_taken() || unsafe { ffi::PyCFunction_Check(method.as_ptr()) } == 0 {
        return false;
    }
    // SAFETY: a function that is written in C.
    let flags = unsafe { ffi::PyCFunction_GetFlags(method.as_ptr()) };
    // SAFETY: as above.
    let function = unsafe { ffi::PyCFunction_GetFunction(method.as_ptr()) };
    let function = function.map_or(0, |function| function as usize);
    // SAFETY: such an object is larger than that.
    let definition = unsafe { read(method.as_ptr().addr() + M_ML) };
    if flags != ffi::METH_O || function == 0 || definition == 0 {
        return false;
    }
    // SAFETY: every definition is larger than that.
    if unsafe { read(definition + ML_METH) } != function {
        return false;
    }
    original
        .0
        .store(std::ptr::with_exposed_provenance_mut(function), Release);
    poke(definition + ML_METH, ours.addr())
}

/// What is known of a method of a type that is written in C, where it is laid out as we know it.
pub(crate) struct MethodPlace {
    /// How it wants to be called.
    pub(crate) flags: c_int,
    definition: usize,
}

/// Finds a method among a type's own ones. `None` where it is not where it was expected.
pub(crate) fn find_method(kind: &Bound<'_, PyType>, name: &CStr) -> Option<MethodPlace> {
    let text = name.to_str().ok()?;
    let shown = kind.getattr("__dict__").ok()?.get_item(text).ok()?;
    let is_descriptor = shown
        .get_type()
        .name()
        .is_ok_and(|name| name == "method_descriptor");
    if !is_descriptor {
        return None;
    }
    let shown_at = shown.as_ptr().addr();
    // SAFETY: such an object is larger than that.
    let of_kind = unsafe { read(shown_at + D_TYPE) };
    // SAFETY: as above.
    let definition = unsafe { read(shown_at + D_METHOD) };
    if of_kind != kind.as_ptr().addr() || definition == 0 {
        return None;
    }
    // SAFETY: the object begins as it was expected to, so it goes on with its definition.
    let named = unsafe { read(definition) };
    // SAFETY: a definition begins with its name, which ends with a zero.
    let named = unsafe { CStr::from_ptr(std::ptr::with_exposed_provenance(named)) };
    // SAFETY: every definition is larger than that.
    let flags = unsafe { read(definition + ML_FLAGS) } as c_int;
    (named == name).then_some(MethodPlace { flags, definition })
}

impl MethodPlace {
    /// Takes the method. False where that was done before, or its definition cannot be written.
    pub(crate) fn take(&self, original: &Original, ours: *const c_void) -> bool {
        // SAFETY: every definition is larger than that.
        let function = unsafe { read(self.definition + ML_METH) };
        if original.is_taken() || function == 0 {
            return false;
        }
        original
            .0
            .store(std::ptr::with_exposed_provenance_mut(function), Release);
        poke(self.definition + ML_METH, ours.addr())
    }
}

fn is_wrapper(shown: &Bound<'_, PyAny>) -> bool {
    let name = shown.get_type().getattr("__name__");
    name.and_then(|name| name.extract::<String>())
        .is_ok_and(|name| name == "wrapper_descriptor")
}

/// # Safety
/// There is a word at this address.
unsafe fn read(address: usize) -> usize {
    // SAFETY: by contract.
    unsafe { *std::ptr::with_exposed_provenance::<usize>(address) }
}

/// Has the kernel write a word. False where it cannot be written.
fn poke(address: usize, word: usize) -> bool {
    let mut pipe: [c_int; 2] = [-1; 2];
    // SAFETY: the pointer is to two numbers.
    if unsafe { libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return false;
    }
    let bytes = word.to_ne_bytes();
    // SAFETY: the pointer is to so many bytes.
    let written = unsafe { libc::write(pipe[1], bytes.as_ptr().cast(), bytes.len()) };
    let place = std::ptr::with_exposed_provenance_mut::<c_void>(address);
    // SAFETY: where the address cannot be written, the kernel says so and nothing happens.
    let read = unsafe { libc::read(pipe[0], place, bytes.len()) };
    for end in pipe {
        // SAFETY: opened above.
        unsafe { libc::close(end) };
    }
    written == bytes.len() as isize && read == written
}
