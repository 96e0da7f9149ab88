//! What [`install`] gives: the way to everything that is watched.

use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::fmt::Display;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loopscope_recorder::folder::{FolderError, RuntimeFolder};
use loopscope_recorder::writer::{CreateError, Recording, RecordingSpec};
#[cfg(feature = "axum")]
use loopscope_server::{Answer, Question};
use thiserror::Error;
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;

use crate::adapter::Adapter;
use crate::blocking;
use crate::calls::{Call, OfDisplay, Output, Place};
use crate::config::Config;
use crate::judge::Judge;
use crate::pools::{Asked, Pool, Record, WatchedPool};
use crate::process::{self, Bound};
use crate::runtime::{RuntimeBuilder, Watched};
use crate::tasks::{self, FallibleHandle, Origin, Task};
use crate::watchdog::{Watch, Watchdog};

/// Why nothing can be watched.
#[derive(Debug, Error)]
pub enum InstallError {
    /// There is no folder for recordings.
    #[error("no folder takes a recording; give one as LOOPSCOPE_RUNTIME_DIR")]
    Folder(#[from] FolderError),
    /// The recording cannot be made.
    #[error("no recording can be made; see that its folder has 8 MB of room")]
    Recording(#[from] CreateError),
    /// A thread cannot be had.
    #[error("no thread to watch from; check the limits with `ulimit -u`")]
    Thread(#[from] io::Error),
}

/// Watches this process from now on. A second call changes nothing and gives the same scope.
///
/// Under `loopscope run` the supervisor judges and answers; there this only adds the names and figures that the
/// process itself knows. Else, unless [`Config::monitor`] says no, engine and endpoint run on native threads of this
/// process, which take no signal.
///
/// Call it before a runtime is built, from any thread.
///
/// # Errors
/// Where nothing can be recorded or watched. A service that shall run all the same goes on with
/// [`Scope::unwatched`]. A port that is taken is no error: see [`Scope::problems`].
pub fn install(config: Config) -> Result<Scope, InstallError> {
    static INSTALLED: Mutex<Option<Scope>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(scope) = installed.as_ref().filter(|scope| scope.is_here()) {
        return Ok(scope.clone());
    }
    let scope = Scope::begin(config)?;
    Ok(installed.insert(scope).clone())
}

/// What is watched in this process. Cheap to clone; all clones are one.
///
/// In a forked child it does nothing.
#[derive(Clone, Debug)]
pub struct Scope(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    adapter: &'static Adapter,
    watchdog: Watchdog,
    judge: Judge,
}

impl Scope {
    /// A scope that watches nothing: its methods do what they do to the program, and no more.
    pub fn unwatched() -> Self {
        Self(None)
    }

    fn begin(config: Config) -> Result<Self, InstallError> {
        let supervised = process::supervised();
        let run_id = run_id();
        let bound = match supervised {
            Some(bound) => bound,
            None => Bound::own(record(&config, run_id)?),
        };
        crate::location::note_panics();
        let adapter = Adapter::install(bound, supervised.is_none());
        let watchdog = Watchdog::start(adapter)?;
        let judge = match supervised {
            Some(_) => Judge::supervisor(&config),
            None => Judge::start(config, run_id)?,
        };
        Ok(Self(Some(Arc::new(Inner {
            watchdog,
            adapter,
            judge,
        }))))
    }

    /// A builder of a multi-thread runtime that is watched under this name. For another kind see
    /// [`Self::current_thread_builder`].
    pub fn runtime_builder(&self, name: &str) -> RuntimeBuilder {
        RuntimeBuilder::new(self.clone(), name, Builder::new_multi_thread())
    }

    /// A builder of a current-thread runtime that is watched under this name.
    pub fn current_thread_builder(&self, name: &str) -> RuntimeBuilder {
        RuntimeBuilder::new(self.clone(), name, Builder::new_current_thread())
    }

    /// Watches a runtime that was built elsewhere, by `#[tokio::main]` for one, until it is dropped. Its workers get
    /// a small task each, now and once a second, that notes on which thread they run.
    pub fn watch_runtime(&self, name: &str, handle: &Handle) {
        let watched = Watched::new(name, handle, None);
        watched.ask_for_threads();
        self.watch(watched);
    }

    pub(crate) fn watch(&self, watched: Watched) {
        if let Some(inner) = self.here() {
            inner.adapter.blocking.add(&watched.name, &watched.handle);
            inner.watchdog.watch(Watch::Runtime(watched));
        }
    }

    /// Spawns a task on the current runtime, as [`tokio::spawn`] does, and counts it under its name and the line of
    /// this call: how many are alive, ended, were aborted or panicked. A panic is told with its message and place as
    /// it happens, whether or not anybody awaits the handle; the handle gives it as ever.
    ///
    /// Cost: two counters and a coarse clock for each task, nothing for each poll but a frame that catches panics. They are
    /// written down ten times a second, so the last tenth of them is missing after `kill -9`. A recording tells 1,023 places and names apart, all others are
    /// counted together; so a name is that of a job, without an id in it.
    ///
    /// # Panics
    /// As [`tokio::spawn`]: outside of a runtime.
    #[track_caller]
    pub fn spawn<F>(&self, name: &str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let place = Location::caller();
        tokio::spawn(tasks::follow(self.begin_task(name, place), future))
    }

    /// The same for a task that may end with an error: one that reaches nobody is told as a panic is, with the error's
    /// type and text. It has reached somebody once the handle was awaited to its end, and nobody where the handle was
    /// dropped; while it is held, Loopscope waits for 5 s. An aborted task is no failure.
    ///
    /// Cost: as [`Self::spawn`], and an allocation.
    ///
    /// # Panics
    /// As [`tokio::spawn`]: outside of a runtime.
    #[track_caller]
    pub fn spawn_fallible<F, T, E>(&self, name: &str, future: F) -> FallibleHandle<T, E>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Display + Send + 'static,
    {
        let place = Location::caller();
        tasks::spawn_fallible(self.begin_task(name, place), future)
    }

    /// The future that counts as a task of this name, as [`Self::spawn`] counts one, for what is spawned by other means:
    ///
    /// ```no_run
    /// # async fn poll() {}
    /// # async fn run(scope: loopscope::Scope) {
    /// let mut bots = tokio::task::JoinSet::new();
    /// bots.spawn(scope.track_task("bot", poll()));
    /// # }
    /// ```
    ///
    /// It counts from this call on, and as cancelled where it is dropped before its end. What it ends with is not looked
    /// at: whoever has the set takes the errors.
    #[track_caller]
    pub fn track_task<F: Future>(
        &self,
        name: &str,
        future: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        tasks::follow(self.begin_task(name, Location::caller()), future)
    }

    #[inline]
    fn begin_task(&self, name: &str, place: &'static Location<'static>) -> Option<Task> {
        Task::begin(self.adapter()?, &Origin::task(name, place))
    }

    /// Sends work that blocks to the threads that the current runtime has for it, as [`tokio::task::spawn_blocking`]
    /// does, and counts it under its name and the line of this call as [`Self::spawn`] counts a task. Work that waits
    /// for a second since no thread is free is a finding, with the lines whose work is under way.
    ///
    /// Cost: about ten counters, two clocks and a short lock for each piece of work. A runtime that is not watched
    /// shares its record with all others.
    ///
    /// # Panics
    /// As [`tokio::task::spawn_blocking`]: outside of a runtime, and where there is no thread and none can be had.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, name: &str, work: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let origin = Origin::blocking(name, Location::caller());
        let task = self
            .adapter()
            .and_then(|adapter| Task::begin(adapter, &origin));
        blocking::spawn(task, work)
    }

    /// A tracked call begins, of a group and under a name of its own, and ends when what this returns is dropped, or
    /// earlier by [`Call::end`], which takes in whether it failed:
    ///
    /// ```no_run
    /// # fn charge() -> Result<(), std::io::Error> { Ok(()) }
    /// # let scope = loopscope::Scope::unwatched();
    /// let call = scope.call("billing", "charge");
    /// let charged = charge();
    /// call.end(&charged);
    /// ```
    ///
    /// For a whole function `#[loopscope::track_call("billing")]` is shorter, and costs less: here the name is looked
    /// up for each call, less than a microsecond. What counts as slow and as blocking is told there. A recording tells
    /// 511 names apart, all others are counted together; so a name is that of an operation, without an id in it.
    #[track_caller]
    pub fn call(&self, group: &str, name: impl Into<Cow<'static, str>>) -> Call {
        let place = Place::new(name.into(), Location::caller());
        Call::begin(self.adapter(), group, place, true)
    }

    /// The same for a future: a call that begins when that is first polled, and is cancelled where it is dropped before
    /// its end. Of one that cannot fail write `async { Ok::<_, Infallible>(future.await) }`.
    #[track_caller]
    pub fn track_call<F, T, E, N>(
        &self,
        group: &'static str,
        name: N,
        future: F,
    ) -> impl Future<Output = F::Output> + use<F, T, E, N>
    where
        F: Future<Output = Result<T, E>>,
        E: Display,
        N: Into<Cow<'static, str>>,
    {
        let adapter = self.adapter();
        let place = Place::new(name.into(), Location::caller());
        async move {
            let mut call = Call::begin(adapter, group, place, false);
            let output = call.follow(future).await;
            call.ended((&&&Output(&output)).failure());
            output
        }
    }

    /// Watches a pool of connections under this name: how many it has, how many are taken, who waits, and for how long
    /// by now. An exhausted pool is a finding, and with [`WatchedPool::acquire`] in place of the pool's own method it
    /// names the lines that have the connections.
    ///
    /// With the features `sqlx` (0.8), `deadpool` (0.13; deadpool-postgres and its sisters) and `bb8` (0.9) for the
    /// pools of these, and for any other that implements [`Pool`]. The same name, driver and server are one pool in
    /// reports. A pool of deadpool is let go with its last handle; one of sqlx is watched, and so kept, until it is
    /// closed, and one of bb8 for good.
    ///
    /// Cost: a thread that is there anyhow asks for the pool's state ten times a second.
    pub fn watch_pool<P: Pool>(&self, name: &str, pool: &P) -> WatchedPool<P> {
        self.watch_pool_at(name, &pool.server(), pool)
    }

    /// The same for a pool that does not know where its connections lead, as those of sqlx, deadpool and bb8 do not:
    /// `host:port/database`, as the report is to name it. No password.
    pub fn watch_pool_at<P: Pool>(&self, name: &str, server: &str, pool: &P) -> WatchedPool<P> {
        let inner = self.here();
        let place = (name, server);
        let record = inner.and_then(|inner| Record::new(inner.adapter, place, pool));
        if let (Some(inner), Some(record)) = (inner, &record) {
            inner.watchdog.watch(Watch::Pool(Asked::new(pool, record)));
        }
        WatchedPool::new(pool.clone(), record)
    }

    /// Where `/health` answers; `None` where nothing listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.as_ref()?.judge.address()
    }

    /// What was asked for and cannot be had, one sentence each, with the next step.
    pub fn problems(&self) -> &[String] {
        self.0.as_ref().map_or(&[], |inner| inner.judge.problems())
    }

    /// The report as `/health` gives it, and its status code; `None` where another process judges, or none. Needs no
    /// runtime, and does not wait.
    pub fn health(&self) -> Option<(u16, String)> {
        self.here()?.judge.health()
    }

    /// An answer of this process's own monitor; `None` where it has none.
    #[cfg(feature = "axum")]
    pub(crate) fn answer(&self, question: Question, accept: &str) -> Option<Answer> {
        self.here()?.judge.answer(question, accept)
    }

    /// The same where there is none. Waits for whoever judges.
    #[cfg(feature = "axum")]
    pub(crate) fn ask_elsewhere(&self, question: Question, accept: &str) -> Answer {
        self.here().map_or_else(
            || Judge::without(question, accept),
            |inner| inner.judge.ask_elsewhere(question, accept),
        )
    }

    fn adapter(&self) -> Option<&'static Adapter> {
        self.here().map(|inner| inner.adapter)
    }

    fn is_here(&self) -> bool {
        self.here().is_some()
    }

    /// `None` in a forked child too, which has none of the threads.
    fn here(&self) -> Option<&Inner> {
        let inner = self.0.as_deref()?;
        inner.adapter.recording().is_some().then_some(inner)
    }
}

fn record(config: &Config, run_id: u64) -> Result<Recording, InstallError> {
    let nanos = |threshold: Duration| u64::try_from(threshold.as_nanos()).unwrap_or(u64::MAX);
    let spec = RecordingSpec {
        run_id,
        service: config.service.clone(),
        stall_threshold_nanos: nanos(config.stall_threshold),
        slow_threshold_nanos: nanos(config.slow_threshold),
    };
    let folder = RuntimeFolder::open_default()?;
    let recording = Recording::create(&folder, &spec)?;
    Ok(recording)
}

/// Odd, so that it is never 0, which means none.
fn run_id() -> u64 {
    RandomState::new().build_hasher().finish() | 1
}
