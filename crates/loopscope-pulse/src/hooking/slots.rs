//! Changes import slots while other threads jump through them.
//!
//! A slot is one aligned word, exchanged in one go: whoever jumps through it meanwhile finds the old
//! function or the new one. Where the loader has made its page read-only, the page is made writable for as
//! long as that takes, and read-only again; whoever only reads it notices neither.
//!
//! A page that the loader will yet make read-only, because another thread is just loading the object, is
//! left alone: it might become so right before we write to it, or be made so by us while the loader still
//! writes. The next call finds it settled.
#![expect(
    unsafe_code,
    reason = "writes to slots by their addresses, and changes the access to their pages"
)]

use std::ptr::with_exposed_provenance_mut;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Acquire};

use super::elf::{Import, Memory, Object, PAGE_BYTES};
use super::mappings::{Access, Mappings};

/// A function that the pulse stands in for, by addresses.
#[derive(Clone, Copy)]
pub(crate) struct Function {
    /// The pulse's.
    pub(crate) own: usize,
    /// The one that is stood in for; 0 where the process has none.
    pub(crate) real: usize,
}

/// What to do with the slots.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The pulse's function in.
    In,
    /// The real function back in.
    Out,
}

/// Brings the slots of an object in line; returns how many were changed.
pub(crate) fn change<M: Memory>(
    object: &Object<'_, M>,
    names: &[&[u8]],
    functions: &[Function],
    mappings: &Mappings,
    direction: Direction,
) -> u32 {
    let mut changed = 0;
    object.imports(names, |import| {
        let function = functions.get(import.name);
        let is_changed = function.is_some_and(|function| {
            is_settled(object, mappings, import.slot)
                .is_some_and(|access| turn(object, &import, *function, direction, access))
        });
        changed += u32::from(is_changed);
    });
    changed
}

/// How the slot's page can be accessed, `None` where it must not be touched.
fn is_settled<M>(object: &Object<'_, M>, mappings: &Mappings, slot: usize) -> Option<Access>
where
    M: Memory,
{
    match mappings.access(slot)? {
        Access::Write if object.seals(slot) => None,
        Access::Other => None,
        access => Some(access),
    }
}

fn turn<M: Memory>(
    object: &Object<'_, M>,
    import: &Import,
    function: Function,
    direction: Direction,
    access: Access,
) -> bool {
    // SAFETY: an aligned word in a writable segment of a loaded object, which stays loaded while the loader
    // shows it. Everybody accesses it as one word.
    let slot = unsafe { AtomicUsize::from_ptr(with_exposed_provenance_mut(import.slot)) };
    // Twice: a first call through the slot may put the real address in between.
    (0..2).any(|_| {
        let found = slot.load(Acquire);
        // Before its first call a slot leads back into its own object, where the loader is called.
        let is_real = || found == function.real || import.is_jump && object.holds_code(found);
        let wanted = match direction {
            Direction::In if function.real != 0 && found != function.own && is_real() => {
                function.own
            }
            Direction::Out if found == function.own => function.real,
            // Somebody else's, or done already.
            _ => return false,
        };
        with_access(import.slot, access, || {
            slot.compare_exchange(found, wanted, AcqRel, Acquire)
                .is_ok()
        })
    })
}

/// Writes to a page. False also where the kernel will not have it.
fn with_access(slot: usize, access: Access, write: impl FnOnce() -> bool) -> bool {
    if access == Access::Write {
        return write();
    }
    let is_open = protect(slot, libc::PROT_READ | libc::PROT_WRITE);
    let is_written = is_open && write();
    if is_open {
        protect(slot, libc::PROT_READ);
    }
    is_written
}

fn protect(slot: usize, access: i32) -> bool {
    let page = with_exposed_provenance_mut(slot & !(PAGE_BYTES - 1));
    // SAFETY: a page of a loaded object's data, which was readable before and stays so.
    unsafe { libc::mprotect(page, PAGE_BYTES, access) == 0 }
}
