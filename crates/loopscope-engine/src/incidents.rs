//! The book of incidents: occurrences open, join what is already known, and close.
//!
//! It takes diagnoses as given. What it owns is time and grouping: durations, counts, severity, which
//! occurrence belongs to which incident, and which of all this is worth a line to a person.

mod render;
mod stored;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(crate) use stored::Stored;

use self::stored::OpenOccurrence;
use crate::{
    change::{Change, ChangeKind},
    config::Config,
    diagnosis::{Diagnosis, Subject},
    fingerprint::fingerprint,
    report::{IncidentKind, Severity},
    time::{Nanos, WallAnchor},
};

/// Changes that nobody takes are dropped beyond this many, oldest first.
const MAX_CHANGES: usize = 4_096;

/// One occurrence, within this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OccurrenceId(u64);

/// All incidents of a run.
#[derive(Debug)]
pub(crate) struct Book {
    incidents: BTreeMap<u64, Stored>,
    open: BTreeMap<OccurrenceId, OpenOccurrence>,
    changes: VecDeque<Change>,
    /// Incidents that were dropped to stay within bounds.
    pub(crate) dropped: u64,
    last_incident: u64,
    last_occurrence: u64,
    anchor: WallAnchor,
    blocked_threshold: Nanos,
    join_window: Nanos,
    max_incidents: usize,
}

impl Book {
    pub(crate) fn new(config: &Config, anchor: WallAnchor) -> Self {
        Self {
            incidents: BTreeMap::new(),
            open: BTreeMap::new(),
            changes: VecDeque::new(),
            dropped: 0,
            last_incident: 0,
            last_occurrence: 0,
            anchor,
            blocked_threshold: config.blocked_threshold,
            join_window: config.join_window,
            max_incidents: config.max_incidents.max(1),
        }
    }

    /// An occurrence begins, or is seen for the first time: it joins an incident or makes a new one.
    pub(crate) fn open(
        &mut self,
        subject: Subject,
        severity: Severity,
        diagnosis: Diagnosis,
        since: Nanos,
        at: Nanos,
    ) -> OccurrenceId {
        self.last_occurrence += 1;
        let id = OccurrenceId(self.last_occurrence);
        let print = fingerprint(subject.kind, diagnosis.cause, &diagnosis.chain);
        let escalates = subject.kind == IncidentKind::LoopStall;
        let mut occurrence = OpenOccurrence::new(since, print, severity, escalates);
        // The end of a repeated stall is no news; that of a leak is, and that somebody handled a failure.
        let is_stall = subject.kind == IncidentKind::LoopStall;
        let lasts = subject.kind.lasts() || subject.kind == IncidentKind::TaskFailure;
        occurrence.tells_end = lasts && !is_stall;
        self.attach(id, &mut occurrence, subject, diagnosis, at);
        self.open.insert(id, occurrence);
        // One that joins may be worse than all before it.
        self.raise(id, severity, at);
        id
    }

    /// More is known of an occurrence that lasts.
    pub(crate) fn refine(&mut self, id: OccurrenceId, diagnosis: Diagnosis, at: Nanos) {
        let Some(mut occurrence) = self.open.remove(&id) else {
            return;
        };
        self.settle(id, &mut occurrence, diagnosis, at);
        self.open.insert(id, occurrence);
    }

    /// An occurrence ends. `diagnosis` is the last word on it, where there is one.
    pub(crate) fn close(&mut self, id: OccurrenceId, diagnosis: Option<Diagnosis>, ended: Nanos) {
        let Some(mut occurrence) = self.open.remove(&id) else {
            return;
        };
        if let Some(diagnosis) = diagnosis {
            self.settle(id, &mut occurrence, diagnosis, ended);
        }
        if occurrence.is_alias_join {
            self.move_out(id, &mut occurrence, ended);
        }
        let length = ended.since(occurrence.since);
        let Some(incident) = self.incidents.get_mut(&occurrence.incident) else {
            return;
        };
        incident.end(id, occurrence.since, ended);
        if occurrence.escalates && length >= self.blocked_threshold {
            incident.severity = Severity::Critical;
        }
        let is_news = occurrence.tells_end && length > Nanos(0);
        let says_so = incident.count == 1 || occurrence.was_escalated || is_news;
        if says_so {
            self.push(ChangeKind::Closed, occurrence.incident, ended, length);
        } else if is_power_of_ten(incident.count) {
            self.push(ChangeKind::Updated, occurrence.incident, ended, length);
        }
    }

