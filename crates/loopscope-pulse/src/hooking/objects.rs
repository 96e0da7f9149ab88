//! The objects that are loaded into this process.
#![expect(
    unsafe_code,
    reason = "asks the loader for its objects and reads them by their addresses"
)]

use std::ffi::{c_int, c_void};
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::with_exposed_provenance;
use std::slice;

use libc::{dl_iterate_phdr, dl_phdr_info};

use super::elf::{Memory, Object};

/// The memory of this process.
pub(crate) struct Live;

impl Memory for Live {
    unsafe fn copy(&self, address: usize, into: &mut [u8]) {
        let from = with_exposed_provenance::<u8>(address);
        // SAFETY: by contract mapped for reading, and mapped it stays while the loader's lock is held. The
        // loader itself may be writing to an object that another thread is just loading: whatever is
        // read then is only compared with what is known.
        unsafe { from.copy_to_nonoverlapping(into.as_mut_ptr(), into.len()) };
    }
}

/// Shows every loaded object, in the loader's order, which holds its lock meanwhile: none of them goes
/// away. False where a visit failed; no other object is visited then.
pub(crate) fn walk<Visit: FnMut(&Object<'_, Live>)>(mut visit: Visit) -> bool {
    let data = (&raw mut visit).cast::<c_void>();
    // SAFETY: the callback is for a visitor of this very type, which outlives the call.
    unsafe { dl_iterate_phdr(Some(show::<Visit>), data) == 0 }
}

/// # Safety
/// `info` is the loader's, `visitor` is the address of a `Visit` that nobody else uses.
unsafe extern "C" fn show<Visit: FnMut(&Object<'_, Live>)>(
    info: *mut dl_phdr_info,
    _bytes: usize,
    visitor: *mut c_void,
) -> c_int {
    // SAFETY: by contract.
    let visit = unsafe { &mut *visitor.cast::<Visit>() };
    // SAFETY: by contract.
    let info = unsafe { &*info };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the loader's own headers of a loaded object, whose number it tells.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let object = Object {
        base: info.dlpi_addr as usize,
        headers,
        memory: Live,
    };
    // Nothing may unwind through the loader.
    c_int::from(catch_unwind(AssertUnwindSafe(|| visit(&object))).is_err())
}

/// How many objects were ever loaded, 0 where the loader does not tell. It tells after each one that it has
/// added to its list.
pub(crate) fn additions() -> u64 {
    let mut additions = 0u64;
    // SAFETY: the callback is for a number, which outlives the call.
    unsafe { dl_iterate_phdr(Some(note_additions), (&raw mut additions).cast()) };
    additions
}

/// # Safety
/// `info` is the loader's, of this many bytes; `additions` is the address of a `u64` that nobody else uses.
unsafe extern "C" fn note_additions(
    info: *mut dl_phdr_info,
    bytes: usize,
    additions: *mut c_void,
) -> c_int {
    if bytes >= offset_of!(dl_phdr_info, dlpi_subs) {
        // SAFETY: by contract, and the loader's version has the field.
        let found = unsafe { (*info).dlpi_adds };
        // SAFETY: by contract.
        unsafe { *additions.cast::<u64>() = found };
    }
    // One is enough.
    1
}

/// Whether the object of one address comes before that of another in the loader's list.
pub(crate) fn comes_before(one: usize, other: usize) -> bool {
    let mut is_before = None;
    walk(|object| {
        if is_before.is_none() && (object.holds(one) || object.holds(other)) {
            is_before = Some(object.holds(one));
        }
    });
    is_before == Some(true)
}
