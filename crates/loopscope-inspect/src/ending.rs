//! How a process ended that is not our child, from the kernel's own memory of it.
//!
//! A descriptor of the process is taken while it lives; from Linux 6.15 on the kernel answers through it
//! how the process ended, also after its parent has collected it. Older kernels do not tell.
#![expect(unsafe_code, reason = "one ioctl that no safe wrapper offers")]

use std::os::fd::OwnedFd;

use rustix::ioctl::{Updater, ioctl, opcode};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// `PIDFD_GET_INFO` of `linux/pidfd.h`, for the structure's first published size: 64 bytes.
const PIDFD_GET_INFO: u32 = opcode::read_write::<PidfdInfo>(0xff, 11);

/// `PIDFD_INFO_EXIT` of `linux/pidfd.h`.
const INFO_EXIT: u64 = 1 << 3;

/// `struct pidfd_info` of `linux/pidfd.h`, its first published size.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup_id: u64,
    ids: [u32; 11],
    exit_code: i32,
}

const _: () = assert!(size_of::<PidfdInfo>() == 64);

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessEnding {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
}

impl ProcessEnding {
    /// Of the status that the kernel hands to a parent (`wait(2)`).
    pub fn of_wait_status(status: i32) -> Self {
        match status & 0x7f {
            0 => Self::Exited(status >> 8 & 0xff),
            signal => Self::Signaled(signal),
        }
    }
}

/// A hold on a process that survives its end.
#[derive(Debug)]
pub struct ProcessHandle(OwnedFd);

impl ProcessHandle {
    /// Takes hold of the process that has this id now; `None` where there is none, or the kernel is
    /// older than 5.3.
    pub fn open(pid: u32) -> Option<Self> {
        let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
        pidfd_open(pid, PidfdFlags::empty()).ok().map(Self)
    }

    /// How it ended; `None` while it lives or is not collected yet, and where the kernel does not tell.
    pub fn ending(&self) -> Option<ProcessEnding> {
        let mut info = PidfdInfo {
            mask: INFO_EXIT,
            ..PidfdInfo::default()
        };
        // SAFETY: the request updates a value of the type whose size is part of its number.
        let request = unsafe { Updater::<PIDFD_GET_INFO, PidfdInfo>::new(&mut info) };
        // SAFETY: as above; the descriptor is a process's, as the request demands.
        unsafe { ioctl(&self.0, request) }.ok()?;
        if info.mask & INFO_EXIT == 0 {
            return None;
        }
        Some(ProcessEnding::of_wait_status(info.exit_code))
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn sleeper() -> Child {
        Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// `None` where this kernel does not tell.
    fn ending_of(mut child: Child, end: impl FnOnce(&mut Child)) -> Option<ProcessEnding> {
        let handle = ProcessHandle::open(child.id()).unwrap();
        assert_eq!(handle.ending(), None, "it is still alive");
        end(&mut child);
        child.wait().unwrap();
        handle.ending()
    }

    #[test]
    fn an_ending_is_told_after_the_process_was_collected() {
        let killed = ending_of(sleeper(), |child| child.kill().unwrap());
        let exited = ending_of(sleeper(), |child| drop(child.stdin.take()));
        if killed.is_none() {
            println!("skipped: this kernel does not tell how other processes ended");
            return;
        }
        assert_eq!(killed, Some(ProcessEnding::Signaled(9)));
        assert_eq!(exited, Some(ProcessEnding::Exited(0)));
    }

    #[test]
    fn there_is_no_hold_on_a_process_that_does_not_exist() {
        assert!(ProcessHandle::open(4_194_304 + 7).is_none());
    }
}
