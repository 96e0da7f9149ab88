//! What the engine hands to surfaces that print lines: changes of incidents, and the answers to probes.
//!
//! A change carries the incident as it stood at that moment. Repeated occurrences of one fault make few
//! changes on purpose: a fault that happens thirty times a second must not print thirty lines a second.

use crate::{report::Incident, time::Nanos};

/// One thing that happened to an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The incident as it stood then.
    pub incident: Incident,
    /// Length of the occurrence that caused the change, so far. The incident's own duration sums all of
    /// its occurrences.
    pub occurrence: Nanos,
}

/// What can happen to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Opened,
    /// It became critical.
    Escalated,
    /// More is known of it: the line to blame, or its count reached a power of ten.
    Updated,
    /// Its occurrence ended. Said for the first occurrence, for each one that had been critical, and for
    /// each of a fault that lasts by its nature; the other occurrences of a repeated stall end silently.
    Closed,
}

/// The answers to `/livez` and `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probes {
    /// Whether the service should be left running.
    pub live: Probe,
    /// Whether the service should be sent requests.
    pub ready: Probe,
}

/// One answer to a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The answer.
    pub passes: bool,
    /// Why it does not pass, one sentence; absent where it passes.
    pub reason: Option<String>,
}

impl Probe {
    pub(crate) fn from_failure(reason: Option<String>) -> Self {
        Self {
            passes: reason.is_none(),
            reason,
        }
    }
}
