//! Attaches to processes one after another, away from the observer's own thread.
//!
//! Attaching reads whole program files, which takes milliseconds; a stall must not wait for it. One thread
//! does it for all processes: a prefork service of hundreds of workers then costs the memory of one.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use loopscope_inspect::{AttachError, Inspector, NativeInspector, Running};

use super::Scope;

/// What comes back from the desk.
pub(super) enum Attached {
    /// A Python process.
    Python(Box<Inspector>),
    /// Another one, or one that cannot be read: the stacks of its native code where these can, and why it gives no
    /// others.
    Native(Option<Box<NativeInspector>>, AttachError),
}

type Request = (u32, Sender<Attached>);

/// Takes requests; a handle, shared by all processes. Its thread ends with the last handle.
#[derive(Clone, Debug)]
pub(super) struct AttachDesk(Option<Sender<Request>>);

impl AttachDesk {
    /// `main_pid` is the process that watches itself, where the scope says so.
    pub(super) fn open(scope: Scope, main_pid: u32) -> Self {
        let (sender, requests) = channel();
        let work = move || serve(&requests, scope, main_pid);
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

fn serve(requests: &Receiver<Request>, scope: Scope, main_pid: u32) {
    for (pid, reply) in requests {
        let running = match scope {
            Scope::Run => Running::Trace,
            Scope::Descendants if pid == main_pid => Running::Signal,
            // Their stops would be told to whatever waits for them in this program.
            Scope::Descendants => Running::Leave,
        };
        // The one who asked may be gone with its process by now.
        let _ = reply.send(attach(pid, running));
    }
}

fn attach(pid: u32, running: Running) -> Attached {
    match Inspector::attach(pid) {
        Ok(inspector) => Attached::Python(Box::new(inspector)),
        Err(error) => {
            let is_native = matches!(error, AttachError::NotPython { .. });
            let native = is_native.then(|| NativeInspector::attach(pid, running).ok());
            Attached::Native(native.flatten().map(Box::new), error)
        }
    }
}
