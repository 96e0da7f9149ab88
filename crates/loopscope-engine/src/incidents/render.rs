//! An incident as the report shows it at one instant.

use super::Stored;
use crate::{
    report::{Advice, Incident},
    summary,
    time::{Nanos, WallAnchor, seconds},
};

impl Stored {
    /// The incident at `now`, its open occurrence counted up to then.
    pub(crate) fn render(&self, now: Nanos, blocked: Nanos, anchor: &WallAnchor) -> Incident {
        let found = &self.diagnosis;
        Incident {
            id: self.id(),
            fingerprint: self.fingerprint.clone(),
            kind: self.subject.kind,
            severity: self.severity_at(now, blocked),
            opened_at: anchor.timestamp(self.opened),
            updated_at: anchor.timestamp(self.updated),
            closed_at: self.closed.map(|closed| anchor.timestamp(closed)),
            duration_seconds: seconds(self.total_at(now)),
            longest_seconds: seconds(self.longest_at(now)),
            count: self.count,
            process: self.subject.process_ref.clone(),
            r#loop: self
                .subject
                .r#loop
                .as_ref()
                .map(|(_, loop_ref)| loop_ref.clone()),
            summary: summary::sentence(self, now, blocked),
            cause: found.cause,
            gil_held: found.gil_held,
            culprit: found.culprit.clone(),
            frames: found.frames.clone(),
            task: found.task.clone(),
            shares: found.shares.clone(),
            advice: self.advice(),
            origin: found.origin.clone(),
        }
    }

    /// The advice with this incident's own figures in it.
    fn advice(&self) -> Advice {
        let count = self.count.to_string();
        let advice = self.diagnosis.advice.clone();
        Advice {
            verify: advice
                .verify
                .map(|verify| verify.replace("{count}", &count)),
            ..advice
        }
    }
}
