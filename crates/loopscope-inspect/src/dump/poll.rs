//! The system calls that a loop waits in.

/// The numbers on x86-64 of `poll`, `select`, `epoll_wait`, `pselect6`, `ppoll`, `epoll_pwait` and
/// `epoll_pwait2`.
const POLLS: [u32; 7] = [7, 23, 232, 270, 271, 281, 441];

/// Whether a loop waits in this call.
pub(super) fn is_poll(syscall: u32) -> bool {
    POLLS.contains(&syscall)
}
