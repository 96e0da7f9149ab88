//! The monitor's life: one thread that starts engine and server, waits, and takes them down again.
//!
//! That thread, and not the caller's, does all of it, since the threads share a table of file descriptors that
//! the caller does not have: what wakes the server is a descriptor too.
//!
//! After a fork the child has none of the threads. A monitor that it inherited must be neither stopped nor
//! dropped there, which would wait for them for ever; see [`Monitor::is_here`].

use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use loopscope_engine::change::{Change, Probes};
use loopscope_engine::config::Config;
use loopscope_engine::observation::Fact;
use loopscope_engine::report::Report;
use loopscope_engine::time::Nanos;
use loopscope_engine::watch::{Observer, ObserverOptions, Publish, Scope, WatchOptions};
use loopscope_recorder::folder::{RuntimeFolder, prune, prune_ended};
use loopscope_server::{
    Publisher, Server, ServerConfig, ServerError, SnapshotCell, Token, parse_address, start,
};

use crate::isolation::{own_descriptors, without_signals};

/// Recordings that dead processes left behind are kept for a week, as under `loopscope run`.
const LEFT_BEHIND_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Those of processes that ended in order are kept for a minute: a supervisor may be about to read one.
const ENDED_KEPT: Duration = Duration::from_secs(60);

/// What a monitor is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The service's name.
    pub service: String,
    /// The run that the process's recording belongs to.
    pub run_id: u64,
    /// Where to listen; `None` for nowhere.
    pub listen: Option<String>,
    /// What a reader must present.
    pub token: Option<String>,
    /// A busy period this long is a stall.
    pub stall_threshold: Nanos,
    /// A stall this long is a blocked loop.
    pub blocked_threshold: Nanos,
    /// Why the process's loops cannot be watched, where they cannot.
    pub unwatched: Option<String>,
    /// Whether its threads have a table of file descriptors of their own. Not where the program uses the same tokio:
    /// that keeps a descriptor for signals which all runtimes of a process share.
    pub own_descriptors: bool,
    /// Where recordings are; `None` where there is no folder for them.
    pub folder: Option<RuntimeFolder>,
    /// Who is told of each change of an incident. What finds no room there is lost: nobody waits for it.
    pub changes: Option<SyncSender<Change>>,
}

/// A running monitor.
#[derive(Debug)]
pub struct Monitor {
    /// The state that it last published.
    pub cell: Arc<SnapshotCell>,
    /// Where it answers.
    pub address: Option<SocketAddr>,
    /// Why it does not answer where it was told to, or what else it lacks; each with the next step.
    pub problems: Vec<String>,
    pid: u32,
    /// Never dropped by itself: at the process's end the thread just ends with it.
    thread: ManuallyDrop<Mutex<Option<Running>>>,
}

#[derive(Debug)]
struct Running {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

/// What the thread tells once all is started.
struct Started {
    address: Option<SocketAddr>,
    problems: Vec<String>,
}

/// A monitor whose thread was spawned and has not told yet what came of it.
#[derive(Debug)]
pub struct Starting {
    cell: Arc<SnapshotCell>,
    started: Receiver<io::Result<Started>>,
    running: Running,
}

impl Monitor {
    /// Begins to start: spawns the thread. Waits for nothing. To be called with the interpreter's lock held, since
    /// the standard library asks the environment for the size of its first thread's stack.
    ///
    /// # Errors
    /// When a thread cannot be had.
    pub fn begin(settings: Settings) -> io::Result<Starting> {
        let cell = SnapshotCell::before_first_look(settings.service.clone(), VERSION);
        let cell = Arc::new(cell);
        let (stop, stopped) = channel();
        let (tell, started) = channel();
        let served = Arc::clone(&cell);
        let work = move || run(settings, &served, &tell, &stopped);
        let thread = without_signals(|| Builder::new().name("loopscope".into()).spawn(work))?;
        Ok(Starting {
            cell,
            started,
            running: Running { stop, thread },
        })
    }

    /// Waits until it listens and watches.
    ///
    /// # Errors
    /// When a thread cannot be had. An address that cannot be listened on is told in `problems`.
    pub fn start(starting: Starting) -> io::Result<Self> {
        let Starting {
            cell,
            started,
            running,
        } = starting;
        let Started { address, problems } = started
            .recv()
            .map_err(|_| io::Error::other("the thread that watches ended at once"))??;
        Ok(Self {
            cell,
            address,
            problems,
            pid: std::process::id(),
            thread: ManuallyDrop::new(Mutex::new(Some(running))),
        })
    }

