//! One incident as the book keeps it: sums over its finished occurrences, and the one that lasts.
//!
//! Nothing in here depends on the present; `render` adds what an occurrence has lasted by now.

use super::OccurrenceId;
use crate::{
    diagnosis::{Diagnosis, Subject},
    report::Severity,
    time::Nanos,
};

/// Former fingerprints that an incident still answers to. Two in practice: what the first look
/// suggested, and what came out.
const MAX_ALIASES: usize = 4;

/// An incident.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) number: u64,
    pub(crate) subject: Subject,
    pub(crate) diagnosis: Diagnosis,
    pub(crate) fingerprint: String,
    /// What its occurrences look like at first, before their cause is clear: a later occurrence that
    /// begins like this one joins it at once, and leaves it again if it turns out otherwise.
    pub(super) aliases: Vec<String>,
    pub(crate) severity: Severity,
    pub(crate) opened: Nanos,
    pub(super) updated: Nanos,
    pub(crate) closed: Option<Nanos>,
    pub(crate) count: u64,
    pub(crate) open: Option<(OccurrenceId, Nanos)>,
    pub(super) escalates: bool,
    finished: Nanos,
    longest: Nanos,
    last: Option<LastOccurrence>,
    /// The latest end before the open occurrence.
    last_closed: Option<Nanos>,
}

/// The occurrence that ended last, kept so that its end can be amended.
#[derive(Clone, Copy, Debug)]
struct LastOccurrence {
    id: OccurrenceId,
    since: Nanos,
    ended: Nanos,
    longest_before: Nanos,
}

/// An occurrence that lasts, and where it is booked.
#[derive(Debug)]
pub(super) struct OpenOccurrence {
    pub(super) incident: u64,
    pub(super) since: Nanos,
    pub(super) fingerprint: String,
    pub(super) severity: Severity,
    /// The incident as it was before this occurrence joined it; absent where it made the incident.
    pub(super) before: Option<Box<Stored>>,
    /// It joined by what it looks like at first, and has not been confirmed.
    pub(super) is_alias_join: bool,
    /// Its own diagnosis, while its incident shows another one.
    pub(super) pending: Option<Diagnosis>,
    /// Whether lasting makes it critical.
    pub(super) escalates: bool,
    pub(super) was_escalated: bool,
    /// Whether its end is news each time, as it is of a fault that lasts.
    pub(super) tells_end: bool,
}

/// What an incident is called within this run.
pub(super) fn incident_id(number: u64) -> String {
    format!("incident-{number}")
}

impl OpenOccurrence {
    pub(super) fn new(
        since: Nanos,
        fingerprint: String,
        severity: Severity,
        escalates: bool,
    ) -> Self {
        Self {
            incident: 0,
            since,
            fingerprint,
            severity,
            before: None,
            is_alias_join: false,
            pending: None,
            escalates,
            was_escalated: severity == Severity::Critical,
            tells_end: false,
        }
    }

    pub(super) fn is_due(&self, now: Nanos, threshold: Nanos) -> bool {
        self.escalates && !self.was_escalated && now.since(self.since) >= threshold
    }
}

impl Stored {
    pub(super) fn new(
        number: u64,
        subject: Subject,
        diagnosis: Diagnosis,
        occurrence: &OpenOccurrence,
    ) -> Self {
        Self {
            number,
            subject,
            diagnosis,
            fingerprint: occurrence.fingerprint.clone(),
            aliases: Vec::new(),
            severity: occurrence.severity,
            opened: occurrence.since,
            updated: occurrence.since,
            closed: None,
            count: 0,
            open: None,
            escalates: occurrence.escalates,
            finished: Nanos(0),
            longest: Nanos(0),
            last: None,
            last_closed: None,
        }
    }

    /// Its identity within this run.
    pub(crate) fn id(&self) -> String {
        incident_id(self.number)
    }

    /// Whether it is about a stalled loop, or a fault that lasts, rather than one that is over.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether it lasts, or was over less than `window` before `now`.
    pub(crate) fn is_recent(&self, now: Nanos, window: Nanos) -> bool {
        self.closed.is_none_or(|closed| now.since(closed) < window)
    }

