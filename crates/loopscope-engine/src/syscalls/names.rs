//! The names of the system calls that a thread is found in, for people.
//!
//! Only calls that a thread can wait in, or that say what it is about. Numbers come from the C library's
//! headers, so they are those of the machine that this was built for.

/// A table of `(number, name)` from names.
macro_rules! named {
    ($($constant:ident $name:literal),* $(,)?) => {
        &[$((libc::$constant, $name)),*]
    };
}

const COMMON: &[(libc::c_long, &str)] = named![
    SYS_read "read",
    SYS_write "write",
    SYS_readv "readv",
    SYS_writev "writev",
    SYS_pread64 "pread64",
    SYS_pwrite64 "pwrite64",
    SYS_preadv "preadv",
    SYS_pwritev "pwritev",
    SYS_openat "openat",
    SYS_close "close",
    SYS_fsync "fsync",
    SYS_fdatasync "fdatasync",
    SYS_ftruncate "ftruncate",
    SYS_flock "flock",
    SYS_fcntl "fcntl",
    SYS_ioctl "ioctl",
    SYS_getdents64 "getdents64",
    SYS_sendfile "sendfile",
    SYS_splice "splice",
    SYS_copy_file_range "copy_file_range",
    SYS_ppoll "ppoll",
    SYS_pselect6 "pselect6",
    SYS_epoll_pwait "epoll_pwait",
    SYS_epoll_pwait2 "epoll_pwait2",
    SYS_io_getevents "io_getevents",
    SYS_io_uring_enter "io_uring_enter",
    SYS_connect "connect",
    SYS_accept "accept",
    SYS_accept4 "accept4",
    SYS_sendto "sendto",
    SYS_recvfrom "recvfrom",
    SYS_sendmsg "sendmsg",
    SYS_recvmsg "recvmsg",
    SYS_sendmmsg "sendmmsg",
    SYS_recvmmsg "recvmmsg",
    SYS_futex "futex",
    SYS_futex_waitv "futex_waitv",
    SYS_semtimedop "semtimedop",
    SYS_mq_timedreceive "mq_timedreceive",
    SYS_msgrcv "msgrcv",
    SYS_nanosleep "nanosleep",
    SYS_clock_nanosleep "clock_nanosleep",
    SYS_restart_syscall "restart_syscall",
    SYS_wait4 "wait4",
    SYS_waitid "waitid",
    SYS_rt_sigtimedwait "rt_sigtimedwait",
    SYS_rt_sigsuspend "rt_sigsuspend",
    SYS_execve "execve",
    SYS_clone "clone",
    SYS_clone3 "clone3",
    SYS_exit "exit",
    SYS_exit_group "exit_group",
    SYS_mmap "mmap",
    SYS_munmap "munmap",
    SYS_madvise "madvise",
    SYS_msync "msync",
    SYS_sched_yield "sched_yield",
    SYS_getrandom "getrandom",
];

/// Those that newer machines no longer have.
#[cfg(target_arch = "x86_64")]
const OLDER: &[(libc::c_long, &str)] = named![
    SYS_poll "poll",
    SYS_select "select",
    SYS_epoll_wait "epoll_wait",
    SYS_open "open",
    SYS_stat "stat",
    SYS_pause "pause",
    SYS_fork "fork",
    SYS_vfork "vfork",
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[(libc::c_long, &str)] = &[];

/// A call's name; `None` for one that is not in the tables.
pub(crate) fn name(syscall: u32) -> Option<&'static str> {
    let mut known = OLDER.iter().chain(COMMON);
    let found = known.find(|(number, _)| *number == libc::c_long::from(syscall));
    found.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_that_threads_wait_in_have_names() {
        assert_eq!(name(crate::syscalls::FUTEX), Some("futex"));
        assert_eq!(name(u32::MAX), None);
        #[cfg(target_arch = "x86_64")]
        assert_eq!(name(232), Some("epoll_wait"));
    }
}
