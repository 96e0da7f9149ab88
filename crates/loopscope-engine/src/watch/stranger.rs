//! One process of the run without a recording: what it is, and what is to be said of it.

use std::fs;
use std::path::PathBuf;

use loopscope_inspect::{ProcessEnding, ProcessHandle, kernel, read_memory};
use loopscope_recorder::refusal::Refusal;

use super::mapped::{Reach, reach};
use crate::observation::{Ending, Fact, ProcessInfo, ProcessKey, ProcessRuntime};
use crate::time::Nanos;

/// It is visited again after this, then twice as late each time.
const FIRST_VISIT: Nanos = Nanos::from_millis(1_000);
const LAST_VISIT: Nanos = Nanos::from_millis(30_000);

/// What is mapped into it is read on so many visits: on the first it may be a copy of its parent that has
/// not called `exec` yet.
const VISITS_TO_BE_SURE: u32 = 2;

/// A process without a recording.
pub(super) struct Stranger {
    process: ProcessKey,
    is_main: bool,
    handle: Option<ProcessHandle>,
    program: Option<PathBuf>,
    reach: Reach,
    visits: u32,
    first_seen: Nanos,
    due: Nanos,
    distance: Nanos,
    is_told: bool,
    is_lost: bool,
}

/// What is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It has a loop that nobody sees.
    Lost {
        /// Why.
        reason: String,
        /// The next step for a person.
        hint: &'static str,
    },
    /// The pulse is not in it, and nothing speaks for a loop.
    Outside {
        /// Why.
        reason: String,
        /// The next step for a person.
        hint: &'static str,
    },
}

impl Stranger {
    /// `None` where it is gone already.
    pub(super) fn meet(pid: u32, is_main: bool, now: Nanos) -> Option<Self> {
        Some(Self {
            process: ProcessKey {
                pid,
                start_ticks: kernel::start_ticks(pid)?,
                image: 0,
            },
            is_main,
            handle: ProcessHandle::open(pid),
            program: None,
            reach: Reach::Unknown,
            visits: 0,
            first_seen: now,
            due: now,
            distance: FIRST_VISIT,
            is_told: false,
            is_lost: false,
        })
    }

    /// Looks at it where that is due.
    pub(super) fn visit(&mut self, pulse_inode: u64, now: Nanos) {
        if now < self.due {
            return;
        }
        self.due = now.plus(self.distance);
        self.distance = Nanos(self.distance.0 * 2).min(LAST_VISIT);
        let program = fs::read_link(format!("/proc/{}/exe", self.process.pid)).ok();
        if self.visits > 0 && program != self.program {
            // It called `exec`: what was known of it holds no longer.
            self.visits = 0;
        }
        self.program = program;
        if self.visits < VISITS_TO_BE_SURE {
            self.reach = reach(self.process.pid, pulse_inode);
            self.visits += 1;
        }
    }

    /// What is to be said now and was not yet.
    pub(super) fn finding(&self, page_address: u64) -> Option<Finding> {
        if self.is_lost {
            return None;
        }
        if let Reach::Inside { base } = self.reach {
            let refusal = refusal(self.process.pid, base.wrapping_add(page_address))?;
            return Some(Finding::Lost {
                reason: refusal.reason(),
                hint: refusal.hint(),
            });
        }
        if self.visits < VISITS_TO_BE_SURE {
            return None;
        }
        let has_epoll = || kernel::has_epoll(self.process.pid) == Some(true);
        outside(&self.reach, has_epoll).filter(|finding| self.is_news(finding))
    }

    fn is_news(&self, finding: &Finding) -> bool {
        !self.is_told || matches!(finding, Finding::Lost { .. })
    }

    /// Says that a loop of it goes unwatched.
    pub(super) fn tell_lost(&mut self, reason: &str, hint: &str, out: &mut Vec<Fact>) {
        self.is_lost = true;
        self.introduce(out);
        let ProcessKey { pid, .. } = self.process;
        out.push(Fact::Lost {
            what: "processes".to_owned(),
            count: 1,
            detail: Some(format!("{} (pid {pid}): {reason}; {hint}", self.name())),
        });
    }

    /// Says that the pulse is not in it.
    pub(super) fn tell_outside(&mut self, reason: &str, hint: &str, out: &mut Vec<Fact>) {
        self.introduce(out);
        out.push(Fact::Unwatched {
            process: self.process,
            reason: format!("{reason}; {hint}"),
        });
    }

