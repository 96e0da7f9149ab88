//! The way from the observer into a [`SnapshotCell`].

use std::sync::Arc;

use loopscope_engine::change::{Change, Probe, Probes as EngineProbes};
use loopscope_engine::report::Report;
use loopscope_engine::watch::{Publish, nothing_seen};

use crate::snapshot::{ProbeState, Probes, PublishedReport, SnapshotCell};

/// Puts each state that the observer tells into a cell. Changes are no concern of it.
#[derive(Clone, Debug)]
pub struct Publisher {
    cell: Arc<SnapshotCell>,
    notes: Vec<String>,
}

impl Publisher {
    /// Publishes into `cell`. Every report gets these notes on the watching itself.
    pub fn new(cell: Arc<SnapshotCell>, notes: Vec<String>) -> Self {
        Self { cell, notes }
    }
}

impl Publish for Publisher {
    fn change(&mut self, _change: &Change) {}

    fn snapshot(&mut self, mut report: Report, probes: EngineProbes) {
        let notes = &mut report.detailed_health.agent.notes;
        notes.extend(self.notes.iter().cloned());
        self.cell
            .publish(PublishedReport::new(report, probes.into()));
    }
}

impl SnapshotCell {
    /// A cell with what can be said of a service before the observer's first look.
    pub fn before_first_look(service: String, version: &str) -> Self {
        let (report, probes) = nothing_seen(service, version);
        Self::new(PublishedReport::new(report, probes.into()))
    }
}

impl From<EngineProbes> for Probes {
    fn from(probes: EngineProbes) -> Self {
        let state = |probe: Probe| ProbeState {
            ok: probe.passes,
            reason: probe.reason,
        };
        Self {
            live: state(probes.live),
            ready: state(probes.ready),
        }
    }
}
