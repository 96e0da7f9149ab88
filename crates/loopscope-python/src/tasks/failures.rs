//! Tasks that ended with an exception: told when they die, and again when it is known what became of it.
//!
//! An exception counts as lost only when its task goes away and nobody has taken it. Whether somebody has is
//! read from the flag by which asyncio itself decides; the flag is never changed.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::layout::FactKind;
use loopscope_recorder::writer::{FactRecord, TaskOutcome};
use pyo3::types::{PyAnyMethods, PyWeakrefMethods, PyWeakrefReference};
use pyo3::{Bound, Py, PyAny, Python, intern};

use super::Limiter;
use super::capture::{Effort, Told};
use super::name_of;
use super::table::Failed;
use super::{TASKS, Tasks, state};
use crate::process;

/// How often the same failure is told in full within ten seconds: when it happens, and when it turns out
/// that nobody took the exception.
const TOLD_AT_DEATH: u32 = 8;
const TOLD_WHEN_LOST: u32 = 8;

/// How often failed tasks are looked at again, while something runs.
const LOOK_AGAIN_NANOS: u64 = 100_000_000;

/// Whoever handles a failure does so soon after it as a rule, and the loop may be quiet from then on. So the
/// last ones are looked at after each of so many steps.
const RECENT: usize = 4;
const RECENT_LOOKS: u32 = 64;

/// Failed tasks that are looked at again at once.
const LOOKED_AT: usize = 64;

/// Whether there are failed tasks whose exception somebody may still take.
static ANY: AtomicBool = AtomicBool::new(false);

/// What is known of failures.
pub(super) struct Failures {
    at_death: Limiter,
    when_lost: Limiter,
    next_identity: u64,
    next_look_nanos: u64,
    /// The addresses of the last ones, the next place among them, and how often they are looked at yet.
    recent: [usize; RECENT],
    recent_place: usize,
    recent_looks: u32,
}

impl Failures {
    pub(super) const fn new() -> Self {
        Self {
            at_death: Limiter::new(TOLD_AT_DEATH),
            when_lost: Limiter::new(TOLD_WHEN_LOST),
            next_identity: 1,
            next_look_nanos: 0,
            recent: [0; RECENT],
            recent_place: 0,
            recent_looks: 0,
        }
    }

    fn remember(&mut self, address: usize) {
        if let Some(place) = self.recent.get_mut(self.recent_place) {
            *place = address;
        }
        self.recent_place = (self.recent_place + 1) % RECENT;
        self.recent_looks = RECENT_LOOKS;
    }
}

/// A task ended with an exception just now.
#[cold]
pub(super) fn failed(task: &Bound<'_, PyAny>) {
    let py = task.py();
    let Ok(exception) = task.getattr(intern!(py, "_exception")) else {
        return;
    };
    let kind = exception.get_type().as_ptr().addr();
    let address = task.as_ptr().addr();
    let now = monotonic_nanos();
    let begun = TASKS
        .with(py, |tasks| tasks.begin_failure(address, kind, now))
        .flatten();
    let Some((site, is_told)) = begun else {
        return;
    };
    let told = is_told.then(|| (Told::of(&exception, None, Effort::Safe), name_of(task)));
    let weakly = PyWeakrefReference::new(task)
        .ok()
        .map(|found| found.into_any().unbind());
    TASKS.with(py, |tasks| {
        let identity = told.map_or(0, |(told, name)| {
            tasks.tell_failure(site, now, &told, &name)
        });
        let failed = Failed {
            site,
            identity,
            task: weakly,
        };
        if let Some(table) = &mut tasks.table {
            table.fail(address, failed);
            tasks.failures.remember(address);
            ANY.store(true, Relaxed);
        }
    });
}

/// A failed task is about to go away.
#[cold]
pub(super) fn gone(task: &Bound<'_, PyAny>) {
    let py = task.py();
    let address = task.as_ptr().addr();
    let is_known = TASKS
        .with(py, |tasks| tasks.knows_failure(address))
        .unwrap_or(false);
    if !is_known {
        // Its end was missed, or it is none of ours.
        failed(task);
    }
    let is_lost = state::is_unretrieved(task);
    let settled = TASKS
        .with(py, |tasks| tasks.settle(address, is_lost))
        .flatten();
    if let Some(site) = settled {
        tell_loss(task, site);
    }
}

/// A failure that was not told when it happened, and whose exception is lost: told now.
#[cold]
fn tell_loss(task: &Bound<'_, PyAny>, site: u32) {
    let py = task.py();
    let Ok(exception) = task.getattr(intern!(py, "_exception")) else {
        return;
    };
    let kind = exception.get_type().as_ptr().addr();
    let now = monotonic_nanos();
    let allowed = TASKS.with(py, |tasks| {
        tasks.failures.when_lost.allows((site, kind), now)
    });
    if allowed != Some(true) {
        return;
    }
    let (told, name) = (Told::of(&exception, None, Effort::Full), name_of(task));
    TASKS.with(py, |tasks| {
        let identity = tasks.tell_failure(site, now, &told, &name);
        tasks.tell_settled(site, identity, true);
    });
}

