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

/// What came of an object's slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// How many were changed.
    pub(crate) changed: u32,
    /// Whether one of them may look different next time though no object was loaded meanwhile.
    pub(crate) is_pending: bool,
}

impl Changes {
    /// These and those.
    pub(crate) fn and(self, more: Self) -> Self {
        Self {
            changed: self.changed + more.changed,
            is_pending: self.is_pending || more.is_pending,
        }
    }
}

/// Brings the slots of an object in line.
pub(crate) fn change<M: Memory>(
    object: &Object<'_, M>,
    names: &[&[u8]],
    functions: &[Function],
    mappings: &Mappings,
    direction: Direction,
) -> Changes {
    let mut all = Changes::default();
    object.imports(names, |import| {
        if let Some(function) = functions.get(import.name) {
            let access = access(object, mappings, import.slot);
            all = all.and(turn(object, &import, *function, direction, access));
        }
    });
    all
}

/// How the slot's page can be accessed, `None` where it must not be touched.
fn access<M: Memory>(object: &Object<'_, M>, mappings: &Mappings, slot: usize) -> Option<Access> {
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
    access: Option<Access>,
) -> Changes {
    // SAFETY: an aligned word in a writable segment of a loaded object, which stays loaded while the loader
    // shows it. Everybody accesses it as one word.
    let slot = unsafe { AtomicUsize::from_ptr(with_exposed_provenance_mut(import.slot)) };
    let found = slot.load(Acquire);
    // Before its first call a slot leads back into its own object, where the loader is called. That may be
    // going on just now, in which case its own word is the last.
    let is_uncalled = import.is_jump && object.holds_code(found);
    let wanted = match direction {
        Direction::In if function.real == 0 || found == function.own => return Changes::default(),
        Direction::In if found == function.real || is_uncalled => function.own,
        Direction::Out if found == function.own => function.real,
        // Somebody else's, unless it is a place in its own object that the loader has yet to move.
        _ => {
            let moved = object.base.wrapping_add(found);
            let is_pending = object.base != 0 && object.holds(moved);
            return Changes {
                changed: 0,
                is_pending,
            };
        }
    };
    let exchange = || slot.compare_exchange(found, wanted, AcqRel, Acquire);
    let is_changed =
        access.is_some_and(|access| with_access(import.slot, access, || exchange().is_ok()));
    Changes {
        changed: is_changed.into(),
        is_pending: !is_changed || is_uncalled,
    }
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