    /// The same happened again while an occurrence of it lasts: `times` more.
    pub(crate) fn repeat(&mut self, id: OccurrenceId, times: u64, diagnosis: Diagnosis, at: Nanos) {
        let Some(occurrence) = self.open.get(&id) else {
            return;
        };
        let number = occurrence.incident;
        let length = at.since(occurrence.since);
        let Some(incident) = self.incidents.get_mut(&number) else {
            return;
        };
        let before = incident.count;
        incident.count = before.saturating_add(times);
        let passes_power = power_of_ten(before) < power_of_ten(incident.count);
        incident.refine(diagnosis, at);
        if passes_power {
            self.push(ChangeKind::Updated, number, at, length);
        }
    }

    /// An occurrence that lasts is worse than it was.
    pub(crate) fn raise(&mut self, id: OccurrenceId, severity: Severity, at: Nanos) {
        let Some(occurrence) = self.open.get_mut(&id) else {
            return;
        };
        let number = occurrence.incident;
        let Some(incident) = self.incidents.get_mut(&number) else {
            return;
        };
        if severity <= incident.severity {
            return;
        }
        incident.severity = severity;
        occurrence.was_escalated |= severity == Severity::Critical;
        let length = at.since(occurrence.since);
        self.push(ChangeKind::Escalated, number, at, length);
    }

    /// The incident of this kind on a loop, or in a process, whose open or last occurrence overlaps a time.
    pub(crate) fn overlapping(
        &self,
        is_it: impl Fn(&Subject) -> bool,
        from: Nanos,
        until: Nanos,
    ) -> Option<&Stored> {
        let newest_first = self.incidents.values().rev();
        newest_first
            .into_iter()
            .find(|incident| is_it(&incident.subject) && incident.overlaps(from, until))
    }

    /// Says of incidents that overlap a time and depend on an origin that they come from it, unless an origin is known
    /// already.
    pub(crate) fn link(
        &mut self,
        from: Nanos,
        until: Nanos,
        origin: &str,
        depends: impl Fn(&Stored) -> bool,
    ) {
        let mut linked = BTreeSet::new();
        for incident in self.incidents.values_mut() {
            let is_open_question = incident.diagnosis.origin.is_none();
            let is_meanwhile = is_open_question && incident.overlaps(from, until);
            if is_meanwhile && depends(incident) && incident.id() != origin {
                incident.diagnosis.origin = Some(origin.to_owned());
                linked.insert(incident.id());
            }
        }
        // Those that nobody has heard of yet are told with it.
        for change in &mut self.changes {
            if linked.contains(&change.incident.id) {
                change.incident.origin = Some(origin.to_owned());
            }
        }
    }

    /// The exact end of an occurrence that was closed before is known now.
    pub(crate) fn amend(&mut self, id: OccurrenceId, ended: Nanos) {
        let closed = self.incidents.values_mut().rev();
        if let Some(incident) = closed.into_iter().find(|incident| incident.last_is(id)) {
            incident.amend(ended);
        }
    }

