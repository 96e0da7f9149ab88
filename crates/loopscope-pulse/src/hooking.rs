//! Puts the pulse's functions into the import slots of a program that was started without the pulse.
//!
//! What [`crate::interpose`] and [`crate::ending`] do by their names where the object was preloaded, this
//! does for an object that was loaded later, when every module has found the C library's functions already.
//! See [`loopscope_recorder::hooking`] for what a caller must know.
//!
//! What it never touches: the C library, the loader, the pulse itself, the agent's own object, a slot that
//! holds a function of somebody else, and whatever another thread is just loading.
#![expect(
    unsafe_code,
    reason = "exports C functions, and looks others up by name"
)]

mod elf;
mod mappings;
mod objects;
mod slots;

use std::ffi::CStr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use loopscope_recorder::handover::SYMBOL;
use loopscope_recorder::hooking::{HookSpec, Hooked, VERSION};

use crate::handover::loopscope_pulse_hand_over;
use crate::real::StandIn;
use crate::{ending, interpose, process, thread};
use elf::Object;
use mappings::Mappings;
use objects::{Live, additions, walk};
use slots::{Changes, Direction, Function, change};

pub(crate) use objects::comes_before;

/// How many functions the pulse stands in for.
const FUNCTIONS: usize = interpose::STAND_INS.len() + ending::STAND_INS.len();

/// Addresses in the agents' objects, 0 for none.
static SPARED: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];

/// How many objects had ever been loaded when all were found to be hooked; 0 where that is not so.
static SEEN: AtomicU64 = AtomicU64::new(0);

/// See [`loopscope_recorder::hooking::Hook`].
///
/// # Safety
/// `spec` is null, or a spec whose pointers are null or valid.
#[unsafe(no_mangle)]
unsafe extern "C" fn loopscope_pulse_hook(spec: *const HookSpec) -> i32 {
    // SAFETY: by contract. The version comes first in all versions.
    let version = unsafe { spec.cast::<u64>().as_ref() };
    if version.is_some_and(|version| *version != VERSION) {
        return Hooked::UnknownSpec.code();
    }
    // SAFETY: by contract null or valid, and of this version.
    let spec = unsafe { spec.as_ref() };
    process::guarded(|| hook(spec))
        .unwrap_or(Hooked::Failed)
        .code()
}

/// See [`loopscope_recorder::hooking::Unhook`].
#[unsafe(no_mangle)]
extern "C" fn loopscope_pulse_unhook() -> i32 {
    process::guarded(unhook).unwrap_or(Hooked::Failed).code()
}

/// See [`loopscope_recorder::hooking::NoteTurn`].
#[unsafe(no_mangle)]
extern "C" fn loopscope_pulse_note_turn(epoll: i32) {
    process::guarded(|| thread::note_turn(epoll));
}

fn hook(spec: Option<&HookSpec>) -> Hooked {
    if process::is_preloaded() || is_second() {
        return Hooked::Present;
    }
    if !cfg!(target_arch = "x86_64") {
        return Hooked::Unsupported;
    }
    process::alone(|| {
        if let Some(spec) = spec {
            spare(spec.own.addr());
            // SAFETY: by the contract of the exported function.
            unsafe { process::settle(spec) };
        }
        if !process::is_watching() {
            settle_functions();
        }
        let additions = additions();
        if additions != 0 && SEEN.load(Relaxed) == additions {
            return Hooked::Slots(0);
        }
        let hooked = change_all(Direction::In, additions);
        if matches!(hooked, Hooked::Slots(_)) {
            process::resume();
        }
        hooked
    })
}

fn unhook() -> Hooked {
    if process::is_preloaded() || is_second() {
        return Hooked::Present;
    }
    process::alone(|| {
        let unhooked = change_all(Direction::Out, 0);
        process::pause();
        unhooked
    })
}

/// Whether another copy of the pulse is found before this one: preloaded, say, under `loopscope run`.
fn is_second() -> bool {
    let found = look_up(SYMBOL);
    found != 0 && found != loopscope_pulse_hand_over as *const () as usize
}

