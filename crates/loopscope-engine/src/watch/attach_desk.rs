//! Attaches to processes one after another, away from the observer's own thread.
//!
//! Attaching reads whole program files, which takes milliseconds; a stall must not wait for it. One thread
//! does it for all processes: a prefork service of hundreds of workers then costs the memory of one.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use loopscope_inspect::{AttachError, Inspector};

/// What comes back from the desk.
pub(super) type Attached = Result<Inspector, AttachError>;

type Request = (u32, Sender<Attached>);

/// Takes requests; a handle, shared by all processes. Its thread ends with the last handle.
#[derive(Clone, Debug)]
pub(super) struct AttachDesk(Option<Sender<Request>>);

impl AttachDesk {
    pub(super) fn open() -> Self {
        let (sender, requests) = channel();
        let work = move || serve(&requests);
        let thread = thread::Builder::new()
            .name("loopscope-attach".into())
            .spawn(work);
        Self(thread.ok().map(|_| sender))
    }

    /// Asks to attach to a process; `None` where the desk is closed.
    pub(super) fn attach(&self, pid: u32) -> Option<Receiver<Attached>> {
        let (reply, attached) = channel();
        self.0.as_ref()?.send((pid, reply)).ok()?;
        Some(attached)
    }
}

fn serve(requests: &Receiver<Request>) {
    for (pid, reply) in requests {
        // The one who asked may be gone with its process by now.
        let _ = reply.send(Inspector::attach(pid));
    }
}
