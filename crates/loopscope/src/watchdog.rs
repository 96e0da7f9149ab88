//! The thread that reads tokio's own figures of each worker and writes them down.
//!
//! Pools of connections are asked for their sizes on the way, and tasks are added up. It decides nothing. A worker whose
//! figures do not move is busy since they last did, and what it is busy with the engine sees for itself. tokio hands a worker's figures out when it rests, and after every 61 polls.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::Builder;
use std::time::Duration;

use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::layout::{PollKind, RuntimeTasks};
use loopscope_recorder::writer::{LoopSpec, LoopWriter, Recording, ToldLoop};
use tokio::runtime::RuntimeFlavor;
use tokio::task::JoinHandle;

use crate::adapter::Adapter;
use crate::pools::Asked;
use crate::process::without_signals;
use crate::runtime::Watched;

/// So often within a stall threshold figures are read; that is how late a stall is seen to begin.
const READINGS: u32 = 10;
const SHORTEST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(20);

/// Workers whose threads are not known, or may have changed, are asked this often.
const ASK_AGAIN_NANOS: u64 = 1_000_000_000;

/// Pools are asked this often.
const ASK_POOLS_NANOS: u64 = 100_000_000;

/// What tasks have come to is told this often.
const TELL_TASKS_NANOS: u64 = 100_000_000;

/// What the thread is given to watch.
#[derive(Debug)]
pub(crate) enum Watch {
    Runtime(Watched),
    Pool(Asked),
}

/// Hands runtimes and pools to the thread.
#[derive(Debug)]
pub(crate) struct Watchdog(Mutex<Sender<Watch>>);

impl Watchdog {
    /// Starts the thread, which ends with the process.
    pub(crate) fn start(adapter: &'static Adapter) -> io::Result<Self> {
        let (given, added) = channel();
        let threshold = adapter
            .recording()
            .map_or(0, |recording| recording.stall_threshold_nanos());
        let stall_threshold = Duration::from_nanos(threshold);
        let tick = (stall_threshold / READINGS).clamp(SHORTEST, LONGEST);
        let work = move || Watching::new(adapter).run(&added, tick);
        without_signals(|| Builder::new().name("loopscope-tokio".into()).spawn(work))?;
        Ok(Self(Mutex::new(given)))
    }

    pub(crate) fn watch(&self, what: Watch) {
        let given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Fails only where the thread has ended.
        let _ = given.send(what);
    }
}

struct Watching {
    adapter: &'static Adapter,
    runtimes: Vec<WatchedRuntime>,
    pools: Vec<Asked>,
    asked_nanos: u64,
    told_tasks_nanos: u64,
}

impl Watching {
    fn new(adapter: &'static Adapter) -> Self {
        Self {
            adapter,
            runtimes: Vec::new(),
            pools: Vec::new(),
            asked_nanos: 0,
            told_tasks_nanos: 0,
        }
    }

    fn run(mut self, added: &Receiver<Watch>, tick: Duration) {
        loop {
            match added.recv_timeout(tick) {
                Ok(Watch::Runtime(watched)) => self.runtimes.push(WatchedRuntime::new(watched)),
                Ok(Watch::Pool(pool)) => self.pools.push(pool),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let Some(recording) = self.adapter.recording() else {
                return;
            };
            let now = monotonic_nanos();
            self.runtimes
                .retain_mut(|runtime| runtime.read(self.adapter, recording, now));
            if now.saturating_sub(self.asked_nanos) >= ASK_POOLS_NANOS {
                self.asked_nanos = now;
                self.pools.retain(|pool| pool.ask(now));
                #[cfg(tokio_unstable)]
                for runtime in &self.runtimes {
                    let handle = &runtime.watched.handle;
                    self.adapter.blocking.ask(self.adapter, handle, now);
                }
            }
            if now.saturating_sub(self.told_tasks_nanos) >= TELL_TASKS_NANOS {
                self.told_tasks_nanos = now;
                self.adapter.sites.tell(now);
            }
        }
    }
}

struct WatchedRuntime {
    watched: Watched,
    workers: Vec<Worker>,
    /// A task that ends at once where the runtime is gone, and else once somebody polls it.
    probe: Option<JoinHandle<()>>,
    asked_nanos: u64,
}

impl WatchedRuntime {
    fn new(watched: Watched) -> Self {
        Self {
            workers: (0..watched.workers()).map(Worker::new).collect(),
            watched,
            probe: None,
            asked_nanos: 0,
        }
    }

