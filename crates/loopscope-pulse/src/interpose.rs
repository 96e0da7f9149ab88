//! The interposed polls: note the way in, call the real one, note the way out.
//!
//! They unwind like C: a thread that is cancelled while it waits leaves through them.
#![expect(
    unsafe_code,
    reason = "exports C functions under the C library's names"
)]

use std::ffi::{c_int, c_void};

use libc::{epoll_event, fd_set, nfds_t, pollfd, sigset_t, timespec, timeval};
use loopscope_recorder::layout::PollKind;

use crate::real::{Real, StandIn};
use crate::thread::{enter, enter_set, may_poll_one, poll_key};

type EpollWait = unsafe extern "C-unwind" fn(c_int, *mut epoll_event, c_int, c_int) -> c_int;
type EpollPwait =
    unsafe extern "C-unwind" fn(c_int, *mut epoll_event, c_int, c_int, *const sigset_t) -> c_int;
type EpollPwait2 = unsafe extern "C-unwind" fn(
    c_int,
    *mut epoll_event,
    c_int,
    *const timespec,
    *const sigset_t,
) -> c_int;
type Poll = unsafe extern "C-unwind" fn(*mut pollfd, nfds_t, c_int) -> c_int;
type PollChecked = unsafe extern "C-unwind" fn(*mut pollfd, nfds_t, c_int, usize) -> c_int;
type Ppoll =
    unsafe extern "C-unwind" fn(*mut pollfd, nfds_t, *const timespec, *const sigset_t) -> c_int;
type PpollChecked = unsafe extern "C-unwind" fn(
    *mut pollfd,
    nfds_t,
    *const timespec,
    *const sigset_t,
    usize,
) -> c_int;
type Select = unsafe extern "C-unwind" fn(
    c_int,
    *mut fd_set,
    *mut fd_set,
    *mut fd_set,
    *mut timeval,
) -> c_int;
type Pselect = unsafe extern "C-unwind" fn(
    c_int,
    *mut fd_set,
    *mut fd_set,
    *mut fd_set,
    *const timespec,
    *const sigset_t,
) -> c_int;

static EPOLL_WAIT: Real = Real::new(c"epoll_wait");
static EPOLL_PWAIT: Real = Real::new(c"epoll_pwait");
static EPOLL_PWAIT2: Real = Real::new(c"epoll_pwait2");
static POLL: Real = Real::new(c"poll");
static POLL_CHECKED: Real = Real::new(c"__poll_chk");
static PPOLL: Real = Real::new(c"ppoll");
static PPOLL_CHECKED: Real = Real::new(c"__ppoll_chk");
static SELECT: Real = Real::new(c"select");
static PSELECT: Real = Real::new(c"pselect");

/// Every function of this module.
pub(crate) static STAND_INS: [StandIn; 9] = [
    StandIn {
        real: &EPOLL_WAIT,
        own: || epoll_wait as EpollWait as usize,
    },
    StandIn {
        real: &EPOLL_PWAIT,
        own: || epoll_pwait as EpollPwait as usize,
    },
    StandIn {
        real: &EPOLL_PWAIT2,
        own: || epoll_pwait2 as EpollPwait2 as usize,
    },
    StandIn {
        real: &POLL,
        own: || poll as Poll as usize,
    },
    StandIn {
        real: &POLL_CHECKED,
        own: || __poll_chk as PollChecked as usize,
    },
    StandIn {
        real: &PPOLL,
        own: || ppoll as Ppoll as usize,
    },
    StandIn {
        real: &PPOLL_CHECKED,
        own: || __ppoll_chk as PpollChecked as usize,
    },
    StandIn {
        real: &SELECT,
        own: || select as Select as usize,
    },
    StandIn {
        real: &PSELECT,
        own: || pselect as Pselect as usize,
    },
];

/// What a call returns whose real function the C library does not have.
pub(crate) fn missing() -> c_int {
    // SAFETY: takes nothing, cannot fail.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: the address of this thread's errno is always valid.
    unsafe { *errno = libc::ENOSYS };
    -1
}