fn stand_ins() -> [&'static StandIn; FUNCTIONS] {
    let mut all = interpose::STAND_INS.iter().chain(&ending::STAND_INS);
    // There are as many as the constant says; the first stands for none that is missing.
    std::array::from_fn(|_| all.next().unwrap_or(&interpose::STAND_INS[0]))
}

/// Walks all objects. Where nothing is left to be done, that is so until the loader has loaded one more than
/// these, of which there are at least as many as `additions` says.
fn change_all(direction: Direction, additions: u64) -> Hooked {
    let stand_ins = stand_ins();
    let names = stand_ins.map(|one| one.real.name().to_bytes());
    let functions = stand_ins.map(|one| Function {
        own: (one.own)(),
        real: one.real.known(),
    });
    let Some(mut mappings) = Mappings::with_room() else {
        return Hooked::Unsupported;
    };
    let (mut all, mut is_read) = (Changes::default(), false);
    let is_whole = walk(|object| {
        // With the loader's lock held: from here on no object comes or goes.
        if !std::mem::replace(&mut is_read, true) {
            mappings.read();
        }
        if !is_exempt(object) {
            // An agent's object that was hooked before we were told whose it is, is freed again.
            let direction = if is_spared(object) {
                Direction::Out
            } else {
                direction
            };
            all = all.and(change(object, &names, &functions, &mappings, direction));
        }
    });
    let is_done = is_whole && !all.is_pending;
    SEEN.store(if is_done { additions } else { 0 }, Relaxed);
    if is_whole {
        Hooked::Slots(all.changed)
    } else {
        Hooked::Failed
    }
}

/// Whether no slot of this object was ever changed, nor will be.
fn is_exempt(object: &Object<'_, Live>) -> bool {
    // SAFETY: takes a number; what the kernel did not say is 0.
    let loader = unsafe { libc::getauxval(libc::AT_BASE) } as usize;
    let c_library = process::c_library();
    (loader != 0 && object.base == loader)
        || (c_library != 0 && object.holds(c_library))
        || object.holds(loopscope_pulse_hand_over as *const () as usize)
}

fn is_spared(object: &Object<'_, Live>) -> bool {
    let mut spared = SPARED.iter().map(|address| address.load(Relaxed));
    spared.any(|address| address != 0 && object.holds(address))
}

/// Remembers an address in an agent's object. Of more than there is room for, the last takes the last place.
fn spare(address: usize) {
    let is_known = |place: &AtomicUsize| place.load(Relaxed) == address;
    if address == 0 || SPARED.iter().any(is_known) {
        return;
    }
    let free = SPARED.iter().find(|place| place.load(Relaxed) == 0);
    if let Some(place) = free.or(SPARED.last()) {
        place.store(address, Relaxed);
        SEEN.store(0, Relaxed);
    }
}

/// Finds out which functions the program's modules call now: those that come first by name, which need not
/// be the C library's.
fn settle_functions() {
    let stand_ins = stand_ins();
    let names = stand_ins.map(|one| one.real.name().to_bytes());
    let mut first = stand_ins.map(|one| look_up(one.real.name()));
    for (found, stand_in) in first.iter_mut().zip(stand_ins) {
        if *found == (stand_in.own)() {
            *found = 0;
        }
    }
    // The name of a function that a program takes the address of can lead to the program's own stub, which
    // jumps through a slot: that one we are about to change.
    walk(|object| {
        object.imports(&names, |import| {
            if let Some(found) = first.get_mut(import.name).filter(|at| object.holds(**at)) {
                *found = 0;
            }
        });
    });
    for (found, stand_in) in first.into_iter().zip(stand_ins) {
        stand_in.real.prefer(found);
    }
}

/// The address that a name leads to, for every object of the process; 0 for none.
fn look_up(name: &CStr) -> usize {
    // SAFETY: looks a name up among the global symbols.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    if found.is_null() {
        // SAFETY: takes nothing. It clears the failure that a missing name left, which is not the program's.
        unsafe { libc::dlerror() };
    }
    found.expose_provenance()
}
