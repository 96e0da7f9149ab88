//! Runtimes under watch: which worker runs on which thread.
//!
//! tokio tells the figures of a worker by its number, and the kernel those of a thread by its id. The worker itself
//! knows both: whenever it goes to rest or comes back, it notes its thread. A worker whose core another thread takes
//! over for `block_in_place` is noted by that one as soon as it rests. Workers of a runtime that was built elsewhere
//! note it in a task that is given to them.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

use loopscope_recorder::clock::monotonic_nanos;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor, worker_index};

use crate::process;
use crate::scope::Scope;

/// The workers of a runtime, with the threads that they run on.
#[derive(Debug)]
pub(crate) struct Threads(Box<[Noted]>);

/// What is noted of a worker.
#[derive(Debug, Default)]
struct Noted {
    thread: AtomicU32,
    /// Since when tokio's figures of it say that it is in one poll; 0 where they do not.
    busy_since: AtomicU64,
}

thread_local! {
    static OWN_THREAD: u32 = process::thread_id();
    /// Whose worker the thread is, as it noted last.
    static OWN_WORKER: RefCell<Option<(Arc<Threads>, usize)>> = const { RefCell::new(None) };
}

impl Threads {
    fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Noted::default()).collect())
    }

    /// The thread that a worker runs on; `None` while that is not known.
    pub(crate) fn of(&self, worker: usize) -> Option<u32> {
        let thread = self.0.get(worker)?.thread.load(Relaxed);
        (thread != 0).then_some(thread)
    }

    /// The watchdog's word on a worker.
    pub(crate) fn set_busy_since(&self, worker: usize, since_nanos: u64) {
        if let Some(noted) = self.0.get(worker) {
            noted.busy_since.store(since_nanos, Relaxed);
        }
    }

    /// The calling thread is a worker of this runtime.
    fn note(self: &Arc<Self>) {
        let Some(index) = worker_index() else { return };
        let own = OWN_THREAD.try_with(|own| *own);
        let (Some(noted), Ok(own)) = (self.0.get(index), own) else {
            return;
        };
        if noted.thread.load(Relaxed) != own {
            noted.thread.store(own, Relaxed);
        }
        // A thread that is ending has nowhere to note it.
        let _ = OWN_WORKER.try_with(|worker| self.note_whose(index, worker));
    }

    fn note_whose(self: &Arc<Self>, index: usize, worker: &RefCell<Option<(Arc<Self>, usize)>>) {
        let is_it = |(of, at): &(Arc<Self>, usize)| Arc::ptr_eq(of, self) && *at == index;
        let is_noted = worker.borrow().as_ref().is_some_and(is_it);
        if !is_noted {
            worker.replace(Some((Arc::clone(self), index)));
        }
    }
}

/// For how long the calling thread has kept its worker to itself, by the figures that tokio hands out.
///
/// A thread that hands its worker over for `block_in_place` looks like one that keeps it; but then another one moves
/// the figures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    now_nanos: u64,
    /// 0 where it does not, or is no worker of a watched runtime.
    since_nanos: u64,
}

impl Held {
    /// As it is now.
    pub(crate) fn now() -> Self {
        let since = OWN_WORKER.try_with(|worker| {
            let worker = worker.borrow();
            let (threads, index) = worker.as_ref().filter(|_| worker_index().is_some())?;
            Some(threads.0.get(*index)?.busy_since.load(Relaxed))
        });
        Self {
            now_nanos: monotonic_nanos(),
            since_nanos: since.ok().flatten().unwrap_or(0),
        }
    }

    /// Whether it did for the last so many nanoseconds. Half of them suffice, since the figures are read now and then.
    pub(crate) fn is_for(self, nanos: u64) -> bool {
        let kept = self.now_nanos.saturating_sub(self.since_nanos);
        self.since_nanos != 0 && kept >= nanos / 2
    }
}

/// More workers than a recording has slots for are not watched.
const MOST_WORKERS: usize = loopscope_recorder::layout::LOOP_CAPACITY as usize;

/// A runtime under watch.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) name: String,
    pub(crate) handle: Handle,
    pub(crate) flavour: RuntimeFlavor,
    pub(crate) threads: Arc<Threads>,
    /// Its workers note their threads only where they are asked to.
    pub(crate) asks_for_threads: bool,
}

