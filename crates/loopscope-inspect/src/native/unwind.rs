//! From a copy of a stack to the addresses of its frames.
//!
//! The tables that every program carries for its panics and exceptions say how. Of a thread that sleeps the
//! kernel does not tell the frame pointer, which Rust's standard library is built with: where a frame asks for
//! it, the stack is searched for the pair of a saved frame pointer and a return address from which the way leads
//! to where the thread began. What is saved is whatever the caller had in that register, which code that is built
//! without frame pointers uses for anything: a return address behind a call of the very function is believed with any
//! of it, one behind a call of what a register holds where the function's first instructions say that the pair is there,
//! another one only with an address of the stack.

use std::sync::Arc;

use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, Unwinder};

use super::calls::{Call, call_before};
use super::copy::StackCopy;
use super::modules::{Module, Modules, Section};
use super::prologue;

/// A deeper stack is cut off.
const MOST_FRAMES: usize = 512;

/// How far the search for a saved frame pointer goes, and how many places it tries.
const SEARCH_BYTES: u64 = 4096;
const MOST_TRIES: usize = 64;

/// One function that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// An address within the instruction that it is at.
    pub(super) address: u64,
    /// Where its part of the stack ends: the stack pointer of whoever called it, once it has returned.
    pub(super) stack_end: u64,
}

/// What was found on a stack.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Innermost first.
    pub(super) frames: Vec<Step>,
    /// Whether the outermost is where the thread began.
    pub(super) is_whole: bool,
}

/// The unwind tables of a process, made ready.
pub(super) struct Unwinding {
    pid: u32,
    unwinder: UnwinderX86_64<Arc<[u8]>>,
    cache: CacheX86_64,
}

impl Unwinding {
    pub(super) fn of(pid: u32, modules: &Modules) -> Self {
        let mut unwinder = UnwinderX86_64::new();
        for module in modules.all() {
            unwinder.add_module(framehop::Module::new(
                module.path.display().to_string(),
                module.range.clone(),
                module.range.start,
                sections(module),
            ));
        }
        Self {
            pid,
            unwinder,
            cache: CacheX86_64::new(),
        }
    }

    /// The frames of a stack.
    pub(super) fn walk(&mut self, modules: &Modules, copy: &StackCopy) -> Found {
        let first = FrameAddress::from_instruction_pointer(copy.instruction);
        let mut registers =
            UnwindRegsX86_64::new(copy.instruction, copy.stack, copy.frame.unwrap_or(0));
        let mut found = Found::default();
        self.follow(modules, copy, first, &mut registers, &mut found);
        if !found.is_whole && copy.frame.is_none() {
            let from = registers.sp();
            let searched = self
                .search(modules, copy, from, &found, Evidence::Call)
                .or_else(|| self.by_prologue(modules, copy, from, &found))
                .or_else(|| self.search(modules, copy, from, &found, Evidence::OnStack));
            found = searched.unwrap_or(found);
        }
        found
    }

    fn follow(
        &mut self,
        modules: &Modules,
        copy: &StackCopy,
        first: FrameAddress,
        registers: &mut UnwindRegsX86_64,
        found: &mut Found,
    ) {
        let mut address = first;
        let mut read = |at: u64| copy.word(at).ok_or(());
        while found.frames.len() < MOST_FRAMES {
            let looked_up = address.address_for_lookup();
            let next = self
                .unwinder
                .unwind_frame(address, registers, &mut self.cache, &mut read);
            found.frames.push(Step {
                address: looked_up,
                stack_end: registers.sp(),
            });
            match next {
                Ok(Some(returns_to)) => match FrameAddress::from_return_address(returns_to) {
                    Some(caller) => address = caller,
                    None => return,
                },
                Ok(None) => {
                    found.is_whole = is_a_beginning(modules, looked_up);
                    return;
                }
                Err(_) => return,
            }
        }
    }

