//! The system calls that a loop waits in.

/// The numbers on x86-64 of `epoll_wait`, `epoll_pwait` and `epoll_pwait2`.
const EPOLLS: [u32; 3] = [232, 281, 441];

/// Whether a thread that is in this call waits in a loop's poll: nothing else waits in `epoll`.
pub(super) fn is_epoll(syscall: u32) -> bool {
    EPOLLS.contains(&syscall)
}
