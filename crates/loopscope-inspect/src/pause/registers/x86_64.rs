//! Registers and signal frames of 64-bit x86.
//!
//! The way back is the frame that the kernel lays on the stack before it runs a signal's handler:
//! `struct rt_sigframe` of `arch/x86/include/asm/sigframe.h`, read by `rt_sigreturn`. It is built here
//! rather than by the kernel. Its layout is part of the kernel's ABI.

use std::io;

use nix::libc::{self, user_regs_struct};
use nix::sys::ptrace;

use super::{Call, CallSite, Original, Tracee};

/// Whether calls can be made for a thread of this machine.
pub(in super::super) const IS_KNOWN: bool = true;

/// `syscall; ret`: in the C library's `getpid` and its like.
pub(in super::super) const CALL_AND_RETURN: &[u8] = b"\x0f\x05\xc3";

/// `mov $15, %rax; syscall`: where the C library has signal handlers return to.
pub(in super::super) const SIGNAL_RETURN: &[u8] = b"\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05";

/// The calls that are made for a thread.
pub(in super::super) mod calls {
    use nix::libc;

    use crate::pause::registers::Call;

    /// A copy of the process that announces its end to nobody. It shares the table of open files, so that
    /// what the process closes is closed at once and not only when the copy ends.
    pub(in super::super::super) const COPY_PROCESS: Call = Call {
        number: libc::SYS_clone as u64,
        // The stack is filled in by the way back.
        arguments: [libc::CLONE_FILES as u64, 0, 0, 0],
        makes_child: true,
    };

    /// Collects a child that has ended, by its id in the process's own namespace.
    pub(in super::super::super) fn collect(child: u64) -> Call {
        Call {
            number: libc::SYS_wait4 as u64,
            arguments: [child, 0, (libc::WNOHANG | libc::__WALL) as u64, 0],
            makes_child: false,
        }
    }
}

/// The code segment of 64-bit programs.
const CODE_SEGMENT_64: u64 = 0x33;
/// The stack segment of every program.
const STACK_SEGMENT: u64 = 0x2b;

/// Below the stack pointer a function may keep this much without moving it.
const RED_ZONE_BYTES: u64 = 128;

/// The number of the note that has a thread's extended state.
const NOTE_EXTENDED_STATE: usize = 0x202;

/// The registers of a halted thread.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Registers(user_regs_struct);

impl Registers {
    pub(in super::super) fn of(thread: Tracee) -> io::Result<Self> {
        Ok(Self(ptrace::getregs(thread.pid())?))
    }

    pub(in super::super) fn give_to(&self, thread: Tracee) -> io::Result<()> {
        Ok(ptrace::setregs(thread.pid(), self.0)?)
    }

    /// Whether it runs 64-bit code.
    pub(in super::super) fn is_native(&self) -> bool {
        self.0.cs == CODE_SEGMENT_64
    }

    /// Whether it was halted in a system call.
    pub(in super::super) fn is_in_call(&self) -> bool {
        self.0.orig_rax.cast_signed() >= 0
    }

    /// The next instruction's address.
    pub(in super::super) fn instruction(&self) -> u64 {
        self.0.rip
    }

    /// The stack pointer and the frame pointer.
    pub(in super::super) fn stack_and_frame(&self) -> (u64, u64) {
        (self.0.rsp, self.0.rbp)
    }

    /// What the system call that it is leaving has returned.
    pub(in super::super) fn returned(&self) -> i64 {
        self.0.rax.cast_signed()
    }

    /// With what the kernel would do to a call that it interrupted before the program sees the outcome,
    /// had a signal's handler run: most calls are made again; one that has waited for a part of its time
    /// says that it was interrupted.
    fn after_interruption(mut self) -> Self {
        const RESTART_SYSTEM: i64 = -512;
        const RESTART_NO_HANDLER: i64 = -514;
        const RESTART_BLOCK: i64 = -516;
        /// The length of `syscall`.
        const CALL_BYTES: u64 = 2;
        if self.is_in_call() {
            match self.returned() {
                RESTART_NO_HANDLER..=RESTART_SYSTEM => {
                    self.0.rax = self.0.orig_rax;
                    self.0.rip = self.0.rip.wrapping_sub(CALL_BYTES);
                }
                RESTART_BLOCK => self.0.rax = i64::from(-libc::EINTR).cast_unsigned(),
                _ => {}
            }
        }
        self
    }
}

