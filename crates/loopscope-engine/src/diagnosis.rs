//! What one occurrence turned out to be: the words and frames that go into an incident.
//!
//! Made by `cause` for stalls and by the engine for everything else, kept by `incidents`, put into words
//! by `summary`. Pure data.

use crate::{
    observation::{LoopKey, ProcessKey},
    report::{
        Advice, CallbackShare, Culprit, IncidentKind, LoopRef, ProcessRef, ReportFrame, StallCause,
        TaskRef,
    },
};

/// What an incident is about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Subject {
    pub(crate) kind: IncidentKind,
    pub(crate) process: ProcessKey,
    pub(crate) process_ref: ProcessRef,
    pub(crate) r#loop: Option<(LoopKey, LoopRef)>,
}

impl Subject {
    /// Whether two occurrences may be one incident: same kind, same process, same loop.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let loop_key = |subject: &Self| subject.r#loop.as_ref().map(|(key, _)| *key);
        self.kind == other.kind
            && self.process == other.process
            && loop_key(self) == loop_key(other)
    }
}

/// What was found out about an occurrence so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Diagnosis {
    pub(crate) cause: Option<StallCause>,
    pub(crate) gil_held: Option<bool>,
    pub(crate) culprit: Option<Culprit>,
    pub(crate) frames: Vec<ReportFrame>,
    pub(crate) task: Option<TaskRef>,
    pub(crate) shares: Vec<CallbackShare>,
    pub(crate) advice: Advice,
    /// The call to blame, as a person would name it: `time.sleep`.
    pub(crate) call: Option<String>,
    /// The thread that held the interpreter's lock all the while, where the loop waited for that.
    pub(crate) lock_holder: Option<u32>,
    /// The incident that this one comes from.
    pub(crate) origin: Option<String>,
    /// What is known besides, one clause: why frames could not be read.
    pub(crate) note: Option<String>,
    /// Who keeps it so, one clause that is as true once it is over.
    pub(crate) detail: Option<String>,
    /// What the fingerprint is made of besides kind and cause, from the culprit outward.
    pub(crate) chain: Vec<String>,
}
