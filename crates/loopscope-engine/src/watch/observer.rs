//! The observer's thread: looks, lets the engine decide, publishes.
//!
//! It owns the clock. Everything it hands on is plain data; a surface that is slow to take it delays
//! nothing but itself, since [`Publish`] is called with finished values and must not wait.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use loopscope_recorder::clock::{monotonic_nanos, unix_nanos};

use super::arrivals::Arrivals;
use super::{EARLY, WatchOptions, Watcher};
use crate::change::{Change, Probes};
use crate::config::Config;
use crate::engine::Engine;
use crate::observation::{Ending, Fact, Observation};
use crate::report::Report;
use crate::time::{Nanos, WallAnchor};

/// Reports are published this often where nothing happens, so that ages in them stay true: the more there is in one,
/// the less often, so that making them takes no more than a thousandth of a core.
const PUBLISH: Nanos = Nanos::from_millis(250);
const PUBLISH_LARGE: Nanos = Nanos::from_millis(1_000);
const MAKING_SHARE: u64 = 1_000;

/// The observer thread's nice value, where it may be set.
const OBSERVER_NICE: i32 = -10;

/// What an observer needs to start.
pub struct ObserverOptions {
    /// What to look at.
    pub watch: WatchOptions,
    /// The rules' thresholds.
    pub config: Config,
    /// The service's name.
    pub service: String,
    /// Loopscope's version.
    pub version: &'static str,
    /// What a person should know from the start, such as a target out of reach.
    pub notes: Vec<Fact>,
    /// Where the results go.
    pub publish: Box<dyn Publish>,
}

/// Takes what the engine decided. Called on the observer's thread; must not wait.
pub trait Publish: Send {
    /// An incident changed.
    fn change(&mut self, change: &Change);
    /// The state now.
    fn snapshot(&mut self, report: Report, probes: Probes);
}

/// What can be said of a service before anything was seen of it.
pub fn nothing_seen(service: String, version: &str) -> (Report, Probes) {
    let (engine, now) = beginning(Config::default(), service, version);
    (engine.report(now), engine.probes(now))
}

/// An engine that begins now.
fn beginning(config: Config, service: String, version: &str) -> (Engine, Nanos) {
    let now = Nanos(monotonic_nanos());
    let anchor = WallAnchor {
        monotonic: now,
        unix_nanos: unix_nanos() as i64,
    };
    (Engine::new(config, service, version, anchor, now), now)
}

/// What a run comes to.
#[derive(Debug)]
pub struct Outcome {
    /// The report with every incident of the run.
    pub report: Report,
    /// Recordings of processes that did not end in order.
    pub left_behind: Vec<PathBuf>,
}

/// Where we may (root), puts the calling thread ahead of what starves the target: a late observer sees less.
/// It needs well under a hundredth of a core.
pub(super) fn go_ahead() {
    let _ = rustix::process::setpriority_process(None, OBSERVER_NICE);
}

/// A running observer. Dropping it ends its thread.
pub struct Observer {
    commands: Option<Sender<Command>>,
    /// Tells what appears in the folder; it has a sender too.
    arrivals: Option<Arrivals>,
    thread: Option<JoinHandle<()>>,
}

/// Hands facts to an observer that it does not look for itself. Outliving it is no harm.
#[derive(Clone, Debug)]
pub struct Teller(Sender<Command>);

impl Teller {
    /// Hands a fact on, as of now. Does not wait.
    pub fn tell(&self, fact: Fact) {
        // Fails only when the observer's thread has ended.
        let _ = self.0.send(Command::Told(fact));
    }
}

#[derive(Debug)]
enum Command {
    Arrived,
    Told(Fact),
    Stop,
    ShuttingDown,
    Again(Ending, u32),
    Finish(Ending, Sender<Outcome>),
}

impl Observer {
    /// Starts to observe.
    ///
    /// # Errors
    /// When the thread cannot be created.
    pub fn start(options: ObserverOptions) -> std::io::Result<Self> {
        let (commands, receiver) = channel();
        let arrived = commands.clone();
        let tell = move || {
            // Fails only when the observer's thread has ended.
            let _ = arrived.send(Command::Arrived);
        };
        let arrivals = Arrivals::watch(&options.watch.folder, tell);
        let work = move || {
            go_ahead();
            Observing::new(options).run(&receiver);
        };
        let thread = thread::Builder::new()
            .name("loopscope-watch".into())
            .spawn(work)?;
        Ok(Self {
            commands: Some(commands),
            arrivals,
            thread: Some(thread),
        })
    }

