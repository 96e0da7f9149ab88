//! The way to the stacks of one process: looked for away from the observer's thread, and again where the interpreter is
//! just starting.

use std::sync::mpsc::{Receiver, TryRecvError};

use loopscope_inspect::AttachError;

use super::attach_desk::{AttachDesk, Attached};
use super::sampling::Sampler;
use crate::observation::ProcessRuntime;
use crate::time::Nanos;

/// An interpreter that is just starting is tried again after this.
const ATTACH_AGAIN: Nanos = Nanos::from_millis(200);

/// Where the way stands.
pub(super) struct Attach {
    pid: u32,
    executable: String,
    desk: AttachDesk,
    state: State,
}

enum State {
    /// On its way, on a thread of its own: it reads whole program files.
    Running(Receiver<Attached>),
    /// To be tried again.
    Waiting(Nanos),
    /// As good as it gets.
    Found(Found),
}

/// What looks into the process, and what that is.
pub(super) struct Found {
    pub(super) sampler: Box<Sampler>,
    pub(super) runtime: ProcessRuntime,
    /// Why a Python process is not looked into.
    pub(super) uninspectable: Option<String>,
}

impl Attach {
    pub(super) fn begin(pid: u32, executable: &str, desk: &AttachDesk) -> Self {
        let state = if is_node(executable) {
            // Known by its name: searching so large a program for an interpreter takes its time.
            State::Found(Found::new(
                Sampler::new(pid, None),
                ProcessRuntime::Node,
                None,
            ))
        } else {
            State::ask(pid, desk)
        };
        Self {
            pid,
            executable: executable.to_owned(),
            desk: desk.clone(),
            state,
        }
    }

    /// The program in the process, as the kernel named it.
    pub(super) fn executable(&self) -> &str {
        &self.executable
    }

    /// When it is to be brought on.
    pub(super) fn due(&self) -> Nanos {
        match &self.state {
            State::Running(_) => Nanos(1),
            State::Waiting(due) => (*due).max(Nanos(1)),
            State::Found(_) => Nanos(u64::MAX),
        }
    }

    /// What was found, if the way is at its end.
    pub(super) fn found(&mut self) -> Option<&mut Found> {
        match &mut self.state {
            State::Found(found) => Some(found),
            State::Running(_) | State::Waiting(_) => None,
        }
    }

    /// Brings it on.
    pub(super) fn go_on(&mut self, now: Nanos) {
        let result = match &self.state {
            State::Found(_) => return,
            State::Waiting(due) if now < *due => return,
            State::Waiting(_) => {
                self.state = State::ask(self.pid, &self.desk);
                return;
            }
            State::Running(result) => match result.try_recv() {
                Ok(result) => result,
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    Attached::Native(None, AttachError::NoProcess { pid: self.pid })
                }
            },
        };
        self.state = match result {
            Attached::Native(_, error) if error.is_transient() => {
                State::Waiting(now.plus(ATTACH_AGAIN))
            }
            Attached::Python(inspector) => {
                let sampler = Sampler::new(self.pid, Some(*inspector));
                State::Found(Found::new(sampler, ProcessRuntime::Python, None))
            }
            Attached::Native(native, error) => {
                let (runtime, uninspectable) = judge(&error);
                let sampler = Sampler::of_native(self.pid, native);
                State::Found(Found::new(sampler, runtime, uninspectable))
            }
        };
    }

    /// The process ended before it could be looked into; its loops are told all the same.
    pub(super) fn end(&mut self) {
        if self.found().is_none() {
            let sampler = Sampler::new(self.pid, None);
            self.state = State::Found(Found::new(sampler, ProcessRuntime::Native, None));
        }
    }
}

impl State {
    fn ask(pid: u32, desk: &AttachDesk) -> Self {
        desk.attach(pid)
            .map_or(Self::Waiting(Nanos(0)), Self::Running)
    }
}

impl Found {
    fn new(sampler: Sampler, runtime: ProcessRuntime, uninspectable: Option<String>) -> Self {
        Self {
            sampler: Box::new(sampler),
            runtime,
            uninspectable,
        }
    }
}

fn is_node(executable: &str) -> bool {
    let name = executable.rsplit('/').next().unwrap_or_default();
    name == "node" || name == "nodejs"
}

/// What a refused attach says of the process: no Python at all, or Python that cannot be read and why. One
/// that ended meanwhile hides nothing.
fn judge(error: &AttachError) -> (ProcessRuntime, Option<String>) {
    if let AttachError::NotPython { .. } | AttachError::NoProcess { .. } = error {
        return (ProcessRuntime::Native, None);
    }
    let hint = error
        .hint()
        .map(|hint| format!("; {hint}"))
        .unwrap_or_default();
    (ProcessRuntime::Python, Some(format!("{error}{hint}")))
}