    /// How bad it is at `now`: the worst so far, and worse still once it has lasted.
    pub(crate) fn severity_at(&self, now: Nanos, blocked_threshold: Nanos) -> Severity {
        if self.is_blocked(now, blocked_threshold) {
            Severity::Critical
        } else {
            self.severity
        }
    }

    /// Whether its open occurrence has lasted past the blocked threshold.
    pub(crate) fn is_blocked(&self, now: Nanos, blocked_threshold: Nanos) -> bool {
        self.escalates
            && self
                .open
                .is_some_and(|(_, since)| now.since(since) >= blocked_threshold)
    }

    /// Length of all occurrences by `now`.
    pub(crate) fn total_at(&self, now: Nanos) -> Nanos {
        self.finished.plus(self.lasting_at(now))
    }

    /// Length of the longest occurrence by `now`.
    pub(crate) fn longest_at(&self, now: Nanos) -> Nanos {
        self.longest.max(self.lasting_at(now))
    }

    /// Length of the open occurrence by `now`.
    pub(crate) fn lasting_at(&self, now: Nanos) -> Nanos {
        self.open.map_or(Nanos(0), |(_, since)| now.since(since))
    }

    pub(super) fn answers_to(&self, print: &str) -> bool {
        self.fingerprint == print || self.aliases.iter().any(|alias| alias == print)
    }

    pub(super) fn begin(&mut self, id: OccurrenceId, since: Nanos, at: Nanos) {
        self.count += 1;
        self.last_closed = self.last_closed.max(self.closed);
        self.closed = None;
        // Ends of older periods may be heard of late.
        self.opened = self.opened.min(since);
        self.open = Some((id, since));
        self.updated = at;
    }

    pub(super) fn end(&mut self, id: OccurrenceId, since: Nanos, ended: Nanos) {
        let longest_before = self.longest;
        self.last = Some(LastOccurrence {
            id,
            since,
            ended,
            longest_before,
        });
        self.finished = self.finished.plus(ended.since(since));
        self.longest = longest_before.max(ended.since(since));
        self.open = None;
        self.closed = self.last_closed.max(Some(ended.max(since)));
        self.updated = self.updated.max(ended);
    }

    /// Whether its open or last occurrence overlaps a time.
    pub(super) fn overlaps(&self, from: Nanos, until: Nanos) -> bool {
        let open = self.open.map(|(_, since)| (since, Nanos(u64::MAX)));
        let last = self.last.map(|last| (last.since, last.ended));
        let mut both = open.into_iter().chain(last);
        both.any(|(since, ended)| since < until && from < ended)
    }

    /// From when until when it lasted last; until `now` where it still does.
    pub(crate) fn last_time(&self, now: Nanos) -> Option<(Nanos, Nanos)> {
        let open = self.open.map(|(_, since)| (since, now.max(since)));
        open.or_else(|| self.last.map(|last| (last.since, last.ended)))
    }

    pub(super) fn last_is(&self, id: OccurrenceId) -> bool {
        self.last.is_some_and(|last| last.id == id)
    }

    /// Corrects the end of the last occurrence.
    pub(super) fn amend(&mut self, ended: Nanos) {
        let Some(last) = self.last.filter(|_| self.open.is_none()) else {
            return;
        };
        let counted = last.ended.since(last.since);
        self.finished = self.finished.since(counted);
        self.longest = last.longest_before;
        self.end(last.id, last.since, ended);
        if let Some(amended) = &mut self.last {
            amended.longest_before = last.longest_before;
        }
    }

    /// Takes the newer word on what this is. What is known is not given up for what is not.
    pub(super) fn refine(&mut self, mut diagnosis: Diagnosis, at: Nanos) {
        if diagnosis.origin.is_none() {
            diagnosis.origin = self.diagnosis.origin.take();
        }
        self.diagnosis = diagnosis;
        self.updated = self.updated.max(at);
    }

    /// Takes a new fingerprint, and still answers to the old one unless that named no code: any fault
    /// may look like that at first.
    pub(super) fn rename(&mut self, print: String) {
        let old = std::mem::replace(&mut self.fingerprint, print);
        if self.diagnosis.chain.is_empty() {
            return;
        }
        self.aliases
            .retain(|alias| *alias != old && *alias != self.fingerprint);
        self.aliases.push(old);
        if self.aliases.len() > MAX_ALIASES {
            self.aliases.remove(0);
        }
    }
}