    /// Whether its threads are this process's.
    pub fn is_here(&self) -> bool {
        self.pid == std::process::id()
    }

    /// Closes the port and ends the threads; returns when they have ended. The last state stays readable.
    pub fn stop(&self) {
        if !self.is_here() {
            return;
        }
        let running = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(Running { stop, thread }) = running {
            drop(stop);
            // A panic of the thread has nobody left to tell.
            let _ = thread.join();
        }
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The thread's whole life.
fn run(
    settings: Settings,
    cell: &Arc<SnapshotCell>,
    tell: &Sender<io::Result<Started>>,
    stopped: &Receiver<()>,
) {
    if settings.own_descriptors {
        // Where the kernel cannot, the table is shared and all else is the same.
        let _ = own_descriptors();
    }
    let mut problems = Vec::new();
    let server = settings.listen.as_deref().and_then(|listen| {
        serve(listen, settings.token.as_deref(), cell)
            .inspect_err(|problem| problems.push(problem.clone()))
            .ok()
    });
    let observer = match Observer::start(options(settings, cell, &problems)) {
        Ok(observer) => observer,
        Err(error) => return drop(tell.send(Err(error))),
    };
    let address = server.as_ref().map(Server::local_addr);
    if tell.send(Ok(Started { address, problems })).is_ok() {
        // Ends with an error, once the sender is gone.
        let _ = stopped.recv();
    }
    drop(server);
    drop(observer);
}

/// Why not, with the next step, where it does not listen.
fn serve(listen: &str, token: Option<&str>, cell: &Arc<SnapshotCell>) -> Result<Server, String> {
    let address = parse_address(listen).map_err(|_| {
        format!("no health endpoint: not an address and port, such as 127.0.0.1:14159: {listen}")
    })?;
    let token = token.map(Token::new).transpose();
    let token = token.map_err(|error| format!("no health endpoint: {error}"))?;
    let config = ServerConfig {
        token,
        ..ServerConfig::new(address)
    };
    start(config, Arc::clone(cell)).map_err(|error| refused(&error))
}

/// The server's own hints speak of the command line.
fn refused(error: &ServerError) -> String {
    let next = match error {
        ServerError::TokenRequired { .. } => "give `token`, or listen on 127.0.0.1".to_owned(),
        ServerError::Bind { listen, source } if source.kind() == io::ErrorKind::AddrInUse => {
            format!(
                "see who has it with `ss -ltnp 'sport = :{}'`; of several workers one can have it, `:0` \
                 gives each its own",
                listen.port()
            )
        }
        ServerError::Bind { .. } => "give another address as `listen`".to_owned(),
        ServerError::Thread(_) => "check the limits with `ulimit -u -n`".to_owned(),
    };
    format!("no health endpoint: {error}; {next}")
}

fn options(settings: Settings, cell: &Arc<SnapshotCell>, problems: &[String]) -> ObserverOptions {
    let folder = settings.folder;
    if let Some(folder) = &folder {
        prune(folder, LEFT_BEHIND_KEPT);
        prune_ended(folder, ENDED_KEPT);
    }
    let lost = settings.unwatched.map(|reason| Fact::Lost {
        what: "processes".into(),
        count: 1,
        detail: Some(format!("this program is not watched: {reason}")),
    });
    ObserverOptions {
        watch: WatchOptions {
            run_id: settings.run_id,
            folder: folder.map_or_else(Default::default, |folder| folder.path().into()),
            main_pid: std::process::id(),
            main_name: settings.service.clone(),
            stall_threshold: settings.stall_threshold,
            pulse: None,
            scope: Scope::Descendants,
        },
        config: Config {
            stall_threshold: settings.stall_threshold,
            blocked_threshold: settings.blocked_threshold,
            ..Config::default()
        },
        service: settings.service,
        version: VERSION,
        notes: lost.into_iter().collect(),
        publish: Box::new(Published {
            states: Publisher::new(Arc::clone(cell), problems.to_vec()),
            changes: settings.changes,
        }),
    }
}

/// Where the observer's results go.
struct Published {
    states: Publisher,
    changes: Option<SyncSender<Change>>,
}

impl Publish for Published {
    fn change(&mut self, change: &Change) {
        if let Some(changes) = &self.changes {
            // Fails where there is no room, or nobody listens any more.
            let _ = changes.try_send(change.clone());
        }
    }

    fn snapshot(&mut self, report: Report, probes: Probes) {
        self.states.snapshot(report, probes);
    }
}
