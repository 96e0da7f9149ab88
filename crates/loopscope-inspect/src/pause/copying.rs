//! Copies the stack of one thread, which stands still meanwhile, and only meanwhile.

use std::io;
use std::thread;
use std::time::Duration;

use super::registers::Registers;
use super::stop::halt;
use super::tracee::{Patience, Tracee};
use crate::native::{StackCopy, copy_from};

/// How long a thread may take to stop. One that runs takes microseconds; what waits for a processor is looked at
/// again later.
const PATIENCE: Duration = Duration::from_millis(10);

/// The registers and the stack of a thread that runs.
///
/// A thread of ours does it and ends, so that the kernel lets the other go whatever happens.
///
/// # Errors
/// When the thread may not be traced, or does not stop in time.
pub(crate) fn copy_stack(pid: u32, tid: u32) -> io::Result<StackCopy> {
    let copying = thread::Builder::new()
        .name("loopscope-copy".to_owned())
        .spawn(move || copy(pid, tid))?;
    let no_copy = |_| io::Error::other("the thread that copies failed");
    copying.join().map_err(no_copy)?
}

fn copy(pid: u32, tid: u32) -> io::Result<StackCopy> {
    let tracee = Tracee::seize(tid)?;
    tracee.interrupt()?;
    let is_halted = halt(pid, tracee, &mut Patience::new(PATIENCE)).unwrap_or(false);
    if !is_halted {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let copied = Registers::of(tracee).and_then(|registers| {
        let (stack, frame) = registers.stack_and_frame();
        Ok(StackCopy {
            instruction: registers.instruction(),
            stack,
            frame: Some(frame),
            bytes: copy_from(pid, stack).ok_or(io::ErrorKind::InvalidData)?,
            thread: None,
        })
    });
    tracee.detach()?;
    copied
}