    /// Says that it is gone, where anything was said of it.
    pub(super) fn tell_gone(&self, out: &mut Vec<Fact>) {
        if !self.is_told || self.is_main {
            return;
        }
        let ending = match self.handle.as_ref().and_then(ProcessHandle::ending) {
            Some(ProcessEnding::Exited(status)) => Ending::Exited(status),
            // Nothing is known of it that its end could be held against.
            Some(ProcessEnding::Signaled(_)) | None => Ending::Closed,
        };
        out.push(Fact::ProcessGone {
            process: self.process,
            ending,
        });
    }

    /// The program, for telling it from others.
    pub(super) fn program(&self) -> String {
        let path = self.program.as_ref();
        path.map_or_else(|| self.name(), |path| path.display().to_string())
    }

    fn introduce(&mut self, out: &mut Vec<Fact>) {
        if std::mem::replace(&mut self.is_told, true) || self.is_main {
            return;
        }
        let info = ProcessInfo {
            name: self.name(),
            runtime: ProcessRuntime::Native,
            parent_pid: kernel::parent_pid(self.process.pid).unwrap_or(0),
            started: self.first_seen,
            uninspectable: None,
        };
        out.push(Fact::ProcessSeen {
            process: self.process,
            info,
        });
    }

    fn name(&self) -> String {
        let pid = self.process.pid;
        kernel::thread_comm(pid, pid).unwrap_or_else(|| "a process".to_owned())
    }
}

/// What the pulse's own word says; `None` where nothing was refused.
fn refusal(pid: u32, pointer_address: u64) -> Option<Refusal> {
    let mut pointer = [0; 8];
    read_memory(pid, pointer_address, &mut pointer).ok()?;
    let page = u64::from_ne_bytes(pointer);
    let mut word = [0; 4];
    read_memory(pid, page, &mut word).ok()?;
    Refusal::of_code(u32::from_ne_bytes(word))
}

/// What is to be said of a process that the pulse did not come into.
///
/// A statically linked program has its epoll set of its own making (Go's runtime opens one for every
/// program), and nothing that a person changes in its start brings it within reach: it is said, and held
/// against nobody.
fn outside(reach: &Reach, has_epoll: impl Fn() -> bool) -> Option<Finding> {
    let (reason, hint) = match reach {
        Reach::Unknown | Reach::Inside { .. } => return None,
        Reach::Static => (
            "it is statically linked, so no pulse can be loaded into it".to_owned(),
            "watch a dynamically linked build of it",
        ),
        Reach::Closed(error) => (
            format!("it may not be looked into ({error})"),
            "start loopscope as the user that the process runs as",
        ),
        Reach::Outside => (
            "it was started without the pulse: with another environment, or gaining privileges"
                .to_owned(),
            "leave LD_PRELOAD and the LOOPSCOPE_ variables in its environment",
        ),
    };
    if *reach == Reach::Outside && has_epoll() {
        return Some(Finding::Lost { reason, hint });
    }
    Some(Finding::Outside { reason, hint })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_lost(reach: &Reach, has_epoll: bool) -> Option<bool> {
        let finding = outside(reach, || has_epoll)?;
        Some(matches!(finding, Finding::Lost { .. }))
    }

    #[test]
    fn a_process_without_the_pulse_is_a_loss_only_where_it_has_a_loop() {
        assert_eq!(is_lost(&Reach::Outside, true), Some(true));
        assert_eq!(is_lost(&Reach::Outside, false), Some(false));
        assert_eq!(is_lost(&Reach::Static, true), Some(false));
        assert_eq!(is_lost(&Reach::Closed("no".into()), true), Some(false));
    }

    #[test]
    fn nothing_is_said_of_a_process_with_the_pulse_or_of_one_that_is_starting() {
        assert_eq!(is_lost(&Reach::Unknown, true), None);
        assert_eq!(is_lost(&Reach::Inside { base: 1 }, true), None);
    }

    #[test]
    fn a_refusal_is_read_through_the_pointer_that_the_pulse_exports() {
        let page = Refusal::NoRoom.code();
        let pointer = std::ptr::from_ref(&page);
        let address = std::ptr::from_ref(&pointer) as u64;
        let own = std::process::id();
        assert_eq!(refusal(own, address), Some(Refusal::NoRoom));
        assert_eq!(refusal(own, 8), None);
    }

    #[test]
    fn a_process_that_was_never_told_of_is_not_told_to_be_gone() {
        let mut out = Vec::new();
        let mut own = Stranger::meet(std::process::id(), false, Nanos(0)).unwrap();
        own.tell_gone(&mut out);
        assert_eq!(out, []);
        own.tell_outside("why", "what", &mut out);
        own.tell_gone(&mut out);
        let kinds: Vec<_> = out.iter().map(std::mem::discriminant).collect();
        assert_eq!(kinds.len(), 3, "seen, unwatched, gone: {out:?}");
    }
}
