//! Who called: the frames of the running thread, innermost first, without making frame objects.
//!
//! A frame object costs about 100 ns to make from 3.11 on, and a task's creation must not cost that for
//! each frame on the way to its site. So frames are read where the interpreter has them. Before that is
//! relied on, what is read is compared with what the interpreter's own functions say; where the two differ,
//! and for versions that are not known, these functions are used.
#![expect(unsafe_code, reason = "reads the interpreter's frames")]

mod layout;

use std::ffi::c_int;
use std::ops::ControlFlow;
use std::ptr::NonNull;

use pyo3::ffi::{self, PyFrameObject, PyObject};
use pyo3::{Bound, PyAny, Python};

use crate::symbols::symbols;
use layout::{FrameLayout, Instruction};

/// The low bits of a pointer to a code object that the interpreter may use for itself.
const TAG_BITS: usize = 7;

/// Frames that are compared before reading them is relied on.
const FRAMES_COMPARED: usize = 4;

/// Where a frame stands: its code object, and a position in it that only [`Walker::line`] understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// The address of the code object, which the frame keeps alive.
    pub(crate) code: NonNull<PyObject>,
    position: usize,
}

// SAFETY: a place is two numbers; nobody follows the address without the interpreter's lock.
unsafe impl Send for Place {}

impl Place {
    /// The beginning of a code object, as a place that no frame stands at.
    pub(crate) fn begin_of(code: NonNull<PyObject>) -> Self {
        Self {
            code,
            position: usize::MAX,
        }
    }

    /// Whether this is [`Self::begin_of`].
    pub(crate) fn is_begin(&self) -> bool {
        self.position == usize::MAX
    }

    /// The code object.
    ///
    /// # Safety
    /// The frame is still there, or somebody else keeps its code object.
    pub(crate) unsafe fn code_object<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        // SAFETY: by contract the object lives.
        unsafe { Bound::from_borrowed_ptr(py, self.code.as_ptr()) }
    }
}

/// The way to a thread's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walker {
    /// Reads them where they are.
    Direct(FrameLayout),
    /// Asks the interpreter for frame objects.
    Asking,
}

impl Walker {
    /// The best one that works in this interpreter. Called from Python code, so that there are frames.
    pub(crate) fn new(py: Python<'_>) -> Self {
        let version = py.version_info();
        let known = (version.major == 3).then(|| layout::of_minor(version.minor));
        let direct = known.flatten().map(Self::Direct);
        let asked = Self::Asking.outline(py);
        direct
            .filter(|direct| !asked.is_empty() && direct.outline(py) == asked)
            .unwrap_or(Self::Asking)
    }

    /// Shows each frame of the calling thread, innermost first, until `visit` breaks off.
    #[inline]
    pub(crate) fn walk<B>(
        &self,
        py: Python<'_>,
        visit: impl FnMut(Place) -> ControlFlow<B>,
    ) -> Option<B> {
        match self {
            Self::Direct(layout) => walk_directly(py, layout, visit),
            Self::Asking => walk_asking(py, visit),
        }
    }

    /// The source line of a place; 0 where it has none.
    ///
    /// # Safety
    /// The place's code object lives, and this walker found it.
    pub(crate) unsafe fn line(&self, place: Place) -> u32 {
        let Self::Direct(layout) = self else {
            return u32::try_from(place.position).unwrap_or(0);
        };
        let bytes = match layout.instruction {
            Instruction::Index { unit_bytes, .. } => {
                (place.position as c_int).wrapping_mul(unit_bytes)
            }
            Instruction::Pointer { instructions, .. } => {
                let begin = place.code.addr().get().wrapping_add(instructions);
                place.position.wrapping_sub(begin) as c_int
            }
        };
        let Some(code_line) = symbols().code_line else {
            return 0;
        };
        // SAFETY: by contract the code object lives; any offset is looked up in its table only.
        let line = unsafe { code_line(place.code.as_ptr(), bytes) };
        u32::try_from(line).unwrap_or(0)
    }