/// The floating-point and vector state, as `xsave` lays it.
pub(super) fn extended_state(thread: Tracee) -> io::Result<Vec<u8>> {
    thread.register_set(NOTE_EXTENDED_STATE)
}

/// What has to lie on a thread's stack, and with which registers the thread then comes back on its own.
///
/// ```text
/// low    child's return address ─▶ signal return
///        child's frame            ─▶ exit_group(0)
///        thread's return address ─▶ signal return
///        thread's frame           ─▶ the original registers, mask and extended state
/// high   extended state
/// ```
#[derive(Debug)]
pub(in super::super) struct WayBack {
    /// Where the bytes belong, below everything that the thread's functions use.
    pub(in super::super) start: u64,
    /// What belongs there.
    pub(in super::super) bytes: Vec<u8>,
    home: Registers,
    return_slot: u64,
}

impl WayBack {
    /// The way back of a halted thread; `None` where its state makes no sense.
    pub(in super::super) fn new(original: &Original, site: CallSite) -> Option<Self> {
        let extended = signal_frame_state(&original.extended)?;
        let top = original.registers.0.rsp.checked_sub(RED_ZONE_BYTES)?;
        let extended_at = align_down(top.checked_sub(extended.len() as u64)?, 64);
        let frame_at = align_down(extended_at.checked_sub(Frame::BYTES)?, 16);
        let return_slot = frame_at.checked_sub(8)?;
        let child_frame_at = align_down(return_slot.checked_sub(Frame::BYTES)?, 16);
        let start = child_frame_at.checked_sub(8)?;
        let back = original.registers.after_interruption();
        let mut bytes = vec![0; usize::try_from(top - start).ok()?];
        let mut put = |at: u64, what: &[u8]| {
            let offset = (at - start) as usize;
            let target = bytes.get_mut(offset..offset + what.len());
            target.map(|target| target.copy_from_slice(what))
        };
        put(start, &site.signal_return.to_le_bytes())?;
        put(child_frame_at, &Frame::ending(site, start).0)?;
        put(return_slot, &site.signal_return.to_le_bytes())?;
        put(frame_at, &Frame::of(&back, original.mask, extended_at).0)?;
        put(extended_at, &extended)?;
        Some(Self {
            start,
            bytes,
            home: homeward(original.registers, site, frame_at),
            return_slot,
        })
    }

    /// Registers with which the thread, left alone, comes back at once.
    pub(in super::super) fn home(&self) -> Registers {
        self.home
    }

    /// Whether the thread is at the entry of the call that leads it back.
    pub(in super::super) fn is_at_entry(&self, now: &Registers) -> bool {
        let Registers(home) = self.home;
        // The processor has gone past the two bytes of the instruction.
        now.0.orig_rax == home.rax && now.0.rip == home.rip + 2 && now.0.rsp == home.rsp
    }

    /// Registers for that entry, with which it makes another call and then, left alone, comes back.
    pub(in super::super) fn detour(&self, call: &Call) -> Registers {
        let Registers(mut registers) = self.home;
        registers.rip += 2;
        registers.orig_rax = call.number;
        [registers.rdi, registers.rsi, registers.rdx, registers.r10] = call.arguments;
        if call.makes_child {
            registers.rsi = self.start;
        }
        registers.rsp = self.return_slot;
        Registers(registers)
    }
}

/// Registers that return from a signal's handler whose frame is at an address.
fn homeward(Registers(mut registers): Registers, site: CallSite, frame_at: u64) -> Registers {
    registers.rip = site.call_and_return;
    registers.rax = libc::SYS_rt_sigreturn as u64;
    registers.rsp = frame_at;
    // Not in a call any more: the kernel must not make these registers restart one.
    registers.orig_rax = u64::MAX;
    Registers(registers)
}

/// `struct ucontext` of the kernel.
struct Frame([u8; Self::BYTES as usize]);

impl Frame {
    const BYTES: u64 = 304;
    const FLAGS: usize = 0;
    const STACK_FLAGS: usize = 24;
    const REGISTERS: usize = 40;
    const SEGMENTS: usize = 184;
    const EXTENDED_STATE: usize = 224;
    const MASK: usize = 296;

    /// Extended state in `xsave`'s form is there; the stack's segment is there, and to be set.
    const COMPLETE: u64 = 0b111;
    /// No kind of alternate stack, so the thread's is left as it is.
    const NO_SUCH_STACK: u32 = 0x7f;