    /// For those that see something which the observer does not look for.
    pub fn teller(&self) -> Option<Teller> {
        self.commands.clone().map(Teller)
    }

    /// The target was asked to end.
    pub fn shutting_down(&self) {
        self.send(Command::ShuttingDown);
    }

    /// The program ended so, and was started again as this process.
    pub fn begin_again(&self, ending: Ending, pid: u32) {
        self.send(Command::Again(ending, pid));
    }

    /// The program ended: reads what is left and sums up. The last state is published and kept fresh
    /// until the observer is dropped. `None` when the observer's thread has failed.
    pub fn finish(&self, ending: Ending) -> Option<Outcome> {
        let (reply, outcome) = channel();
        self.send(Command::Finish(ending, reply));
        outcome.recv().ok()
    }

    fn send(&self, command: Command) {
        if let Some(commands) = &self.commands {
            // Fails only when the thread has ended, which `finish` tells.
            let _ = commands.send(command);
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.arrivals = None;
        self.send(Command::Stop);
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Observing {
    watcher: Watcher,
    engine: Engine,
    publish: Box<dyn Publish>,
    published: Nanos,
    /// How long it took to make the last two reports.
    making: [Nanos; 2],
    finished: bool,
}

impl Observing {
    fn new(options: ObserverOptions) -> Self {
        let (engine, now) = beginning(options.config, options.service, options.version);
        let mut observing = Self {
            watcher: Watcher::new(options.watch),
            engine,
            publish: options.publish,
            published: Nanos(0),
            making: [Nanos(0); 2],
            finished: false,
        };
        let notes = options
            .notes
            .into_iter()
            .map(|fact| Observation { at: now, fact });
        observing.take(notes.collect(), now);
        observing
    }

    fn run(mut self, commands: &Receiver<Command>) {
        loop {
            let now = Nanos(monotonic_nanos());
            let due = if self.finished {
                now.plus(PUBLISH)
            } else {
                self.look(now)
            };
            let wait = due.min(self.publish_due()).since(Nanos(monotonic_nanos()));
            match commands.recv_timeout(Duration::from_nanos(wait.0)) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(command) => self.obey(command),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.publish_if_due(Nanos(monotonic_nanos()));
        }
    }

    fn look(&mut self, now: Nanos) -> Nanos {
        let mut seen = Vec::new();
        let due = self.watcher.look(now, &mut seen);
        self.take(seen, now);
        due
    }

    fn take(&mut self, seen: Vec<Observation>, now: Nanos) {
        for observation in &seen {
            self.engine.observe(observation);
        }
        let changes = self.engine.take_changes();
        if !changes.is_empty() {
            // The report first: who reads a line and asks the endpoint must find it there.
            self.publish_snapshot(now);
        }
        for change in &changes {
            self.publish.change(change);
        }
    }

    fn obey(&mut self, command: Command) {
        let now = Nanos(monotonic_nanos());
        match command {
            Command::Arrived => self.watcher.arrived(now),
            Command::Told(fact) => self.take(vec![Observation { at: now, fact }], now),
            Command::ShuttingDown => {
                let fact = Fact::ShuttingDown;
                self.take(vec![Observation { at: now, fact }], now);
            }
            Command::Stop => {}
            Command::Again(ending, pid) => {
                let mut seen = Vec::new();
                self.watcher.begin_again(ending, pid, now, &mut seen);
                self.take(seen, now);
            }
            Command::Finish(ending, reply) => {
                let mut seen = Vec::new();
                self.watcher.finish(ending, now, &mut seen);
                self.take(seen, now);
                self.finished = true;
                self.publish_snapshot(now);
                let _ = reply.send(Outcome {
                    report: self.engine.final_report(now),
                    left_behind: self.watcher.left_behind().to_vec(),
                });
            }
        }
    }

    fn publish_if_due(&mut self, now: Nanos) {
        if now.plus(EARLY) >= self.publish_due() {
            self.publish_snapshot(now);
        }
    }

    fn publish_due(&self) -> Nanos {
        // The shorter of two: whoever was kept from the processor meanwhile took no longer for that.
        let making = self.making.into_iter().min().unwrap_or_default();
        let distance = Nanos(making.0.saturating_mul(MAKING_SHARE));
        self.published.plus(distance.clamp(PUBLISH, PUBLISH_LARGE))
    }

    fn publish_snapshot(&mut self, now: Nanos) {
        self.published = now;
        let began = Nanos(monotonic_nanos());
        self.publish
            .snapshot(self.engine.report(now), self.engine.probes(now));
        self.making = [self.making[1], Nanos(monotonic_nanos()).since(began)];
    }
}
