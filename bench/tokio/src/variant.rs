//! By what a runtime is watched.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;

use loopscope::{Config, Scope};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinError, JoinHandle};
use tokio_metrics::TaskMonitor;

use crate::Result;

const WORKERS: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    Bare,
    /// Loopscope in library mode with engine and endpoint; tasks are tokio's.
    Watched,
    /// The same on a runtime with one thread.
    WatchedCurrent,
    /// The same, and tasks are spawned by the scope.
    Spawned,
    /// Each task instrumented by tokio-metrics.
    TaskMonitor,
    #[cfg(feature = "unstable")]
    Console,
    #[cfg(feature = "unstable")]
    Dial9,
}

impl FromStr for Variant {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        Ok(match name {
            "bare" => Self::Bare,
            "watched" => Self::Watched,
            "watched-current" => Self::WatchedCurrent,
            "spawned" => Self::Spawned,
            "task-monitor" => Self::TaskMonitor,
            #[cfg(feature = "unstable")]
            "console" => Self::Console,
            #[cfg(feature = "unstable")]
            "dial9" => Self::Dial9,
            other => return Err(format!("nothing watches by the name of {other:?}")),
        })
    }
}

impl Variant {
    /// Spawns a task as a service would that is watched by this.
    pub(crate) fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match (self, SCOPE.get()) {
            (Self::Spawned, Some(scope)) => scope.spawn("bench", future),
            (Self::TaskMonitor, _) => tokio::spawn(monitor().instrument(future)),
            _ => tokio::spawn(future),
        }
    }
}

static SCOPE: OnceLock<Scope> = OnceLock::new();

/// That of tokio-metrics, one for all tasks.
pub(crate) fn monitor() -> &'static TaskMonitor {
    static MONITOR: OnceLock<TaskMonitor> = OnceLock::new();
    MONITOR.get_or_init(TaskMonitor::new)
}

/// A runtime, and what watches it.
pub(crate) struct Running {
    runtime: Runtime,
    #[cfg(feature = "unstable")]
    _recorder: Option<dial9::Recorder>,
}

impl Running {
    pub(crate) fn start(variant: Variant) -> Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(WORKERS).enable_all();
        let runtime = match variant {
            Variant::Watched | Variant::Spawned => scope()?
                .runtime_builder("main")
                .worker_threads(WORKERS)
                .enable_all()
                .build()?,
            Variant::WatchedCurrent => scope()?
                .current_thread_builder("main")
                .enable_all()
                .build()?,
            #[cfg(feature = "unstable")]
            Variant::Dial9 => return Self::recorded(builder),
            #[cfg(feature = "unstable")]
            Variant::Console => {
                let any_port = (std::net::Ipv4Addr::LOCALHOST, 0);
                console_subscriber::ConsoleLayer::builder()
                    .server_addr(any_port)
                    .init();
                builder.build()?
            }
            _ => builder.build()?,
        };
        Ok(Self {
            runtime,
            #[cfg(feature = "unstable")]
            _recorder: None,
        })
    }

    #[cfg(feature = "unstable")]
    fn recorded(builder: Builder) -> Result<Self> {
        use dial9::{Dial9HandleTokioExt, DiskBuffer, TokioAttachOptions};
        // In memory, as our own recordings are.
        let folder = std::env::var("BENCH_FOLDER")?;
        std::fs::create_dir_all(&folder)?;
        let buffer = DiskBuffer::builder()
            .base_path(format!("{folder}/dial9-{}", std::process::id()))
            .max_total_size(64 << 20)
            .build()?;
        let recorder = dial9::recorder(buffer).build();
        let options = TokioAttachOptions::builder()
            .task_tracking_enabled(true)
            .build();
        let runtime = recorder.handle().attach_tokio_runtime(builder, options)?;
        recorder.enable();
        Ok(Self {
            runtime,
            _recorder: Some(recorder),
        })
    }

    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.runtime.spawn(future)
    }

    pub(crate) fn block_on<T>(&self, task: JoinHandle<T>) -> std::result::Result<T, JoinError> {
        self.runtime.block_on(task)
    }

    /// Where Loopscope answers in this process.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        SCOPE.get()?.address()
    }

    pub(crate) fn end(self) {
        self.runtime.shutdown_timeout(Duration::from_millis(200));
    }
}

fn scope() -> Result<&'static Scope> {
    let config = Config::from_env().service("bench").listen("127.0.0.1:0");
    let scope = loopscope::install(config)?;
    Ok(SCOPE.get_or_init(|| scope))
}