    fn of(Registers(back): &Registers, mask: u64, extended_at: u64) -> Self {
        let mut frame = Self([0; _]);
        frame.put(Self::FLAGS, &Self::COMPLETE.to_le_bytes());
        frame.put(Self::STACK_FLAGS, &Self::NO_SUCH_STACK.to_le_bytes());
        let registers = [
            back.r8,
            back.r9,
            back.r10,
            back.r11,
            back.r12,
            back.r13,
            back.r14,
            back.r15,
            back.rdi,
            back.rsi,
            back.rbp,
            back.rbx,
            back.rdx,
            back.rax,
            back.rcx,
            back.rsp,
            back.rip,
            back.eflags,
        ];
        for (index, register) in registers.iter().enumerate() {
            frame.put(Self::REGISTERS + index * 8, &register.to_le_bytes());
        }
        // Code, two that are not used, stack.
        let segments = back.cs & 0xffff | (back.ss & 0xffff) << 48;
        frame.put(Self::SEGMENTS, &segments.to_le_bytes());
        frame.put(Self::EXTENDED_STATE, &extended_at.to_le_bytes());
        frame.put(Self::MASK, &mask.to_le_bytes());
        frame
    }

    /// A frame that leads to the process's end, with no signal, no core file and no exit handler.
    fn ending(site: CallSite, stack: u64) -> Self {
        let registers = Registers(user_regs_struct {
            rip: site.call_and_return,
            rax: libc::SYS_exit_group as u64,
            rsp: stack,
            cs: CODE_SEGMENT_64,
            ss: STACK_SEGMENT,
            ..no_registers()
        });
        // No extended state: it is reset.
        Self::of(&registers, u64::MAX, 0)
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.0[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
}

fn no_registers() -> user_regs_struct {
    user_regs_struct {
        r15: 0,
        r14: 0,
        r13: 0,
        r12: 0,
        rbp: 0,
        rbx: 0,
        r11: 0,
        r10: 0,
        r9: 0,
        r8: 0,
        rax: 0,
        rcx: 0,
        rdx: 0,
        rsi: 0,
        rdi: 0,
        orig_rax: 0,
        rip: 0,
        cs: 0,
        eflags: 0,
        rsp: 0,
        ss: 0,
        fs_base: 0,
        gs_base: 0,
        ds: 0,
        es: 0,
        fs: 0,
        gs: 0,
    }
}

fn align_down(address: u64, alignment: u64) -> u64 {
    address & !(alignment - 1)
}

/// The state as a signal's frame has it: with the marks by which the kernel knows how much of it to load.
/// `None` where it is not in `xsave`'s form.
fn signal_frame_state(state: &[u8]) -> Option<Vec<u8>> {
    /// `struct _fpx_sw_bytes` of `asm/sigcontext.h`, in what `fxsave` leaves free.
    const MARKS: std::ops::Range<usize> = 464..512;
    const FEATURES: std::ops::Range<usize> = 512..520;
    const SMALLEST_BYTES: usize = 576;
    const FIRST_MAGIC: u32 = 0x4650_5853;
    const LAST_MAGIC: u32 = 0x4650_5845;
    /// Loaded always.
    const FLOATING_POINT_AND_SSE: u64 = 0b11;
    /// The tiles of matrix units come last, and are only in the frames of those that use them.
    const TILES: u64 = 1 << 18;
    const TILES_BYTES: usize = 8192;

    let features = u64::from_le_bytes(state.get(FEATURES)?.try_into().ok()?);
    let mut length = state.len();
    if features & TILES == 0 && length > TILES_BYTES {
        length -= TILES_BYTES;
    }
    if length < SMALLEST_BYTES {
        return None;
    }
    let mut state = state.get(..length)?.to_vec();
    let size = u32::try_from(length).ok()?;
    let mut marks = [0_u8; 48];
    marks[0..4].copy_from_slice(&FIRST_MAGIC.to_le_bytes());
    marks[4..8].copy_from_slice(&(size + 4).to_le_bytes());
    marks[8..16].copy_from_slice(&(features | FLOATING_POINT_AND_SSE).to_le_bytes());
    marks[16..20].copy_from_slice(&size.to_le_bytes());
    state.get_mut(MARKS)?.copy_from_slice(&marks);
    state.extend_from_slice(&LAST_MAGIC.to_le_bytes());
    Some(state)
}