impl Watched {
    pub(crate) fn new(name: &str, handle: &Handle, threads: Option<Arc<Threads>>) -> Self {
        let workers = handle.metrics().num_workers().min(MOST_WORKERS);
        Self {
            name: name.to_owned(),
            handle: handle.clone(),
            flavour: handle.runtime_flavor(),
            asks_for_threads: threads.is_none(),
            threads: threads.unwrap_or_else(|| Arc::new(Threads::new(workers))),
        }
    }

    pub(crate) fn workers(&self) -> usize {
        self.handle
            .metrics()
            .num_workers()
            .min(self.threads.0.len())
    }

    /// The name of a worker's loop in the report.
    pub(crate) fn loop_name(&self, worker: usize) -> String {
        match self.flavour {
            RuntimeFlavor::CurrentThread => self.name.clone(),
            _ => format!("{}/{worker}", self.name),
        }
    }

    /// Gives the workers a task each in which they note their threads. Does not wait: those that are busy do so
    /// later, and one that never does anything keeps nobody waiting.
    pub(crate) fn ask_for_threads(&self) {
        for _ in 0..self.workers() {
            let threads = Arc::clone(&self.threads);
            drop(self.handle.spawn(async move { threads.note() }));
        }
    }
}

type Hook = Box<dyn Fn() + Send + Sync>;

/// A [`tokio::runtime::Builder`] whose runtime is watched.
///
/// What has no method here is told by [`Self::configure`]. Functions for parking belong to
/// [`Self::on_thread_park`] and [`Self::on_thread_unpark`]: a builder keeps one of each, and that is ours.
///
/// Cost: some nanoseconds each time a worker goes to rest or comes back. Fork: as for any runtime, none of its
/// threads are in the child.
pub struct RuntimeBuilder {
    scope: Scope,
    name: String,
    builder: Builder,
    park: Option<Hook>,
    unpark: Option<Hook>,
}

impl std::fmt::Debug for RuntimeBuilder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RuntimeBuilder")
            .field("name", &self.name)
            .field("builder", &self.builder)
            .finish_non_exhaustive()
    }
}

impl RuntimeBuilder {
    pub(crate) fn new(scope: Scope, name: &str, builder: Builder) -> Self {
        Self {
            scope,
            name: name.to_owned(),
            builder,
            park: None,
            unpark: None,
        }
    }

    /// As [`Builder::enable_all`].
    pub fn enable_all(&mut self) -> &mut Self {
        self.builder.enable_all();
        self
    }

    /// As [`Builder::worker_threads`].
    ///
    /// # Panics
    /// As tokio's: with 0.
    pub fn worker_threads(&mut self, workers: usize) -> &mut Self {
        self.builder.worker_threads(workers);
        self
    }

    /// As [`Builder::max_blocking_threads`].
    ///
    /// # Panics
    /// As tokio's: with 0.
    pub fn max_blocking_threads(&mut self, threads: usize) -> &mut Self {
        self.builder.max_blocking_threads(threads);
        self
    }

    /// As [`Builder::thread_name`].
    pub fn thread_name(&mut self, name: impl Into<String>) -> &mut Self {
        self.builder.thread_name(name);
        self
    }

    /// Tells the builder whatever else it is to be told.
    pub fn configure(&mut self, tell: impl FnOnce(&mut Builder)) -> &mut Self {
        tell(&mut self.builder);
        self
    }

    /// As [`Builder::on_thread_park`].
    pub fn on_thread_park(&mut self, hook: impl Fn() + Send + Sync + 'static) -> &mut Self {
        self.park = Some(Box::new(hook));
        self
    }

    /// As [`Builder::on_thread_unpark`].
    pub fn on_thread_unpark(&mut self, hook: impl Fn() + Send + Sync + 'static) -> &mut Self {
        self.unpark = Some(Box::new(hook));
        self
    }

    /// Builds the runtime and watches it until it is dropped.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn build(&mut self) -> io::Result<Runtime> {
        let threads = Arc::new(Threads::new(MOST_WORKERS));
        let (park, unpark) = (self.park.take(), self.unpark.take());
        let noting = |hook: Option<Hook>| {
            let threads = Arc::clone(&threads);
            move || {
                threads.note();
                if let Some(hook) = &hook {
                    hook();
                }
            }
        };
        self.builder.on_thread_park(noting(park));
        self.builder.on_thread_unpark(noting(unpark));
        let runtime = self.builder.build()?;
        self.scope.watch(Watched::new(
            &self.name,
            runtime.handle(),
            Some(Arc::clone(&threads)),
        ));
        Ok(runtime)
    }
}
