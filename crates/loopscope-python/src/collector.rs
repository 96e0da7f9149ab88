//! The garbage collector's pauses, told by its own callback.

use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::layout::{FactKind, LoopOwner};
use loopscope_recorder::writer::{FactRecord, GcWriter};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::gil::GilCell;
use crate::process::{self, Bound as Process};
use crate::tasks::{Limiter, Told};

/// Pauses from this length on are told by themselves: a tenth of what makes a stall by default.
const TOLD_FROM_NANOS: u64 = 10_000_000;

/// How often such pauses are told within ten seconds.
const TOLD: u32 = 16;

static COLLECTOR: GilCell<Collector> = GilCell::new(Collector {
    process: Process::NONE,
    limiter: Limiter::new(TOLD),
});

struct Collector {
    process: Process,
    limiter: Limiter,
}

/// What the collector calls: `gc.callbacks` holds it.
#[pyfunction]
pub(crate) fn collector_callback(phase: &str, info: &Bound<'_, PyDict>) {
    let py = info.py();
    let number = |name: &str| {
        let value = info.get_item(name).ok().flatten();
        value
            .and_then(|value| value.extract::<u64>().ok())
            .unwrap_or(0)
    };
    let generation = number("generation");
    let now = monotonic_nanos();
    if phase == "start" {
        COLLECTOR.with(py, |collector| collector.begins(now, generation as u32));
        return;
    }
    let is_told = COLLECTOR.with(py, |collector| {
        collector.ends(now, number("collected"), generation)
    });
    if let Some(pause) = is_told.flatten() {
        let told = Told::of_callers(py);
        COLLECTOR.with(py, |collector| {
            collector.tell(now, pause, generation, &told)
        });
    }
}

impl Collector {
    fn begins(&mut self, now: u64, generation: u32) {
        let thread_id = self.thread_id();
        if let Some(writer) = self.writer() {
            writer.begins(now, generation, thread_id);
        }
    }

    /// Returns the pause where it is to be told by itself.
    fn ends(&mut self, now: u64, collected: u64, generation: u64) -> Option<u64> {
        let pause = self.writer()?.ends(now, collected)?;
        let is_told = pause >= TOLD_FROM_NANOS && self.limiter.allows((generation as u32, 0), now);
        is_told.then_some(pause)
    }

    fn tell(&mut self, now: u64, pause: u64, generation: u64, told: &Told) {
        let thread_id = self.thread_id();
        if let Some(recording) = self.process.recording {
            recording.push_fact(&FactRecord {
                owner: LoopOwner::Thread(thread_id),
                thread_id,
                identity: generation,
                started_nanos: now.saturating_sub(pause),
                ended_nanos: now,
                frames: &told.fact_frames(),
                ..FactRecord::new(FactKind::GcPause)
            });
        }
    }

    fn writer(&mut self) -> Option<GcWriter> {
        if self.process.epoch == 0 || self.process.epoch != process::epoch() {
            self.process = process::bind();
        }
        Some(self.process.recording?.gc())
    }

    fn thread_id(&self) -> u32 {
        process::thread_id(self.process.epoch)
    }
}