    /// Goes on behind the last frame, whose caller could not be told, where its function says that the caller is and
    /// this leads to where the thread began.
    fn by_prologue(
        &mut self,
        modules: &Modules,
        copy: &StackCopy,
        from: u64,
        found: &Found,
    ) -> Option<Found> {
        let function = modules.function_at(found.frames.last()?.address)?;
        let slot = from.checked_add(prologue::room(self.pid, function)?)?;
        let returns_to = copy.word(slot.checked_add(8)?)?;
        let is_believed = modules.is_code(returns_to)
            && match call_before(self.pid, returns_to) {
                // That of another function is of one that has returned.
                Some(Call::Of(called)) => called == function,
                Some(Call::Unknown) => true,
                None => false,
            };
        let longer = is_believed.then(|| self.go_on(modules, copy, slot, found));
        longer.flatten().filter(|longer| longer.is_whole)
    }

    /// Goes on behind the last frame by the pair that is saved there.
    fn go_on(
        &mut self,
        modules: &Modules,
        copy: &StackCopy,
        slot: u64,
        found: &Found,
    ) -> Option<Found> {
        let (frame, returns_to) = (copy.word(slot)?, copy.word(slot + 8)?);
        let caller = FrameAddress::from_return_address(returns_to)?;
        let mut longer = found.clone();
        let mut registers = UnwindRegsX86_64::new(returns_to, slot + 16, frame);
        if let Some(last) = longer.frames.last_mut() {
            last.stack_end = slot + 16;
        }
        self.follow(modules, copy, caller, &mut registers, &mut longer);
        Some(longer)
    }

    /// Goes on behind the last frame, whose caller could not be told, where this leads to where the thread began.
    fn search(
        &mut self,
        modules: &Modules,
        copy: &StackCopy,
        from: u64,
        found: &Found,
        evidence: Evidence,
    ) -> Option<Found> {
        let function = modules.function_at(found.frames.last()?.address);
        let slots = (from & !7..from.saturating_add(SEARCH_BYTES)).step_by(8);
        let mut tries = 0;
        for slot in slots {
            let (frame, returns_to) = (copy.word(slot)?, copy.word(slot + 8)?);
            let is_believed = modules.is_code(returns_to)
                && match evidence {
                    Evidence::Call => {
                        function.is_some()
                            && call_before(self.pid, returns_to) == function.map(Call::Of)
                    }
                    Evidence::OnStack => (slot..copy.end()).contains(&frame),
                };
            let tried = is_believed.then(|| self.go_on(modules, copy, slot, found));
            let Some(longer) = tried.flatten() else {
                continue;
            };
            if longer.is_whole {
                return Some(longer);
            }
            tries += 1;
            if tries == MOST_TRIES {
                return None;
            }
        }
        None
    }
}

/// Why a pair on the stack is taken for a saved frame pointer and a return address.
#[derive(Clone, Copy)]
enum Evidence {
    /// The address is behind a call of the function whose caller is looked for.
    Call,
    /// The frame pointer is an address of the stack.
    OnStack,
}

/// A thread begins in the C library, a program at its entry point. Elsewhere the way ends because a register is
/// not known.
fn is_a_beginning(modules: &Modules, address: u64) -> bool {
    let module = modules.at(address);
    module.is_some_and(|module| module.is_c_library() || module.is_entry(address))
}

fn sections(module: &Module) -> ExplicitModuleSectionInfo<Arc<[u8]>> {
    let tables = &module.tables;
    let range = |section: &Option<Section>| section.as_ref().map(|(range, _)| range.clone());
    let bytes = |section: &Option<Section>| section.as_ref().map(|(_, bytes)| Arc::clone(bytes));
    ExplicitModuleSectionInfo {
        base_svma: module.in_file(module.range.start),
        text_svma: tables.text.clone(),
        got_svma: tables.got.clone(),
        eh_frame_svma: range(&tables.frames),
        eh_frame: bytes(&tables.frames),
        eh_frame_hdr_svma: range(&tables.index),
        eh_frame_hdr: bytes(&tables.index),
        ..Default::default()
    }
}