/// # Safety
/// As `epoll_wait(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn epoll_wait(
    epfd: c_int,
    events: *mut epoll_event,
    most: c_int,
    timeout_millis: c_int,
) -> c_int {
    // SAFETY: the type is that of `epoll_wait`.
    let Some(real) = (unsafe { EPOLL_WAIT.function::<EpollWait>() }) else {
        return missing();
    };
    let turn = enter(poll_key(PollKind::Epoll, epfd as u32), timeout_millis != 0);
    // SAFETY: the caller's arguments, unchanged.
    let result = unsafe { real(epfd, events, most, timeout_millis) };
    turn.leave();
    result
}

/// # Safety
/// As `epoll_pwait(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn epoll_pwait(
    epfd: c_int,
    events: *mut epoll_event,
    most: c_int,
    timeout_millis: c_int,
    mask: *const sigset_t,
) -> c_int {
    // SAFETY: the type is that of `epoll_pwait`.
    let Some(real) = (unsafe { EPOLL_PWAIT.function::<EpollPwait>() }) else {
        return missing();
    };
    let turn = enter(poll_key(PollKind::Epoll, epfd as u32), timeout_millis != 0);
    // SAFETY: the caller's arguments, unchanged.
    let result = unsafe { real(epfd, events, most, timeout_millis, mask) };
    turn.leave();
    result
}

/// # Safety
/// As `epoll_pwait2(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn epoll_pwait2(
    epfd: c_int,
    events: *mut epoll_event,
    most: c_int,
    timeout: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    // SAFETY: the type is that of `epoll_pwait2`.
    let Some(real) = (unsafe { EPOLL_PWAIT2.function::<EpollPwait2>() }) else {
        return missing();
    };
    // SAFETY: the caller's pointer is null or valid, as the call demands.
    let waits = unsafe { can_wait(timeout) };
    let turn = enter(poll_key(PollKind::Epoll, epfd as u32), waits);
    // SAFETY: the caller's arguments, unchanged.
    let result = unsafe { real(epfd, events, most, timeout, mask) };
    turn.leave();
    result
}

/// # Safety
/// As `poll(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn poll(fds: *mut pollfd, count: nfds_t, timeout_millis: c_int) -> c_int {
    // SAFETY: the type is that of `poll`.
    let Some(real) = (unsafe { POLL.function::<Poll>() }) else {
        return missing();
    };
    // SAFETY: the caller's array of `count` entries.
    let set = unsafe { polled_set(fds, count) };
    let turn = enter_set(set, timeout_millis != 0);
    // SAFETY: the caller's arguments, unchanged.
    let result = unsafe { real(fds, count, timeout_millis) };
    turn.leave();
    result
}

/// `poll` as programs that are built with `_FORTIFY_SOURCE` call it.
///
/// # Safety
/// As `poll(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn __poll_chk(
    fds: *mut pollfd,
    count: nfds_t,
    timeout_millis: c_int,
    bytes: usize,
) -> c_int {
    // SAFETY: the type is that of `__poll_chk`.
    let Some(real) = (unsafe { POLL_CHECKED.function::<PollChecked>() }) else {
        return missing();
    };
    // SAFETY: the caller's array of `count` entries.
    let set = unsafe { polled_set(fds, count) };
    let turn = enter_set(set, timeout_millis != 0);
    // SAFETY: the caller's arguments, unchanged.
    let result = unsafe { real(fds, count, timeout_millis, bytes) };
    turn.leave();
    result
}

/// # Safety
/// As `ppoll(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn ppoll(
    fds: *mut pollfd,
    count: nfds_t,
    timeout: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    // SAFETY: the type is that of `ppoll`.
    let Some(real) = (unsafe { PPOLL.function::<Ppoll>() }) else {
        return missing();
    };
    // SAFETY: the caller's pointer is null or valid, as the call demands.
    let waits = unsafe { can_wait(timeout) };
    // SAFETY: the caller's array of `count` entries.
    let set = unsafe { polled_set(fds, count) };
    let turn = enter_set(set, waits);
    // SAFETY: the caller's arguments, unchanged.
    let result = unsafe { real(fds, count, timeout, mask) };
    turn.leave();
    result
}

/// `ppoll` as programs that are built with `_FORTIFY_SOURCE` call it.
///
/// # Safety
/// As `ppoll(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn __ppoll_chk(
    fds: *mut pollfd,
    count: nfds_t,
    timeout: *const timespec,
    mask: *const sigset_t,
    bytes: usize,
) -> c_int {
    // SAFETY: the type is that of `__ppoll_chk`.
    let Some(real) = (unsafe { PPOLL_CHECKED.function::<PpollChecked>() }) else {
        return missing();
    };
    // SAFETY: the caller's pointer is null or valid, as the call demands.
    let waits = unsafe { can_wait(timeout) };
    // SAFETY: the caller's array of `count` entries.
    let set = unsafe { polled_set(fds, count) };
    let turn = enter_set(set, waits);
    // SAFETY: the caller's arguments, unchanged.
    let result = unsafe { real(fds, count, timeout, mask, bytes) };
    turn.leave();
    result
}

