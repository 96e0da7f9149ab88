//! Facts about a process's work: readings are kept, and the rules are asked now and then.

use std::collections::BTreeMap;

use super::Engine;
use crate::{
    diagnosis::Subject,
    observation::{Event, EventKind, LoopKey, Owner, ProcessKey},
    report::{IncidentKind, Severity},
    rules::{self, Case, Finding, FindingKey},
    time::Nanos,
    work::{Booked, Work},
};

/// Faults that last are looked for this often.
const CHECK: Nanos = Nanos::from_millis(250);

impl Engine {
    /// The work of a process that is known and alive.
    pub(super) fn work_of(&mut self, key: ProcessKey) -> Option<&mut Work> {
        let process = self.model.processes.get_mut(&key)?;
        process.is_alive().then_some(&mut process.work)
    }

    /// Looks for faults that last, opens and closes their incidents.
    pub(super) fn check_work(&mut self, now: Nanos) {
        if now.since(self.checked_at) < CHECK {
            return;
        }
        self.checked_at = now;
        self.release_calls(now);
        let alive = self.model.processes.iter();
        let running: Vec<ProcessKey> = alive
            .filter(|(_, process)| process.is_alive() && process.stopped_since.is_none())
            .map(|(key, _)| *key)
            .collect();
        for key in running {
            self.settle_failures(key, now);
            self.count_untold(key, now);
            let found = self.lasting_faults(key, now);
            self.close_findings(key, &found, now);
            for (finding_key, finding) in found {
                self.hold(finding_key, finding, now);
            }
        }
        self.link_to_origins(now);
    }

    fn lasting_faults(&mut self, key: ProcessKey, now: Nanos) -> BTreeMap<FindingKey, Finding> {
        let grace = self.config.task_failure_grace;
        if let Some(work) = self.work_of(key) {
            work.sample(now, grace);
        }
        let case = self.case(key, now);
        let found = case.map(|case| rules::lasting(&case)).unwrap_or_default();
        found.into_iter().collect()
    }

