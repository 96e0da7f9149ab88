//! Failed tasks: heard of, taken back, or reported once nobody took them.

use std::sync::Arc;

use super::Engine;
use crate::{
    diagnosis::{Diagnosis, Subject},
    incidents::OccurrenceId,
    observation::{Event, Owner, ProcessKey, TaskSite},
    report::{IncidentKind, Severity},
    rules,
    time::Nanos,
    work::{Booked, Failure, FaultKey, Untaken},
};

impl Engine {
    /// A task failed. Somebody may still take its exception, so it waits.
    pub(super) fn hear_of_failure(&mut self, key: ProcessKey, event: &Event, at: Nanos) {
        let work = self.work_of(key);
        let pushed_out = work.and_then(|work| work.failures.wait(event, at));
        if let Some(failure) = pushed_out {
            self.report_failure(key, &failure, true, at);
        }
    }

    /// Somebody took the exception: within the grace time nothing happened, later that is said.
    pub(super) fn take_failure_back(&mut self, key: ProcessKey, identity: u64, at: Nanos) {
        let Some(work) = self.work_of(key) else {
            return;
        };
        if work.failures.take(identity).is_none() {
            self.settle_untaken(key, identity, true, at);
        }
    }

    /// The task went away and nobody had taken its exception.
    pub(super) fn finish_failure(&mut self, key: ProcessKey, identity: u64, at: Nanos) {
        let Some(work) = self.work_of(key) else {
            return;
        };
        match work.failures.take(identity) {
            Some(failure) => self.report_failure(key, &failure, false, at),
            None => self.settle_untaken(key, identity, false, at),
        }
    }

    /// Reports the failures whose grace time is over, unless the counters say that they were taken.
    pub(super) fn settle_failures(&mut self, key: ProcessKey, now: Nanos) {
        let grace = self.config.task_failure_grace;
        let Some(work) = self.work_of(key) else {
            return;
        };
        for failure in work.failures.take_due(now, grace) {
            if !self.was_taken(key, &failure) {
                self.report_failure(key, &failure, true, now);
            }
        }
        self.close_settled(key, now);
    }

    /// Whether fewer exceptions may still be taken at its site than are known to have been raised there:
    /// then the word on this one was lost, and it was taken.
    fn was_taken(&self, key: ProcessKey, failure: &Failure) -> bool {
        let Some(process) = self.model.processes.get(&key) else {
            return false;
        };
        let Some(slot) = failure.event.slot else {
            return false;
        };
        let Some(site) = process.work.sites.get(&slot) else {
            return false;
        };
        // The counters may have been read before the failure that this is about.
        let is_counted = site.reading.failed > 0;
        is_counted && site.reading.unsettled() <= process.work.failures.unsettled_at(slot)
    }

    /// Drops the failures at sites where none may be taken any more.
    fn close_settled(&mut self, key: ProcessKey, now: Nanos) {
        let Some(work) = self.work_of(key) else {
            return;
        };
        let sites = &work.sites;
        let is_settled = |slot: &Option<u32>| {
            let site = slot.and_then(|slot| sites.get(&slot));
            site.is_some_and(|site| site.reading.failed > 0 && site.reading.unsettled() == 0)
        };
        let untaken = work.failures.untaken.values();
        let settled: Vec<u64> = untaken
            .flat_map(|untaken| &untaken.failures)
            .filter(|(_, (_, slot))| is_settled(slot))
            .map(|(identity, _)| *identity)
            .collect();
        for identity in settled {
            self.settle_untaken(key, identity, true, now);
        }
    }

    /// A reported failure may no longer be taken; the incident closes with its last one.
    fn settle_untaken(&mut self, key: ProcessKey, identity: u64, was_taken: bool, at: Nanos) {
        let Some(work) = self.work_of(key) else {
            return;
        };
        let Some(fault) = work.failures.fault_of(identity) else {
            return;
        };
        let Some(untaken) = work.failures.untaken.get_mut(&fault) else {
            return;
        };
        let removed = untaken.failures.remove(&identity);
        let (failed, slot) = (
            removed.map(|(at, _)| at),
            removed.and_then(|(_, slot)| slot),
        );
        if was_taken && let Some(site) = slot.and_then(|slot| work.sites.get_mut(&slot)) {
            site.counted.take_back();
        }
        if !untaken.failures.is_empty() {
            return;
        }
        let occurrence = untaken.occurrence;
        work.failures.untaken.remove(&fault);
        let incident = self.book.incident_of(occurrence);
        let diagnosis = incident.map(|incident| incident.diagnosis.clone());
        let last_word = diagnosis
            .filter(|_| was_taken)
            .zip(failed)
            .map(|(diagnosis, failed)| rules::taken_late(diagnosis, failed, at));
        self.book.close(occurrence, last_word, at);
    }