/// Whether there are failed tasks whose exception somebody may still take.
#[inline]
pub(super) fn may_be_taken() -> bool {
    ANY.load(Relaxed)
}

/// Looks whether this task's exception was taken just now.
#[cold]
pub(super) fn look_at(task: &Bound<'_, PyAny>) {
    let (py, address) = (task.py(), task.as_ptr().addr());
    let is_failed = TASKS.with(py, |tasks| tasks.knows_failure(address));
    if is_failed == Some(true) && !state::is_unretrieved(task) {
        TASKS.with(py, |tasks| tasks.settle(address, false));
    }
}

/// Looks whether somebody has taken an exception since, now and then.
#[inline]
pub(super) fn look_again(py: Python<'_>) {
    if may_be_taken() {
        look_at_failed(py);
    }
}

#[cold]
fn look_at_failed(py: Python<'_>) {
    let now = monotonic_nanos();
    let due = TASKS
        .with(py, |tasks| tasks.failed_to_look_at(py, now))
        .unwrap_or_default();
    for (address, weakly) in due {
        let task = weakly
            .bind(py)
            .cast::<PyWeakrefReference>()
            .ok()
            .and_then(|weak| weak.upgrade());
        // One that is gone without our being told took its exception's fate with it.
        if task.is_none_or(|task| !state::is_unretrieved(&task)) {
            TASKS.with(py, |tasks| tasks.settle(address, false));
        }
    }
}

impl Tasks {
    /// Counts a failure. Returns its site, and whether it is to be told in full.
    fn begin_failure(&mut self, address: usize, kind: usize, now: u64) -> Option<(u32, bool)> {
        let site = self.end(address, TaskOutcome::Failed)?;
        Some((site, self.failures.at_death.allows((site, kind), now)))
    }

    /// Writes a failure down. Returns its identity.
    fn tell_failure(&mut self, site: u32, now: u64, told: &Told, name: &str) -> u64 {
        let (Some(recording), Some(site)) = (self.recording(), self.sites.get(site as usize))
        else {
            return 0;
        };
        let identity = self.failures.next_identity;
        self.failures.next_identity += 1;
        recording.push_fact(&FactRecord {
            owner: site.owner,
            subject: Some(site.writer.index()),
            thread_id: process::thread_id(self.process.epoch),
            identity,
            started_nanos: now,
            ended_nanos: now,
            name,
            error_type: &told.error_type,
            message: &told.message,
            frames: &told.fact_frames(),
            ..FactRecord::new(FactKind::TaskFailed)
        });
        identity
    }

    fn knows_failure(&mut self, address: usize) -> bool {
        self.recording().is_some()
            && self
                .table
                .as_ref()
                .is_some_and(|table| table.is_failed(address))
    }

    /// It is known what became of a failed task's exception. Returns the site of a loss that was never told.
    fn settle(&mut self, address: usize, is_lost: bool) -> Option<u32> {
        self.recording()?;
        let table = self.table.as_mut()?;
        let failed = table.settle(address)?;
        ANY.store(table.has_failed(), Relaxed);
        let site = self.sites.get(failed.site as usize)?;
        if is_lost {
            site.writer.unretrieved(1);
        } else {
            site.writer.retrieved(1);
        }
        if failed.identity != 0 {
            self.tell_settled(failed.site, failed.identity, is_lost);
        }
        (is_lost && failed.identity == 0).then_some(failed.site)
    }

    fn tell_settled(&mut self, site: u32, identity: u64, is_lost: bool) {
        let (Some(recording), Some(site)) = (self.recording(), self.sites.get(site as usize))
        else {
            return;
        };
        let kind = if is_lost {
            FactKind::TaskFailureUnretrieved
        } else {
            FactKind::TaskFailureRetrieved
        };
        let now = monotonic_nanos();
        recording.push_fact(&FactRecord {
            owner: site.owner,
            subject: Some(site.writer.index()),
            thread_id: process::thread_id(self.process.epoch),
            identity,
            started_nanos: now,
            ended_nanos: now,
            ..FactRecord::new(kind)
        });
    }

    /// Failed tasks to look at again: the last ones, and now and then more of them.
    fn failed_to_look_at(&mut self, py: Python<'_>, now: u64) -> Vec<(usize, Py<PyAny>)> {
        let is_due = now >= self.failures.next_look_nanos;
        if (!is_due && self.failures.recent_looks == 0) || self.recording().is_none() {
            return Vec::new();
        }
        let Some(table) = &self.table else {
            return Vec::new();
        };
        let weakly =
            |(address, one): (usize, &Failed)| Some((address, one.task.as_ref()?.clone_ref(py)));
        if is_due {
            self.failures.next_look_nanos = now + LOOK_AGAIN_NANOS;
            return table.failed().filter_map(weakly).take(LOOKED_AT).collect();
        }
        self.failures.recent_looks -= 1;
        let recent = self.failures.recent.iter();
        let recent = recent.filter_map(|address| Some((*address, table.failed_at(*address)?)));
        recent.filter_map(weakly).collect()
    }
}
