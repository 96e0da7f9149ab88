//! Puts our functions in front of functions that types and methods of C modules have in their slots.
//!
//! Every place is proved before it is changed: what stands there must be what the interpreter says stands
//! there. It is changed by the kernel, which refuses where memory cannot be written and so cannot crash us.
#![expect(unsafe_code, reason = "changes slots of C types")]

use std::ffi::{CStr, c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::Ordering::{Acquire, Release};

use pyo3::types::{PyAnyMethods, PyType};
use pyo3::{Bound, PyAny, ffi};

/// In `PyTypeObject`, of 3.9 to 3.14 on 64-bit systems.
const TP_CALL: usize = 128;
const TP_INIT: usize = 296;
const TP_FINALIZE: usize = 392;

/// In the object that shows a type's slot as a method.
const D_WRAPPED: usize = 48;

/// In `PyTypeObject`: two numbers that the interpreter shows, and behind them what frees an object.
const TP_BASICSIZE: usize = 32;
const TP_ITEMSIZE: usize = 40;
const TP_DEALLOC: usize = 48;

/// In a function that is written in C: its definition; and in that, the function and how it is called.
const M_ML: usize = 16;
const ML_METH: usize = 8;
const ML_FLAGS: usize = 16;

/// In a method that is written in C: the type that has it, its name, its definition.
const D_TYPE: usize = 16;
const D_NAME: usize = 24;
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

/// How a function that is written in C gets its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// In a tuple.
    Tuple,
    /// In a tuple and a dictionary.
    Named,
    /// In a row.
    Row,
    /// In a row, with the names of the last of them.
    NamedRow,
    /// One, or none.
    Single,
}

impl Shape {
    fn of(flags: c_int) -> Option<Self> {
        const NAMED: c_int = ffi::METH_VARARGS | ffi::METH_KEYWORDS;
        const NAMED_ROW: c_int = METH_FASTCALL | ffi::METH_KEYWORDS;
        match flags & !ffi::METH_COEXIST {
            ffi::METH_VARARGS => Some(Self::Tuple),
            NAMED => Some(Self::Named),
            METH_FASTCALL => Some(Self::Row),
            NAMED_ROW => Some(Self::NamedRow),
            ffi::METH_O | ffi::METH_NOARGS => Some(Self::Single),
            _ => None,
        }
    }
}

/// What pyo3 does not name for the stable interface of 3.9.
const METH_FASTCALL: c_int = 0x80;

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

/// Takes a function of a module, or a method of a type, in the definition that all its users share. `ours`
/// gives the function to put there, by how it is called.
pub(crate) fn take_definition(
    owner: &Bound<'_, PyAny>,
    function: &Bound<'_, PyAny>,
    name: &str,
    original: &Original,
    ours: impl FnOnce(Shape) -> Option<*const c_void>,
) -> bool {
    let Some(definition) = definition_of(owner, function, name) else {
        return false;
    };
    // SAFETY: every definition is larger than that.
    let function = unsafe { read(definition + ML_METH) };
    // SAFETY: as above; a number of half a word.
    let flags = unsafe { read(definition + ML_FLAGS) } as c_int;
    let Some(ours) = Shape::of(flags).and_then(ours) else {
        return false;
    };
    if original.is_taken() || function == 0 {
        return false;
    }
    original
        .0
        .store(std::ptr::with_exposed_provenance_mut(function), Release);
    poke(definition + ML_METH, ours.addr())
}

/// The definition of a function or method that is written in C, proved by its name.
fn definition_of(
    owner: &Bound<'_, PyAny>,
    function: &Bound<'_, PyAny>,
    name: &str,
) -> Option<usize> {
    let address = function.as_ptr().addr();
    let offset = if is_of_type(function, "method_descriptor") {
        let shown = function.getattr("__name__").ok()?;
        // SAFETY: a method's descriptor is larger than that.
        let kind = unsafe { read(address + D_TYPE) };
        // SAFETY: as above.
        let named = unsafe { read(address + D_NAME) };
        let is_known = kind == owner.as_ptr().addr() && named == shown.as_ptr().addr();
        is_known.then_some(D_METHOD)?
    } else {
        is_of_type(function, "builtin_function_or_method").then_some(M_ML)?
    };
    // SAFETY: a function that is written in C is larger than that.
    let definition = unsafe { read(address + offset) };
    if definition == 0 {
        return None;
    }
    // SAFETY: a definition begins with the address of its name.
    let known = unsafe { read(definition) };
    if known == 0 {
        return None;
    }
    // SAFETY: the name of a definition ends with a zero.
    let known = unsafe { CStr::from_ptr(std::ptr::with_exposed_provenance(known)) };
    (known.to_bytes() == name.as_bytes()).then_some(definition)
}

/// Takes what frees the objects of a type, and those of types that are derived from it.
pub(crate) fn take_deallocator(
    kind: &Bound<'_, PyType>,
    original: &Original,
    ours: *const c_void,
) -> bool {
    let address = kind.as_ptr().addr();
    let is_there = |name: &str, offset: usize| {
        let shown = kind.getattr(name).and_then(|size| size.extract::<usize>());
        // SAFETY: type objects are larger than that.
        shown.is_ok_and(|shown| unsafe { read(address + offset) } == shown)
    };
    if !is_there("__basicsize__", TP_BASICSIZE) || !is_there("__itemsize__", TP_ITEMSIZE) {
        return false;
    }
    // SAFETY: as above.
    let function = unsafe { read(address + TP_DEALLOC) };
    if original.is_taken() || function == 0 {
        return false;
    }
    original
        .0
        .store(std::ptr::with_exposed_provenance_mut(function), Release);
    poke(address + TP_DEALLOC, ours.addr())
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
    if !is_of_type(&shown, "method_descriptor") {
        return None;
    }
    let definition = definition_of(kind.as_any(), &shown, text)?;
    // SAFETY: every definition is larger than that; a number of half a word.
    let flags = unsafe { read(definition + ML_FLAGS) } as c_int;
    Some(MethodPlace { flags, definition })
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
    is_of_type(shown, "wrapper_descriptor")
}

fn is_of_type(object: &Bound<'_, PyAny>, name: &str) -> bool {
    let known = object.get_type().getattr("__name__");
    known
        .and_then(|known| known.extract::<String>())
        .is_ok_and(|known| known == name)
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
