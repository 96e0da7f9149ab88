//! What is written down of a pool: its sizes as it is asked, waits and holders as they come and go.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::layout::{Coverage, FactKind, LoopOwner};
use loopscope_recorder::writer::{
    ConnectionWriter, FactFrame, FactRecord, HolderSpec, Limiter, PoolGauges, PoolSpec, PoolWriter,
};

use super::{Pool, PoolState};
use crate::adapter::Adapter;
use crate::process;

/// How often time-outs of one pool are told in full within ten seconds.
const TOLD: u32 = 8;

/// So many of those who wait in this process are written down, an eighth of the places for connections; others are counted.
const WAITERS: usize = 64;

/// A pool's record.
#[derive(Debug)]
pub(crate) struct Record {
    adapter: &'static Adapter,
    writer: PoolWriter,
    server: String,
    limiter: Mutex<Limiter>,
    /// Places for holders that nobody is in, most of which were used before.
    free: Mutex<Vec<ConnectionWriter>>,
}

impl Record {
    /// `None` where nothing is recorded, or there is no room.
    pub(crate) fn new<P: Pool>(
        adapter: &'static Adapter,
        (name, server): (&str, &str),
        pool: &P,
    ) -> Option<Arc<Self>> {
        adapter.covers(Coverage::DATABASES);
        let writer = adapter.recording()?.pool(&PoolSpec {
            name,
            driver: pool.driver(),
            server,
        })?;
        Some(Arc::new(Self {
            adapter,
            writer,
            server: server.to_owned(),
            limiter: Mutex::new(Limiter::new(TOLD)),
            free: Mutex::new(Vec::new()),
        }))
    }

    /// A place for one who has a connection.
    fn holder(&self) -> Option<ConnectionWriter> {
        let free = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        free.or_else(|| {
            let recording = self.adapter.recording()?;
            recording.connection(self.writer.index(), 0, monotonic_nanos())
        })
    }

    fn held_no_more(&self, place: ConnectionWriter) {
        place.returned();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(place);
    }

    /// A place for one who waits.
    fn waiter(&self) -> Option<ConnectionWriter> {
        let recording = self.adapter.recording()?;
        let waiters = &self.adapter.waiters;
        if waiters.fetch_add(1, Relaxed) < WAITERS
            && let Some(place) = recording.waiter(self.writer.index())
        {
            return Some(place);
        }
        waiters.fetch_sub(1, Relaxed);
        None
    }

    /// The place may be a connection's again.
    fn waits_no_more(&self, place: ConnectionWriter) {
        place.closed();
        self.adapter.waiters.fetch_sub(1, Relaxed);
    }

    fn write(&self, state: &PoolState, now_nanos: u64) {
        let in_use = state.size.saturating_sub(state.idle);
        match state.waiting {
            Some(waiting) => self.writer.set_gauges(
                &PoolGauges {
                    size: state.size,
                    smallest: state.smallest,
                    largest: state.largest,
                    in_use,
                    idle: state.idle,
                    waiting,
                },
                now_nanos,
            ),
            None => {
                self.writer
                    .set_sizes(state.size, state.idle, state.smallest, state.largest);
                self.writer.set_in_use(in_use);
            }
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.adapter.recording().is_none() {
            return;
        }
        let free = self.free.get_mut().unwrap_or_else(PoisonError::into_inner);
        free.drain(..).for_each(|place| place.closed());
    }
}

/// A pool that the watchdog asks.
pub(crate) struct Asked {
    watcher: Box<dyn Fn() -> Option<PoolState> + Send>,
    record: Arc<Record>,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Asked").finish_non_exhaustive()
    }
}

impl Asked {
    pub(crate) fn new<P: Pool>(pool: &P, record: &Arc<Record>) -> Self {
        Self {
            watcher: Box::new(pool.watcher()),
            record: Arc::clone(record),
        }
    }

    /// Asks it. False where it is gone; one that panics is asked no more either.
    pub(crate) fn ask(&self, now_nanos: u64) -> bool {
        let asked = catch_unwind(AssertUnwindSafe(|| (self.watcher)()));
        let Some(state) = asked.ok().flatten() else {
            self.record.write(&PoolState::default(), now_nanos);
            return false;
        };
        self.record.write(&state, now_nanos);
        true
    }
}

