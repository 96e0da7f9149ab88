//! How a pulse that was not preloaded comes to see the loops of its process.
//!
//! Library mode: an agent loads the pulse's object into a program that runs already, with `dlopen` and
//! `RTLD_NOW | RTLD_GLOBAL`, and calls [`HOOK_SYMBOL`]. The pulse then puts its own functions into the import
//! slots of the loaded modules. From there on all is as if it had been preloaded, [`crate::handover`]
//! included. Objects that are loaded later are hooked by calling again.
//!
//! Both sides are built apart, so what passes between them is plain C, told apart by [`HookSpec::version`].

use std::ffi::{CStr, c_char, c_void};

/// The function that hooks: [`Hook`].
pub const HOOK_SYMBOL: &CStr = c"loopscope_pulse_hook";

/// The function that undoes it: [`Unhook`].
pub const UNHOOK_SYMBOL: &CStr = c"loopscope_pulse_unhook";

/// The function that tells of a running loop: [`NoteTurn`].
pub const NOTE_TURN_SYMBOL: &CStr = c"loopscope_pulse_note_turn";

/// The version of [`HookSpec`].
pub const VERSION: u64 = 1;

/// Hooks every module that polls and is not hooked yet, and watches from then on. Returns a code of
/// [`Hooked`]. May be called from any thread, any number of times, also in a forked child.
///
/// The first call that gives a spec settles what the recording will say, if the process has none yet;
/// later ones change nothing. Null stands for what the environment says.
///
/// # Safety
/// Null, or a spec whose pointers are null or valid during the call.
pub type Hook = unsafe extern "C" fn(*const HookSpec) -> i32;

/// Takes every hook out again, ends the loops that are recorded, and watches no more. Threads may be inside
/// a poll meanwhile. The recording and whatever else writes to it live on; [`Hook`] resumes. Returns a code
/// of [`Hooked`], the number being that of slots that were put back.
pub type Unhook = extern "C" fn() -> i32;

/// The calling thread is in the middle of a turn of the loop that polls this epoll descriptor. Without it
/// a loop is known from its next poll on. Does nothing where the loop is known already, or nothing watches.
pub type NoteTurn = extern "C" fn(i32);

/// What an agent says when it hooks.
#[repr(C)]
#[derive(Debug)]
pub struct HookSpec {
    /// [`VERSION`].
    pub version: u64,
    /// The run that the recording belongs to; 0: as the environment says.
    pub run_id: u64,
    /// Busy periods from this length on are stalls; 0: as the environment says.
    pub stall_threshold_nanos: u64,
    /// Tracked calls from this length on are slow; 0: as the environment says.
    pub slow_threshold_nanos: u64,
    /// The service's name, UTF-8; null: as the environment says.
    pub service: *const c_char,
    /// The folder to try first for the recording; null: those of the environment. The user's own come last.
    pub folder: *const c_char,
    /// An address inside an object of the agent's own, which is not hooked, or no longer; null: none. Those of
    /// earlier calls are remembered, up to four.
    pub own: *const c_void,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hooked {
    /// So many slots were changed.
    Slots(u32),
    /// A pulse was preloaded into this process, or another copy hooked it: all is watched, nothing to do.
    Present,
    /// Another thread is at it.
    Busy,
    /// Not on this machine, or the process may not read its own mappings.
    Unsupported,
    /// A spec of another version.
    UnknownSpec,
    /// Something failed inside; the program is as it was before, or hooked in part.
    Failed,
}

impl Hooked {
    /// As a number: slots as they are, all else below zero.
    pub fn code(self) -> i32 {
        match self {
            Self::Slots(slots) => i32::try_from(slots).unwrap_or(i32::MAX),
            Self::Present => -1,
            Self::Busy => -2,
            Self::Unsupported => -3,
            Self::UnknownSpec => -4,
            Self::Failed => -5,
        }
    }

    /// Of a number; one that this version does not know counts as [`Hooked::Failed`].
    pub fn of_code(code: i32) -> Self {
        match code {
            -1 => Self::Present,
            -2 => Self::Busy,
            -3 => Self::Unsupported,
            -4 => Self::UnknownSpec,
            _ => u32::try_from(code).map_or(Self::Failed, Self::Slots),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_comes_back_from_its_code() {
        for outcome in [
            Hooked::Slots(0),
            Hooked::Slots(41),
            Hooked::Present,
            Hooked::Busy,
            Hooked::Unsupported,
            Hooked::UnknownSpec,
            Hooked::Failed,
        ] {
            assert_eq!(Hooked::of_code(outcome.code()), outcome);
        }
    }

    #[test]
    fn a_code_of_a_later_version_is_a_failure() {
        assert_eq!(Hooked::of_code(i32::MIN), Hooked::Failed);
    }
}
