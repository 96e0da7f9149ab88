//! Brings the pulse into a program that runs already; see [`loopscope_recorder::hooking`].
//!
//! Nothing here decides: the Python package says when, and what to make of the outcome.
#![expect(
    unsafe_code,
    reason = "loads an object and calls what it exports by name"
)]

use std::ffi::{CStr, CString, c_void};
use std::ptr::null;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::sleep;
use std::time::Duration;

use loopscope_recorder::hooking::{
    HOOK_SYMBOL, Hook, HookSpec, Hooked, NOTE_TURN_SYMBOL, NoteTurn, UNHOOK_SYMBOL, Unhook, VERSION,
};
use loopscope_recorder::refusal::{PAGE_SYMBOL, Refusal};
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;

use crate::process;

/// A recording is waited for this often, for so long: it is made in a millisecond, on a busy machine in some more.
const MOST_WAITS: u32 = 1_000;
const WAIT: Duration = Duration::from_millis(1);

/// What to hook with, once that is settled.
static SETTLED: OnceLock<Settled> = OnceLock::new();

/// What the pulse is told. Kept, since each call says it again.
struct Settled {
    run_id: u64,
    stall_threshold_nanos: u64,
    service: CString,
}

/// An address inside the object that watches from within, 0 for none: its polls are not the program's.
static OWN: AtomicUsize = AtomicUsize::new(0);

/// Loads the pulse, unless this process has one, and settles what the recording will say. The first call that
/// succeeds decides.
#[pyfunction]
pub(crate) fn load_pulse(
    path: &str,
    run_id: u64,
    service: &str,
    stall_threshold_nanos: u64,
    own: usize,
) -> PyResult<()> {
    let service = CString::new(service.replace('\0', " ")).unwrap_or_default();
    let path = CString::new(path).map_err(|_| PyOSError::new_err("a path with a zero in it"))?;
    // For good: loops of this process call into it as long as they turn.
    let how = libc::RTLD_NOW | libc::RTLD_GLOBAL | libc::RTLD_NODELETE;
    // SAFETY: loads our own object, whose constructors may run in any program.
    let object = unsafe { libc::dlopen(path.as_ptr(), how) };
    if object.is_null() {
        return Err(PyOSError::new_err(loader_error()));
    }
    SETTLED.get_or_init(|| Settled {
        run_id,
        stall_threshold_nanos,
        service,
    });
    if own != 0 {
        OWN.store(own, Relaxed);
    }
    Ok(())
}

/// Hooks whatever polls and is not hooked yet. Does nothing where no pulse was loaded by [`load_pulse`].
#[pyfunction]
pub(crate) fn hook() -> PyResult<()> {
    let Some(settled) = SETTLED.get() else {
        return Ok(());
    };
    // SAFETY: the symbol has this type in all versions of the pulse that have it.
    let Some(hook) = (unsafe { exported::<Hook>(HOOK_SYMBOL) }) else {
        return Err(PyRuntimeError::new_err("this pulse is of another version"));
    };
    let spec = HookSpec {
        version: VERSION,
        run_id: settled.run_id,
        stall_threshold_nanos: settled.stall_threshold_nanos,
        slow_threshold_nanos: 0,
        service: settled.service.as_ptr(),
        folder: null(),
        own: OWN.load(Relaxed) as *const c_void,
    };
    // SAFETY: the spec's strings live as long as the process.
    let code = unsafe { hook(&spec) };
    match Hooked::of_code(code) {
        Hooked::Slots(_) | Hooked::Present | Hooked::Busy => Ok(()),
        Hooked::Unsupported => Err(PyRuntimeError::new_err(
            "loops cannot be stamped on this machine",
        )),
        Hooked::UnknownSpec => Err(PyRuntimeError::new_err("this pulse is of another version")),
        Hooked::Failed => Err(PyRuntimeError::new_err(
            "the modules that poll cannot be hooked",
        )),
    }
}

/// Takes the hooks out again.
#[pyfunction]
pub(crate) fn unhook() {
    // SAFETY: the symbol has this type in all versions of the pulse that have it.
    if let Some(unhook) = unsafe { exported::<Unhook>(UNHOOK_SYMBOL) } {
        unhook();
    }
}

/// The calling thread is in a turn of the loop that polls this descriptor.
#[pyfunction]
pub(crate) fn note_turn(descriptor: i32) {
    // SAFETY: the symbol has this type in all versions of the pulse that have it.
    if let Some(note_turn) = unsafe { exported::<NoteTurn>(NOTE_TURN_SYMBOL) } {
        note_turn(descriptor);
    }
}

/// Why this process has no recording, in words; `None` where it has one. Waits, without the interpreter's lock, for a
/// thread that is just making it.
#[pyfunction]
pub(crate) fn refusal(py: Python<'_>) -> Option<String> {
    for _ in 0..MOST_WAITS {
        if process::bind().recording.is_some() {
            return None;
        }
        if let Some(refused) = refusal_code().and_then(Refusal::of_code) {
            return Some(format!("{}; {}", refused.reason(), refused.hint()));
        }
        py.detach(|| sleep(WAIT));
    }
    Some("it has no recording".to_owned())
}

fn refusal_code() -> Option<u32> {
    let name = CString::new(PAGE_SYMBOL).ok()?;
    let page = look_up(&name).cast::<*const u32>();
    // SAFETY: null, or the pulse's own pointer, which never changes once the pulse is loaded.
    let page = unsafe { page.as_ref() }?;
    // SAFETY: null, or the page whose first word is the code; other threads may set it, whole.
    unsafe { page.as_ref() }.copied()
}

/// # Safety
/// `F` is the type of the function of that name.
unsafe fn exported<F: Copy>(name: &CStr) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    let found = look_up(name);
    // SAFETY: a function pointer, as large as the address, by the caller's word.
    (!found.is_null()).then(|| unsafe { std::mem::transmute_copy::<*mut c_void, F>(&found) })
}

fn look_up(name: &CStr) -> *mut c_void {
    // SAFETY: looks a name up among the global symbols.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    // SAFETY: takes nothing. It clears the failure that a missing name left, which is not the program's.
    unsafe { libc::dlerror() };
    found
}

fn loader_error() -> String {
    // SAFETY: takes nothing; the text is this thread's own until the next call of the loader.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "the pulse cannot be loaded".to_owned();
    }
    // SAFETY: a string of the C library that ends with a zero.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}