    /// Says which open occurrences became critical by lasting.
    pub(crate) fn escalate(&mut self, now: Nanos) {
        let threshold = self.blocked_threshold;
        let due: Vec<OccurrenceId> = self
            .open
            .iter()
            .filter(|(_, occurrence)| occurrence.is_due(now, threshold))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.escalate_one(id, now);
        }
    }

    fn escalate_one(&mut self, id: OccurrenceId, now: Nanos) {
        let Some(mut occurrence) = self.open.remove(&id) else {
            return;
        };
        if occurrence.is_alias_join {
            self.move_out(id, &mut occurrence, now);
        }
        occurrence.was_escalated = true;
        if let Some(incident) = self.incidents.get_mut(&occurrence.incident) {
            incident.severity = Severity::Critical;
            incident.updated = now;
        }
        let length = now.since(occurrence.since);
        self.push(ChangeKind::Escalated, occurrence.incident, now, length);
        self.open.insert(id, occurrence);
    }

    /// What happened since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        self.changes.drain(..).collect()
    }

    /// The incident of an open occurrence.
    pub(crate) fn incident_of(&self, id: OccurrenceId) -> Option<&Stored> {
        self.incidents.get(&self.open.get(&id)?.incident)
    }

    /// All incidents, oldest first.
    pub(crate) fn incidents(&self) -> impl Iterator<Item = &Stored> {
        self.incidents.values()
    }

    /// Whether a diagnosis still fits where its occurrence is booked; moves the occurrence if not.
    fn settle(
        &mut self,
        id: OccurrenceId,
        occurrence: &mut OpenOccurrence,
        diagnosis: Diagnosis,
        at: Nanos,
    ) {
        let Some(incident) = self.incidents.get_mut(&occurrence.incident) else {
            return;
        };
        let print = fingerprint(incident.subject.kind, diagnosis.cause, &diagnosis.chain);
        let has_changed = print != occurrence.fingerprint;
        occurrence.fingerprint = print;
        if incident.fingerprint == occurrence.fingerprint {
            occurrence.is_alias_join = false;
            self.update(occurrence, diagnosis, at);
        } else if occurrence.before.is_none() {
            self.rename_or_join(id, occurrence, diagnosis, at);
        } else if has_changed {
            occurrence.pending = Some(diagnosis);
            self.move_out(id, occurrence, at);
        } else {
            occurrence.pending = Some(diagnosis);
        }
    }

    /// The incident that an occurrence made turned out to be another fault than it looked like: one that
    /// is known already, which takes it in, or a new one.
    fn rename_or_join(
        &mut self,
        id: OccurrenceId,
        occurrence: &mut OpenOccurrence,
        diagnosis: Diagnosis,
        at: Nanos,
    ) {
        let number = occurrence.incident;
        if let Some(known) = self.known_by_now(occurrence, &diagnosis) {
            self.incidents.remove(&number);
            self.redirect_origins(number, known);
            self.join(known, id, occurrence, diagnosis, at);
        } else {
            if let Some(incident) = self.incidents.get_mut(&number) {
                incident.rename(occurrence.fingerprint.clone());
            }
            self.update(occurrence, diagnosis, at);
        }
    }

    /// The incident that an occurrence belongs to, where the one that it made has no other and the
    /// diagnosis names code: one that does not is never the last word.
    fn known_by_now(&self, occurrence: &OpenOccurrence, diagnosis: &Diagnosis) -> Option<u64> {
        let made = self.incidents.get(&occurrence.incident)?;
        if made.count > 1 || diagnosis.chain.is_empty() {
            return None;
        }
        let print = &occurrence.fingerprint;
        let known = self.find(&made.subject, print, occurrence.since)?;
        (self.incidents.get(&known)?.fingerprint == *print).then_some(known)
    }

    /// What was suspected to come from one incident comes from another, which took it in.
    fn redirect_origins(&mut self, from: u64, to: u64) {
        let (from, to) = (stored::incident_id(from), stored::incident_id(to));
        for incident in self.incidents.values_mut() {
            if incident.diagnosis.origin.as_ref() == Some(&from) {
                incident.diagnosis.origin = Some(to.clone());
            }
        }
    }

    fn update(&mut self, occurrence: &OpenOccurrence, diagnosis: Diagnosis, at: Nanos) {
        let Some(incident) = self.incidents.get_mut(&occurrence.incident) else {
            return;
        };
        let is_first_culprit = incident.diagnosis.culprit.is_none() && diagnosis.culprit.is_some();
        incident.refine(diagnosis, at);
        if is_first_culprit {
            let length = at.since(occurrence.since);
            self.push(ChangeKind::Updated, occurrence.incident, at, length);
        }
    }

    /// Takes an occurrence out of an incident that it turned out not to belong to.
    fn move_out(&mut self, id: OccurrenceId, occurrence: &mut OpenOccurrence, at: Nanos) {
        let Some(before) = occurrence.before.take() else {
            return;
        };
        let joined = self.incidents.insert(occurrence.incident, *before);
        let Some(joined) = joined else { return };
        let diagnosis = occurrence.pending.take().unwrap_or(joined.diagnosis);
        if let Some(left) = self.incidents.get_mut(&occurrence.incident) {
            left.aliases
                .retain(|alias| *alias != occurrence.fingerprint);
        }
        self.attach(id, occurrence, joined.subject, diagnosis, at);
    }

    /// Books an occurrence: with a known incident of the same fingerprint, or as a new one.
    fn attach(
        &mut self,
        id: OccurrenceId,
        occurrence: &mut OpenOccurrence,
        subject: Subject,
        diagnosis: Diagnosis,
        at: Nanos,
    ) {
        match self.find(&subject, &occurrence.fingerprint, occurrence.since) {
            Some(number) => self.join(number, id, occurrence, diagnosis, at),
            None => self.create(id, occurrence, subject, diagnosis, at),
        }
    }

    fn find(&self, subject: &Subject, print: &str, since: Nanos) -> Option<u64> {
        let fits = |incident: &Stored| {
            incident.subject.is_same(subject)
                && incident.answers_to(print)
                && incident
                    .closed
                    .is_some_and(|closed| since.since(closed) <= self.join_window)
        };
        let newest_first = self.incidents.iter().rev();
        newest_first
            .into_iter()
            .find(|(_, incident)| fits(incident))
            .map(|(number, _)| *number)
    }

    fn join(
        &mut self,
        number: u64,
        id: OccurrenceId,
        occurrence: &mut OpenOccurrence,
        diagnosis: Diagnosis,
        at: Nanos,
    ) {
        occurrence.incident = number;
        let Some(incident) = self.incidents.get_mut(&number) else {
            return;
        };
        occurrence.before = Some(Box::new(incident.clone()));
        occurrence.is_alias_join = incident.fingerprint != occurrence.fingerprint;
        incident.begin(id, occurrence.since, at);
        if occurrence.is_alias_join {
            occurrence.pending = Some(diagnosis);
        } else {
            incident.refine(diagnosis, at);
        }
    }

    fn create(
        &mut self,
        id: OccurrenceId,
        occurrence: &mut OpenOccurrence,
        subject: Subject,
        diagnosis: Diagnosis,
        at: Nanos,
    ) {
        self.make_room();
        self.last_incident += 1;
        let number = self.last_incident;
        occurrence.incident = number;
        occurrence.is_alias_join = false;
        let mut incident = Stored::new(number, subject, diagnosis, occurrence);
        incident.begin(id, occurrence.since, at);
        if occurrence.was_escalated {
            incident.severity = Severity::Critical;
        }
        self.incidents.insert(number, incident);
        self.push(ChangeKind::Opened, number, at, at.since(occurrence.since));
    }

    fn make_room(&mut self) {
        while self.incidents.len() >= self.max_incidents {
            let mut closed = self
                .incidents
                .iter()
                .filter(|(_, incident)| incident.open.is_none());
            let Some(number) = closed.next().map(|(number, _)| *number) else {
                return;
            };
            self.incidents.remove(&number);
            self.dropped += 1;
        }
    }

    fn push(&mut self, kind: ChangeKind, number: u64, at: Nanos, occurrence: Nanos) {
        let Some(incident) = self.incidents.get(&number) else {
            return;
        };
        let incident = incident.render(at, self.blocked_threshold, &self.anchor);
        self.changes.push_back(Change {
            kind,
            incident,
            occurrence,
        });
        if self.changes.len() > MAX_CHANGES {
            self.changes.pop_front();
        }
    }
}

fn is_power_of_ten(count: u64) -> bool {
    count >= 10 && 10_u64.checked_pow(count.ilog10()) == Some(count)
}

fn power_of_ten(count: u64) -> u32 {
    count.checked_ilog10().unwrap_or(0)
}