    /// Reads every worker. False where the runtime is gone.
    fn read(&mut self, adapter: &Adapter, recording: Recording, now: u64) -> bool {
        let metrics = self.watched.handle.metrics();
        let runtime = RuntimeTasks {
            alive: metrics.num_alive_tasks() as u64,
            queued: metrics.global_queue_depth() as u64,
        };
        let place = (recording, now);
        let mut is_stuck = false;
        for worker in &mut self.workers {
            let figures = Figures {
                parks: metrics.worker_park_unpark_count(worker.index),
                busy: metrics.worker_total_busy_duration(worker.index),
            };
            is_stuck |= worker.read(&self.watched, figures, runtime, place);
        }
        if now.saturating_sub(self.asked_nanos) >= ASK_AGAIN_NANOS {
            self.asked_nanos = now;
            if is_stuck && self.is_gone() {
                self.end();
                adapter.blocking.remove(&self.watched.handle, now);
                return false;
            }
            if self.watched.asks_for_threads {
                self.watched.ask_for_threads();
            }
        }
        true
    }

    fn is_gone(&mut self) -> bool {
        let handle = &self.watched.handle;
        let probe = self.probe.get_or_insert_with(|| handle.spawn(async {}));
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(outcome) = Pin::new(probe).poll(&mut context) else {
            return false;
        };
        self.probe = None;
        outcome.is_err_and(|error| error.is_cancelled())
    }

    fn end(&self) {
        for worker in &self.workers {
            if let Some(writer) = &worker.writer {
                writer.end();
            }
        }
    }
}

/// What tokio tells of a worker.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Figures {
    /// Odd while it rests.
    parks: u64,
    busy: Duration,
}

struct Worker {
    index: usize,
    writer: Option<LoopWriter>,
    thread_id: u32,
    began_nanos: u64,
    last: Figures,
    /// Since when it is busy, 0 where it rests.
    busy_since: u64,
    beat_nanos: u64,
}

impl Worker {
    fn new(index: usize) -> Self {
        Self {
            index,
            writer: None,
            thread_id: 0,
            began_nanos: 0,
            last: Figures::default(),
            busy_since: 0,
            beat_nanos: 0,
        }
    }

    /// Takes in its figures; whether they did not move while it is busy.
    fn read(
        &mut self,
        watched: &Watched,
        now_is: Figures,
        runtime: RuntimeTasks,
        (recording, now): (Recording, u64),
    ) -> bool {
        let rests = now_is.parks % 2 == 1;
        let has_moved = now_is != self.last;
        self.last = now_is;
        if has_moved {
            self.beat_nanos = now;
        }
        self.busy_since = match (rests, has_moved) {
            (true, _) => 0,
            (false, false) if self.busy_since != 0 => self.busy_since,
            (false, _) => now,
        };
        watched.threads.set_busy_since(self.index, self.busy_since);
        if let Some(writer) = self.writer(watched, recording, now) {
            writer.tell(&self.told(runtime, now));
        }
        !rests && !has_moved
    }

    fn told(&self, runtime: RuntimeTasks, now: u64) -> ToldLoop {
        let busy = u64::try_from(self.last.busy.as_nanos()).unwrap_or(u64::MAX);
        let all = now.saturating_sub(self.began_nanos);
        let under_way = match self.busy_since {
            0 => 0,
            since => now.saturating_sub(since),
        };
        ToldLoop {
            now_nanos: now,
            busy_since_nanos: (self.busy_since != 0).then_some(self.busy_since),
            iterations: self.last.parks / 2,
            busy_nanos: busy,
            idle_nanos: all.saturating_sub(busy).saturating_sub(under_way),
            last_beat_nanos: self.beat_nanos,
            runtime: Some(runtime),
        }
    }

    /// The worker's slot; `None` while its thread is not known.
    fn writer(&mut self, watched: &Watched, recording: Recording, now: u64) -> Option<LoopWriter> {
        let thread_id = watched.threads.of(self.index)?;
        if self.writer.is_none() {
            self.began_nanos = now;
            self.writer = recording.claim_loop(&LoopSpec {
                kind: match watched.flavour {
                    RuntimeFlavor::CurrentThread => PollKind::TokioCurrentThread,
                    _ => PollKind::TokioWorker,
                },
                poll_key: self.index as u64,
                thread_id,
                thread_name: watched.loop_name(self.index),
            });
        } else if self.thread_id != thread_id
            && let Some(writer) = &self.writer
        {
            writer.move_to(thread_id);
        }
        self.thread_id = thread_id;
        self.writer
    }
}
