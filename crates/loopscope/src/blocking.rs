//! The threads of a runtime for blocking work: whether any is free.
//!
//! Where tokio is built with `tokio_unstable` it tells how many there are and what waits for one. Else work that does
//! nothing is sent to them now and then: while it waits, none is free, since tokio starts one where it may.

use loopscope_recorder::layout::Coverage;
use loopscope_recorder::writer::{ExecutorGauges, ExecutorWriter};
use tokio::runtime::Handle;

use crate::adapter::Adapter;

/// The blocking threads of one runtime.
pub(crate) struct Blocking {
    adapter: &'static Adapter,
    name: String,
    /// Most that there may be; `None` where the runtime was built by others, who alone know.
    most: Option<u64>,
    writer: Option<ExecutorWriter>,
    #[cfg(not(tokio_unstable))]
    probe: probe::Probe,
}

impl Blocking {
    pub(crate) fn new(adapter: &'static Adapter, runtime: &str, most: Option<u64>) -> Self {
        Self {
            adapter,
            name: format!("{runtime} (blocking)"),
            most,
            writer: None,
            #[cfg(not(tokio_unstable))]
            probe: probe::Probe::default(),
        }
    }

    /// Looks how they are, and writes that down.
    pub(crate) fn look(&mut self, handle: &Handle, now_nanos: u64) {
        match self.gauges(handle, now_nanos) {
            Some(gauges) => {
                if let Some(writer) = self.writer() {
                    writer.set_gauges(&gauges, now_nanos);
                }
            }
            None => self.end(now_nanos),
        }
    }

    /// What was written of them is no longer so.
    pub(crate) fn end(&mut self, now_nanos: u64) {
        if let Some(writer) = self.writer.take() {
            writer.shut_down(now_nanos);
        }
    }

    fn writer(&mut self) -> Option<ExecutorWriter> {
        if self.writer.is_none() {
            self.adapter.covers(Coverage::EXECUTORS);
            self.writer = self.adapter.recording()?.executor(&self.name);
        }
        self.writer
    }

    /// All of them, as tokio counts.
    #[cfg(tokio_unstable)]
    fn gauges(&mut self, handle: &Handle, _now_nanos: u64) -> Option<ExecutorGauges> {
        let metrics = handle.metrics();
        let workers = metrics.num_blocking_threads() as u64;
        let idle = metrics.num_idle_blocking_threads() as u64;
        Some(ExecutorGauges {
            max_workers: self.most.unwrap_or(workers),
            workers,
            busy: workers.saturating_sub(idle),
            queued: metrics.blocking_queue_depth() as u64,
        })
    }

    /// What is known while none is free; `None` while one is.
    #[cfg(not(tokio_unstable))]
    fn gauges(&mut self, handle: &Handle, now_nanos: u64) -> Option<ExecutorGauges> {
        let most = self.most.unwrap_or(0);
        self.probe
            .finds_none_free(handle, now_nanos)
            .then_some(ExecutorGauges {
                max_workers: most,
                workers: most,
                busy: most.max(1),
                queued: 1,
            })
    }
}

#[cfg(not(tokio_unstable))]
mod probe {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use tokio::runtime::Handle;
    use tokio::task::JoinHandle;

    /// Work is sent this often.
    const SEND_NANOS: u64 = 500_000_000;

    /// A thread that is free has taken it by then, and one that had to be started as well.
    const LATE_NANOS: u64 = 100_000_000;

    /// Work that does nothing.
    #[derive(Default)]
    pub(super) struct Probe {
        sent: Option<JoinHandle<()>>,
        sent_nanos: u64,
        /// That has waited for too long.
        is_late: bool,
        /// And none that was sent later was taken at once.
        are_taken: bool,
    }

    impl Probe {
        pub(super) fn finds_none_free(&mut self, handle: &Handle, now_nanos: u64) -> bool {
            let since_sent = now_nanos.saturating_sub(self.sent_nanos);
            let is_waiting = self.sent.as_ref().is_some_and(|sent| !sent.is_finished());
            if is_waiting && since_sent >= LATE_NANOS {
                self.is_late = true;
                self.are_taken = true;
            } else if !is_waiting && self.sent.take().is_some() {
                // The thread that took one that was late goes on to what waited behind it.
                self.are_taken &= self.is_late;
            }
            if self.sent.is_none() && (self.are_taken || since_sent >= SEND_NANOS) {
                self.sent_nanos = now_nanos;
                self.is_late = false;
                // tokio panics where there is no thread and none can be had. The program hears of it without us.
                self.sent = catch_unwind(AssertUnwindSafe(|| handle.spawn_blocking(|| {}))).ok();
            }
            self.are_taken
        }
    }
}
