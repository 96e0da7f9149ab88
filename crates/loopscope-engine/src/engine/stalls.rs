//! From facts about loops to occurrences in the book.

use super::Engine;
use crate::{
    cause::{self, Case},
    diagnosis::{Diagnosis, Subject},
    incidents::OccurrenceId,
    model::Loop,
    observation::{LoopKey, LoopReading, ProcessKey, ProcessRuntime, Sample},
    report::{IncidentKind, LoopRef, Severity},
    stall::{Period, Rules, Step, Suspension},
    time::Nanos,
    words,
};

impl Engine {
    pub(super) fn look_at_loop(
        &mut self,
        key: LoopKey,
        busy_since: Nanos,
        sample: &Sample,
        at: Nanos,
    ) {
        self.agent.samples += 1;
        self.agent.failed_samples += u64::from(sample.error.is_some());
        let Some((rules, known)) = self.living_loop(key) else {
            return;
        };
        let steps = known.stalls.look(at, busy_since, sample, &rules);
        self.take_steps(key, steps, at);
    }

    pub(super) fn read_loop(&mut self, key: LoopKey, reading: &LoopReading, at: Nanos) {
        let Some((rules, known)) = self.living_loop(key) else {
            return;
        };
        known.reading = reading.clone();
        let steps = known.stalls.read(at, reading, &rules);
        self.take_steps(key, steps, at);
    }

    /// Ends of busy periods are taken from loops that are gone too: the ring is drained after them.
    pub(super) fn end_busy(&mut self, key: LoopKey, started: Nanos, ended: Nanos) {
        let Some(rules) = self.rules(key) else { return };
        let Some(known) = self.model.loops.get_mut(&key) else {
            return;
        };
        let steps = known.stalls.busy_ended(started, ended, &rules);
        self.take_steps(key, steps, ended);
    }

    /// A busy period from before the loop was known to be one.
    pub(super) fn be_busy_before(
        &mut self,
        key: LoopKey,
        (started, ended): (Nanos, Nanos),
        looks: &[(Nanos, Sample)],
        at: Nanos,
    ) {
        let Some(rules) = self.rules(key) else { return };
        let Some(known) = self.model.loops.get_mut(&key) else {
            return;
        };
        let steps = known
            .stalls
            .busy_before(started, ended.min(at), looks, &rules);
        self.agent.samples += looks.len() as u64;
        self.take_steps(key, steps, ended);
    }

    pub(super) fn take_steps(&mut self, key: LoopKey, steps: Vec<Step>, at: Nanos) {
        for step in steps {
            match step {
                Step::Diagnose => self.diagnose_current(key, at),
                Step::Close { period, ended } => {
                    let diagnosis = self.diagnose(key, &period, ended);
                    if let Some(occurrence) = period.occurrence {
                        self.close_stall(occurrence, diagnosis, &period, ended);
                    }
                }
                Step::ReportEnded { period, ended } => {
                    let diagnosis = self.diagnose(key, &period, ended);
                    if let Some(occurrence) = self.open_stall(key, &period, diagnosis, ended) {
                        self.close_stall(occurrence, None, &period, ended);
                    }
                }
                Step::Amend { occurrence, ended } => self.book.amend(occurrence, ended),
            }
        }
    }

    fn diagnose_current(&mut self, key: LoopKey, at: Nanos) {
        let Some(period) = self
            .model
            .loops
            .get(&key)
            .and_then(|known| known.stalls.current())
        else {
            return;
        };
        let period = period.clone();
        let diagnosis = self.diagnose(key, &period, at);
        match (period.occurrence, diagnosis) {
            (Some(occurrence), Some(diagnosis)) => self.book.refine(occurrence, diagnosis, at),
            (None, diagnosis) => {
                let occurrence = self.open_stall(key, &period, diagnosis, at);
                let known = self.model.loops.get_mut(&key);
                if let (Some(occurrence), Some(known)) = (occurrence, known) {
                    known.stalls.set_occurrence(occurrence);
                }
            }
            (Some(_), None) => {}
        }
    }

    fn open_stall(
        &mut self,
        key: LoopKey,
        period: &Period,
        diagnosis: Option<Diagnosis>,
        at: Nanos,
    ) -> Option<OccurrenceId> {
        let subject = self.loop_subject(key)?;
        let diagnosis = diagnosis?;
        self.count_stall(key);
        let since = period.counted_from;
        Some(
            self.book
                .open(subject, Severity::Degraded, diagnosis, since, at),
        )
    }

    fn close_stall(
        &mut self,
        occurrence: OccurrenceId,
        diagnosis: Option<Diagnosis>,
        period: &Period,
        ended: Nanos,
    ) {
        self.book.close(occurrence, diagnosis, ended);
        self.note_length(ended.since(period.counted_from));
    }

    fn count_stall(&mut self, key: LoopKey) {
        self.total_stalls += 1;
        if let Some(known) = self.model.loops.get_mut(&key) {
            known.stall_count += 1;
        }
    }

    fn note_length(&mut self, length: Nanos) {
        self.longest_stall = self.longest_stall.max(Some(length));
    }