    fn case(&self, key: ProcessKey, now: Nanos) -> Option<Case<'_>> {
        Some(Case {
            key,
            process: self.model.processes.get(&key)?,
            config: &self.config,
            now,
            open: &self.findings,
        })
    }

    fn hold(&mut self, key: FindingKey, finding: Finding, now: Nanos) {
        let Finding {
            severity,
            since,
            owner,
            diagnosis,
        } = finding;
        if let Some(occurrence) = self.findings.get(&key).copied() {
            self.book.refine(occurrence, diagnosis, now);
            return self.book.raise(occurrence, severity, now);
        }
        let subject = self.subject_of(key.kind, key.process, owner);
        let occurrence = self.book.open(subject, severity, diagnosis, since, now);
        self.findings.insert(key, occurrence);
    }

    /// Closes what no longer lasts in a process.
    fn close_findings(
        &mut self,
        process: ProcessKey,
        found: &BTreeMap<FindingKey, Finding>,
        now: Nanos,
    ) {
        let is_over = |key: &&FindingKey| key.process == process && !found.contains_key(*key);
        let over: Vec<FindingKey> = self.findings.keys().filter(is_over).copied().collect();
        for key in over {
            if let Some(occurrence) = self.findings.remove(&key) {
                self.book.close(occurrence, None, now);
            }
        }
    }

    /// The process is gone, and with it everything that lasted in it.
    pub(super) fn end_work(&mut self, key: ProcessKey, was_killed: bool, at: Nanos) {
        self.end_failures(key, was_killed, at);
        self.release_calls_of(key, at);
        let work = self.work_of(key);
        let untold = work.map(|work| work.untold_at_last(was_killed));
        for (booked, times) in untold.unwrap_or_default() {
            self.book_more(key, booked, times, at);
        }
        self.close_findings(key, &BTreeMap::new(), at);
        if let Some(work) = self.work_of(key) {
            work.held.clear();
            work.waiters.clear();
        }
    }

    /// Something happened in a process.
    pub(super) fn take_event(&mut self, key: ProcessKey, event: &Event, at: Nanos) {
        if self.work_of(key).is_none() {
            return;
        }
        match event.kind {
            EventKind::TaskFailed => self.hear_of_failure(key, event, at),
            EventKind::TaskFailureRetrieved => self.take_failure_back(key, event.identity, at),
            EventKind::TaskFailureUnretrieved => self.finish_failure(key, event.identity, at),
            EventKind::GcPause => {
                if let Some(work) = self.work_of(key) {
                    work.gc.paused(event.started, event.until());
                }
            }
            EventKind::AcquireTimedOut => self.note_timeout(key, event.slot, at),
            EventKind::BlockingCall => self.hold_call(key, event, at),
            _ => self.book_happening(key, event, at),
        }
    }

    fn note_timeout(&mut self, key: ProcessKey, slot: Option<u32>, at: Nanos) {
        let work = self.work_of(key);
        let pool = work.and_then(|work| work.pools.get_mut(&slot?));
        if let Some(pool) = pool {
            pool.timed_out = Some(at);
        }
    }

    pub(super) fn book_happening(&mut self, key: ProcessKey, event: &Event, at: Nanos) {
        let case = self.case(key, at);
        let Some(happening) = case.and_then(|case| rules::happening(&case, event)) else {
            return;
        };
        let on = self.loop_of_event(key, event);
        let mut diagnosis = happening.diagnosis;
        let mut severity = happening.severity;
        if happening.kind == IncidentKind::CallbackFailure {
            severity = severity.max(self.severity_of_failures(key, on, event.count, at));
        }
        if happening.kind == IncidentKind::BlockingCall {
            diagnosis.origin = on.and_then(|on| self.stall_during(on, event));
            if diagnosis.origin.is_some() {
                severity = Severity::Info;
            }
        }
        let booked = Booked {
            kind: happening.kind,
            on,
            severity,
            diagnosis: diagnosis.clone(),
        };
        if let Some(work) = self.work_of(key) {
            if happening.kind == IncidentKind::BlockingCall {
                work.book_held(event, booked);
            } else {
                work.book_call(event, booked);
            }
        }
        let subject = self.subject_of(happening.kind, key, on.map_or(Owner::Nobody, Owner::Loop));
        let until = event.until().min(at);
        let since = event.started.min(until);
        let occurrence = self.open_times(subject, severity, diagnosis, since, at, event.count);
        self.book.close(occurrence, None, until);
    }

    /// The stall that a call made, where it made one.
    fn stall_during(&self, on: LoopKey, event: &Event) -> Option<String> {
        let is_stall = |subject: &Subject| {
            let key = subject.r#loop.as_ref().map(|(key, _)| *key);
            subject.kind == IncidentKind::LoopStall && key == Some(on)
        };
        let found = self
            .book
            .overlapping(is_stall, event.started, event.until());
        found.map(crate::incidents::Stored::id)
    }

    pub(super) fn loop_of_event(&self, key: ProcessKey, event: &Event) -> Option<LoopKey> {
        let by_thread = event.thread_id.map(Owner::Thread);
        self.model
            .loop_of(key, event.owner)
            .or_else(|| self.model.loop_of(key, by_thread?))
    }

    pub(super) fn subject_of(
        &self,
        kind: IncidentKind,
        process: ProcessKey,
        owner: Owner,
    ) -> Subject {
        let on = self.model.loop_of(process, owner);
        on.and_then(|on| self.subject_on(kind, on))
            .unwrap_or_else(|| self.process_subject(kind, process))
    }

    /// How bad one more failure on a loop is.
    pub(super) fn severity_of_failures(
        &mut self,
        key: ProcessKey,
        on: Option<LoopKey>,
        count: u32,
        at: Nanos,
    ) -> Severity {
        let (window, most) = (self.config.join_window, self.config.failed_tasks_degraded);
        let Some(work) = self.work_of(key) else {
            return Severity::Info;
        };
        let failed = work.failures.count_reported(on, count.into(), at, window);
        if failed >= most {
            Severity::Degraded
        } else {
            Severity::Info
        }
    }
}