/// # Safety
/// As `select(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn select(
    count: c_int,
    read: *mut fd_set,
    write: *mut fd_set,
    except: *mut fd_set,
    timeout: *mut timeval,
) -> c_int {
    // SAFETY: the type is that of `select`.
    let Some(real) = (unsafe { SELECT.function::<Select>() }) else {
        return missing();
    };
    // SAFETY: the caller's pointer is null or valid, as the call demands.
    let waits =
        unsafe { timeout.as_ref() }.is_none_or(|time| time.tv_sec != 0 || time.tv_usec != 0);
    // SAFETY: the caller's set, null or valid for `count` descriptors.
    let set = unsafe { selected_set(count, read) };
    let turn = enter_set(set, waits);
    // SAFETY: the caller's arguments, unchanged.
    let result = unsafe { real(count, read, write, except, timeout) };
    turn.leave();
    result
}

/// # Safety
/// As `pselect(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn pselect(
    count: c_int,
    read: *mut fd_set,
    write: *mut fd_set,
    except: *mut fd_set,
    timeout: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    // SAFETY: the type is that of `pselect`.
    let Some(real) = (unsafe { PSELECT.function::<Pselect>() }) else {
        return missing();
    };
    // SAFETY: the caller's pointer is null or valid, as the call demands.
    let waits = unsafe { can_wait(timeout) };
    // SAFETY: the caller's set, null or valid for `count` descriptors.
    let set = unsafe { selected_set(count, read) };
    let turn = enter_set(set, waits);
    // SAFETY: the caller's arguments, unchanged.
    let result = unsafe { real(count, read, write, except, timeout, mask) };
    turn.leave();
    result
}

/// Whether a poll with this time-out can wait: none given is for ever.
///
/// # Safety
/// `timeout` must be null or valid.
#[inline]
unsafe fn can_wait(timeout: *const timespec) -> bool {
    // SAFETY: by the caller's word.
    unsafe { timeout.as_ref() }.is_none_or(|time| time.tv_sec != 0 || time.tv_nsec != 0)
}

/// The key of a polled set by its first two descriptors. A set of one descriptor is a client that waits
/// for its socket, unless a loop is expected that nobody has connected to yet.
///
/// # Safety
/// `fds` must be valid for `count` entries.
#[inline]
unsafe fn polled_set(fds: *const pollfd, count: nfds_t) -> Option<u64> {
    if fds.cast::<c_void>().is_null() || count == 0 {
        return None;
    }
    if count == 1 {
        // SAFETY: there is one entry. The kernel does not ask for its alignment.
        let only = || unsafe { fds.read_unaligned() };
        return may_poll_one().then(|| poll_key(PollKind::Poll, set_of(only().fd, 0)));
    }
    // SAFETY: there are at least two entries. The kernel does not ask for their alignment.
    let [first, second] = unsafe { fds.cast::<[pollfd; 2]>().read_unaligned() };
    Some(poll_key(PollKind::Poll, set_of(first.fd, second.fd)))
}

/// The key of a selected set by its two lowest descriptors to read. A `select` of none is a sleep, as
/// `time.sleep` was in CPython before 3.11.
///
/// # Safety
/// `read` must be null or valid for `count` descriptors.
#[inline]
unsafe fn selected_set(count: c_int, read: *const fd_set) -> Option<u64> {
    if count <= 0 || read.is_null() {
        return None;
    }
    let most = count.min(libc::FD_SETSIZE as c_int);
    // SAFETY: `fd` lies under both `count` and the capacity of a set.
    let mut members = (0..most).filter(|fd| unsafe { libc::FD_ISSET(*fd, read) });
    let first = members.next()?;
    Some(poll_key(
        PollKind::Select,
        set_of(first, members.next().unwrap_or(0)),
    ))
}

fn set_of(first: c_int, second: c_int) -> u32 {
    (first as u32) << 16 ^ second as u32
}