/// A wait for a connection. One that is dropped has ended without.
#[derive(Debug)]
pub(super) struct Waiting {
    record: Arc<Record>,
    since_nanos: u64,
    /// There was no connection at once.
    has_lasted: bool,
    /// Where it then says who waits, if there was room.
    place: Option<ConnectionWriter>,
    is_over: bool,
}

impl Waiting {
    pub(super) fn begin(record: &Arc<Record>) -> Option<Self> {
        record.adapter.recording()?;
        let since_nanos = monotonic_nanos();
        record.writer.waits(since_nanos);
        Some(Self {
            record: Arc::clone(record),
            since_nanos,
            has_lasted: false,
            place: None,
            is_over: false,
        })
    }

    /// There was no connection at once for this line.
    pub(super) fn lasts(&mut self, asker: &'static Location<'static>) {
        if self.has_lasted {
            return;
        }
        self.has_lasted = true;
        self.place = self.record.waiter();
        if let Some(place) = self.place {
            taken_by_current_task(place, self.since_nanos, asker);
        }
    }

    /// It ended with a connection.
    pub(super) fn acquired(mut self, asker: &'static Location<'static>) -> Holding {
        self.is_over = true;
        let record = Arc::clone(&self.record);
        let now = monotonic_nanos();
        let place = record.adapter.recording().and_then(|_| {
            let waited = now.saturating_sub(self.since_nanos);
            record.writer.acquired(now, waited);
            record.holder()
        });
        if let Some(place) = place {
            taken_by_current_task(place, now, asker);
        }
        Holding {
            record,
            place,
            since_nanos: now,
        }
    }

    /// It was given up because it took too long.
    pub(super) fn timed_out(mut self, asker: &'static Location<'static>) {
        self.is_over = true;
        let Some(recording) = self.record.adapter.recording() else {
            return;
        };
        let now = monotonic_nanos();
        let record = &self.record;
        record.writer.timed_out(now);
        let is_told = record
            .limiter
            .try_lock()
            .is_ok_and(|mut limiter| limiter.allows((0, 0), now));
        if !is_told {
            return;
        }
        let frames = [FactFrame {
            file: asker.file(),
            line: asker.line(),
            function: "",
        }];
        let thread_id = process::thread_id();
        recording.push_fact(&FactRecord {
            owner: LoopOwner::Thread(thread_id),
            subject: Some(record.writer.index()),
            thread_id,
            started_nanos: self.since_nanos,
            ended_nanos: now,
            name: &record.server,
            frames: &frames,
            ..FactRecord::new(FactKind::AcquireTimedOut)
        });
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.record.adapter.recording().is_none() {
            return;
        }
        if !self.is_over {
            self.record.writer.stops_waiting(monotonic_nanos());
        }
        if let Some(place) = self.place {
            self.record.waits_no_more(place);
        }
    }
}

/// The current task has, or wants, a connection since then, asked for at this line.
fn taken_by_current_task(
    place: ConnectionWriter,
    since_nanos: u64,
    asker: &'static Location<'static>,
) {
    let task = tokio::task::try_id().map(|id| format!("task {id}"));
    place.taken(&HolderSpec {
        since_nanos,
        thread_id: process::thread_id(),
        task: 0,
        task_name: task.as_deref().unwrap_or_default(),
        file: asker.file(),
        line: asker.line(),
        function: "",
    });
}

/// Somebody has a connection.
#[derive(Debug)]
pub(super) struct Holding {
    record: Arc<Record>,
    place: Option<ConnectionWriter>,
    since_nanos: u64,
}

impl Drop for Holding {
    fn drop(&mut self) {
        if self.record.adapter.recording().is_none() {
            return;
        }
        let used = monotonic_nanos().saturating_sub(self.since_nanos);
        self.record.writer.released(Some(used));
        if let Some(place) = self.place {
            self.record.held_no_more(place);
        }
    }
}
