//! The other interposed functions: those that end a loop, or the process, in a way of their own.
#![expect(
    unsafe_code,
    reason = "exports C functions under the C library's names"
)]

use std::ffi::{c_int, c_uint};

use crate::interpose::missing;
use crate::process;
use crate::real::{Real, StandIn};
use crate::thread::forget_epoll;

type Close = unsafe extern "C-unwind" fn(c_int) -> c_int;
type EpollCreate = unsafe extern "C-unwind" fn(c_int) -> c_int;
type Exit = unsafe extern "C-unwind" fn(c_int) -> !;

static CLOSE: Real = Real::new(c"close");
static EPOLL_CREATE: Real = Real::new(c"epoll_create");
static EPOLL_CREATE1: Real = Real::new(c"epoll_create1");
static EXIT_NOW: Real = Real::new(c"_exit");
static EXIT_NOW_BY_C: Real = Real::new(c"_Exit");

/// Every function of this module.
pub(crate) static STAND_INS: [StandIn; 5] = [
    StandIn {
        real: &CLOSE,
        own: || close as Close as usize,
    },
    StandIn {
        real: &EPOLL_CREATE,
        own: || epoll_create as EpollCreate as usize,
    },
    StandIn {
        real: &EPOLL_CREATE1,
        own: || epoll_create1 as EpollCreate as usize,
    },
    StandIn {
        real: &EXIT_NOW,
        own: || _exit as Exit as usize,
    },
    StandIn {
        real: &EXIT_NOW_BY_C,
        own: || _Exit as Exit as usize,
    },
];

/// # Safety
/// As `close(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn close(fd: c_int) -> c_int {
    // SAFETY: the type is that of `close`.
    let Some(real) = (unsafe { CLOSE.function::<Close>() }) else {
        return missing();
    };
    forget_epoll(fd);
    // SAFETY: the caller's argument, unchanged.
    unsafe { real(fd) }
}

/// # Safety
/// As `epoll_create(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn epoll_create(size: c_int) -> c_int {
    // SAFETY: the type is that of `epoll_create`.
    let Some(real) = (unsafe { EPOLL_CREATE.function::<EpollCreate>() }) else {
        return missing();
    };
    // SAFETY: the caller's argument, unchanged.
    let fd = unsafe { real(size) };
    // A descriptor that is handed out anew was closed, perhaps by a bare system call that we cannot see.
    forget_epoll(fd);
    fd
}

/// # Safety
/// As `epoll_create1(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn epoll_create1(flags: c_int) -> c_int {
    // SAFETY: the type is that of `epoll_create1`.
    let Some(real) = (unsafe { EPOLL_CREATE1.function::<EpollCreate>() }) else {
        return missing();
    };
    // SAFETY: the caller's argument, unchanged.
    let fd = unsafe { real(flags) };
    forget_epoll(fd);
    fd
}

/// # Safety
/// As `_exit(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn _exit(status: c_int) -> ! {
    exit_now(&EXIT_NOW, status)
}

/// `_exit` by its name in the C standard.
///
/// # Safety
/// As `_Exit(3)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn _Exit(status: c_int) -> ! {
    exit_now(&EXIT_NOW_BY_C, status)
}

fn exit_now(real: &Real, status: c_int) -> ! {
    process::guarded(|| process::close(Some(status)));
    // SAFETY: the type is that of `_exit`, under both of its names.
    if let Some(real) = unsafe { real.function::<Exit>() } {
        // SAFETY: the caller's argument, unchanged.
        unsafe { real(status) }
    }
    loop {
        // SAFETY: ends the process; every C library has it as a system call.
        unsafe {
            libc::syscall(
                libc::SYS_exit_group,
                c_uint::from_ne_bytes(status.to_ne_bytes()),
            )
        };
    }
}