    /// Code and line of the innermost frames.
    fn outline(&self, py: Python<'_>) -> Vec<(NonNull<PyObject>, u32)> {
        let mut found = Vec::new();
        self.walk(py, |place| {
            // SAFETY: the frame is being visited, so its code object lives; found by this walker.
            found.push((place.code, unsafe { self.line(place) }));
            if found.len() < FRAMES_COMPARED {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        found
    }
}

#[inline]
fn walk_directly<B>(
    _: Python<'_>,
    layout: &FrameLayout,
    mut visit: impl FnMut(Place) -> ControlFlow<B>,
) -> Option<B> {
    // SAFETY: the interpreter's lock is held, so there is a thread state.
    let thread = unsafe { ffi::PyThreadState_Get() }.addr();
    // SAFETY: a field of the thread state, at an offset that was tried out.
    let mut frame = unsafe { word(thread, layout.innermost) };
    if let Some(offset) = layout.through {
        // SAFETY: a field of the structure that the thread state points to; see above.
        frame = unsafe { word(frame, offset) };
    }
    while frame != 0 {
        // SAFETY: a frame of the running thread, which stays as long as we run in its innermost call.
        if let Some(place) = unsafe { place_of(frame, layout) }
            && let ControlFlow::Break(found) = visit(place)
        {
            return Some(found);
        }
        // SAFETY: as above.
        frame = unsafe { word(frame, layout.previous) };
    }
    None
}

/// # Safety
/// The address is that of a frame with this layout.
#[inline]
unsafe fn place_of(frame: usize, layout: &FrameLayout) -> Option<Place> {
    if let Some((offset, without_code)) = layout.owner {
        // SAFETY: a byte of the frame.
        let owner = unsafe { *std::ptr::with_exposed_provenance::<u8>(frame + offset) };
        if owner >= without_code {
            return None;
        }
    }
    // SAFETY: a field of the frame.
    let code = unsafe { word(frame, layout.code) } & !TAG_BITS;
    let position = match layout.instruction {
        Instruction::Pointer { offset, .. } => {
            // SAFETY: a field of the frame.
            unsafe { word(frame, offset) }
        }
        Instruction::Index { offset, .. } => {
            // SAFETY: a field of the frame, half a word wide.
            (unsafe { *std::ptr::with_exposed_provenance::<u32>(frame + offset) }) as usize
        }
    };
    let code = NonNull::new(std::ptr::with_exposed_provenance_mut(code))?;
    Some(Place { code, position })
}

/// # Safety
/// There is a word at this offset from the address.
#[inline]
unsafe fn word(address: usize, offset: usize) -> usize {
    // SAFETY: by contract; aligned as all fields of its size are.
    unsafe { *std::ptr::with_exposed_provenance::<usize>(address + offset) }
}

#[cold]
fn walk_asking<B>(py: Python<'_>, mut visit: impl FnMut(Place) -> ControlFlow<B>) -> Option<B> {
    // SAFETY: the lock is held; the result is borrowed from the running thread, or null.
    let innermost = unsafe { ffi::PyEval_GetFrame() };
    // SAFETY: borrowed from the thread, as said above.
    let mut frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, innermost.cast()) };
    while let Some(current) = frame {
        let place = asked_place(&current)?;
        if let ControlFlow::Break(found) = visit(place) {
            return Some(found);
        }
        frame = asked_caller(&current);
    }
    None
}

fn asked_place(frame: &Bound<'_, PyAny>) -> Option<Place> {
    let pointer = frame.as_ptr().cast::<PyFrameObject>();
    // SAFETY: a living frame object.
    let code = unsafe { symbols().frame_code?(pointer) };
    // SAFETY: a new reference. The frame keeps its code object, so ours need not stay.
    let code = unsafe { Bound::from_owned_ptr_or_opt(frame.py(), code) }?;
    // SAFETY: a living frame object.
    let line = unsafe { symbols().frame_line?(pointer) };
    Some(Place {
        code: NonNull::new(code.as_ptr())?,
        position: usize::try_from(line).unwrap_or(0),
    })
}

fn asked_caller<'py>(frame: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    // SAFETY: a living frame object.
    let caller = unsafe { symbols().frame_back?(frame.as_ptr().cast()) };
    // SAFETY: a new reference, or null.
    unsafe { Bound::from_owned_ptr_or_opt(frame.py(), caller.cast()) }
}