    fn diagnose(&self, key: LoopKey, period: &Period, until: Nanos) -> Option<Diagnosis> {
        let process = self.model.processes.get(&key.process)?;
        let case = Case {
            looks: &period.looks,
            from: period.counted_from,
            until,
            stopped: process.stopped_within(period.counted_from, until),
            gc_paused: process.work.gc.paused_within(period.counted_from, until),
            observer_late: self.late_within(period.counted_from, until),
            uninspectable: process.info.uninspectable.as_deref(),
            config: &self.config,
        };
        let mut diagnosis = cause::diagnose(&case);
        diagnosis.origin = diagnosis
            .lock_holder
            .and_then(|thread| self.stall_on_thread(key, thread));
        Some(diagnosis)
    }

    /// The incident of the stall that is open on another loop's thread.
    fn stall_on_thread(&self, key: LoopKey, thread_id: u32) -> Option<String> {
        let others = self
            .model
            .living_loops_of(key.process)
            .into_iter()
            .filter(|k| *k != key);
        let mut stalls = others.filter_map(|other| {
            let known = self.model.loops.get(&other)?;
            let (_, occurrence) = known.stalls.open_stall()?;
            (known.info.thread_id == thread_id).then_some(occurrence)
        });
        stalls.find_map(|occurrence| Some(self.book.incident_of(occurrence)?.id()))
    }

    fn late_within(&self, from: Nanos, until: Nanos) -> Nanos {
        let overlap = |(start, end): &(Nanos, Nanos)| (*end).min(until).since((*start).max(from));
        self.late.iter().map(overlap).max().unwrap_or_default()
    }

    fn living_loop(&mut self, key: LoopKey) -> Option<(Rules, &mut Loop)> {
        let rules = self.rules(key)?;
        let known = self
            .model
            .loops
            .get_mut(&key)
            .filter(|known| known.ended.is_none())?;
        Some((rules, known))
    }

    fn rules(&self, key: LoopKey) -> Option<Rules> {
        let process = self.model.processes.get(&key.process);
        let known = self.model.loops.get(&key)?;
        Some(Rules {
            stall_threshold: self.config.stall_threshold,
            max_looks: self.config.max_looks,
            process_runtime: process.map_or(ProcessRuntime::Native, |p| p.info.runtime),
            loop_runtime: known.info.runtime,
            is_uninspectable: process.is_some_and(|p| p.info.uninspectable.is_some()),
        })
    }

    fn loop_subject(&self, key: LoopKey) -> Option<Subject> {
        self.subject_on(IncidentKind::LoopStall, key)
    }

    /// What an incident of this kind on a loop is about.
    pub(super) fn subject_on(&self, kind: IncidentKind, key: LoopKey) -> Option<Subject> {
        let known = self.model.loops.get(&key)?;
        let subject = self.process_subject(kind, key.process);
        let loop_ref = LoopRef {
            id: known.id.clone(),
            name: known.info.name.clone(),
            runtime: words::loop_runtime(known.info.runtime).to_owned(),
            thread_id: known.info.thread_id,
        };
        Some(Subject {
            r#loop: Some((key, loop_ref)),
            ..subject
        })
    }

    pub(super) fn stop_process(&mut self, key: ProcessKey, stopped: bool, at: Nanos) {
        let Some(process) = self.model.processes.get_mut(&key).filter(|p| p.is_alive()) else {
            return;
        };
        if stopped {
            process.stopped_since.get_or_insert(at);
            self.stopped.entry(key).or_insert(at);
            return;
        }
        process.run_again(at);
        self.stopped.remove(&key);
        for loop_key in self.model.living_loops_of(key) {
            let known = self.model.loops.get_mut(&loop_key);
            if let Some(suspension) = known.and_then(|known| known.stalls.resume(at)) {
                self.end_suspension(suspension, at);
            }
        }
    }

    /// Opens an incident for each loop whose process has been stopped for long enough.
    pub(super) fn suspend_stopped(&mut self, now: Nanos) {
        let threshold = self.config.stall_threshold;
        let due: Vec<(ProcessKey, Nanos)> = self
            .stopped
            .iter()
            .filter(|(_, since)| now.since(**since) >= threshold)
            .map(|(key, since)| (*key, *since))
            .collect();
        for (process, since) in due {
            for key in self.model.living_loops_of(process) {
                self.suspend_loop(key, since, now);
            }
        }
    }

    fn suspend_loop(&mut self, key: LoopKey, since: Nanos, now: Nanos) {
        let Some(known) = self.model.loops.get(&key) else {
            return;
        };
        if known.stalls.open_stall().is_some() || known.stalls.suspension().is_some() {
            return;
        }
        let since = since.max(known.seen_at);
        let Some(subject) = self.loop_subject(key) else {
            return;
        };
        let diagnosis = cause::suspended();
        let occurrence = self
            .book
            .open(subject, Severity::Degraded, diagnosis, since, now);
        self.count_stall(key);
        if let Some(known) = self.model.loops.get_mut(&key) {
            known.stalls.suspend(since, occurrence);
        }
    }

    pub(super) fn end_suspension(&mut self, suspension: Suspension, at: Nanos) {
        self.book.close(suspension.occurrence, None, at);
        self.note_length(at.since(suspension.since));
    }
}