    /// Books a failure that nobody took; `may_be_taken` while somebody still may.
    fn report_failure(
        &mut self,
        key: ProcessKey,
        failure: &Failure,
        may_be_taken: bool,
        at: Nanos,
    ) {
        let event = &failure.event;
        let site = self.site_of(key, event);
        let owner = site.as_ref().map_or(Owner::Nobody, |site| site.owner);
        let on = self
            .loop_of_event(key, event)
            .or_else(|| self.model.loop_of(key, owner));
        let severity = self.severity_of_failures(key, on, event.count, at);
        let diagnosis = rules::describe_task_failure(event, site.as_deref());
        let fault: FaultKey = (on, diagnosis.chain.clone());
        let booked = Booked {
            kind: IncidentKind::TaskFailure,
            on,
            severity,
            diagnosis: diagnosis.clone(),
        };
        self.count_failure(key, event, booked);
        let known = self
            .work_of(key)
            .and_then(|work| work.failures.untaken.get_mut(&fault));
        if let Some(untaken) = known {
            if may_be_taken {
                untaken.add(failure);
            }
            let (occurrence, times) = (untaken.occurrence, u64::from(event.count));
            self.book.repeat(occurrence, times, diagnosis, at);
            return self.book.raise(occurrence, severity, at);
        }
        let on = on.map_or(Owner::Nobody, Owner::Loop);
        let subject = self.subject_of(IncidentKind::TaskFailure, key, on);
        let since = event.until().min(at);
        let occurrence = self.open_times(subject, severity, diagnosis, since, at, event.count);
        if !may_be_taken {
            return self.book.close(occurrence, None, since);
        }
        let mut untaken = Untaken::new(occurrence);
        untaken.add(failure);
        if let Some(work) = self.work_of(key) {
            work.failures.untaken.insert(fault, untaken);
        }
    }

    fn count_failure(&mut self, key: ProcessKey, event: &Event, booked: Booked) {
        let Some(work) = self.work_of(key) else {
            return;
        };
        let site = event.slot.and_then(|slot| work.sites.get_mut(&slot));
        if let Some(site) = site {
            site.counted.book(event.count.into(), booked);
        }
    }

    /// Books what the counters know of and nobody told.
    pub(super) fn count_untold(&mut self, key: ProcessKey, now: Nanos) {
        let grace = self.config.task_failure_grace;
        let work = self.work_of(key);
        let untold = work.map(|work| work.untold(now, grace));
        for (booked, times) in untold.unwrap_or_default() {
            self.book_more(key, booked, times, now);
        }
    }

    /// The same as was booked before, so many times more.
    pub(super) fn book_more(&mut self, key: ProcessKey, booked: Booked, times: u64, at: Nanos) {
        let Booked {
            kind,
            on,
            mut severity,
            diagnosis,
        } = booked;
        let count = u32::try_from(times).unwrap_or(u32::MAX);
        if kind == IncidentKind::TaskFailure {
            severity = severity.max(self.severity_of_failures(key, on, count, at));
            let fault: FaultKey = (on, diagnosis.chain.clone());
            let lasting = self
                .work_of(key)
                .and_then(|work| work.failures.untaken.get(&fault));
            if let Some(occurrence) = lasting.map(|untaken| untaken.occurrence) {
                self.book.repeat(occurrence, times, diagnosis, at);
                return self.book.raise(occurrence, severity, at);
            }
        }
        let subject = self.subject_of(kind, key, on.map_or(Owner::Nobody, Owner::Loop));
        let occurrence = self.open_times(subject, severity, diagnosis, at, at, count);
        self.book.close(occurrence, None, at);
    }

    fn site_of(&self, key: ProcessKey, event: &Event) -> Option<Arc<TaskSite>> {
        let process = self.model.processes.get(&key)?;
        let site = process.work.sites.get(&event.slot?)?;
        Some(site.reading.site.clone())
    }

    /// Opens an occurrence that stands for so many.
    pub(super) fn open_times(
        &mut self,
        subject: Subject,
        severity: Severity,
        diagnosis: Diagnosis,
        since: Nanos,
        at: Nanos,
        times: u32,
    ) -> OccurrenceId {
        let more = u64::from(times).saturating_sub(1);
        let again = (more > 0).then(|| diagnosis.clone());
        let occurrence = self.book.open(subject, severity, diagnosis, since, at);
        // It may have joined others that were not as bad.
        self.book.raise(occurrence, severity, at);
        if let Some(diagnosis) = again {
            self.book.repeat(occurrence, more, diagnosis, at);
        }
        occurrence
    }

    /// A process that was killed takes its failures with it: what waited for somebody waits no more. One
    /// that ended in order may have handled them on its last steps.
    pub(super) fn end_failures(&mut self, key: ProcessKey, was_killed: bool, at: Nanos) {
        let Some(work) = self.work_of(key) else {
            return;
        };
        let waiting = work.failures.take_due(at, Nanos(0));
        let untaken = std::mem::take(&mut work.failures.untaken);
        for failure in waiting.iter().filter(|_| was_killed) {
            self.report_failure(key, failure, false, at);
        }
        for untaken in untaken.into_values() {
            self.book.close(untaken.occurrence, None, at);
        }
    }
}
