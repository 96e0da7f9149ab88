//! A load under way: the thread that sends, what it tells each second, and its end.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at};

use crate::client::Client;
use crate::error::LoadError;
use crate::failure::FailureKind;
use crate::load::{Load, Shape};
use crate::tally::{Second, Tally};
use crate::{closed, open};

const SECOND: Duration = Duration::from_secs(1);

/// A service that refuses every connection for so long is gone. One that takes them and says nothing is not: it
/// may be stalled, which is what is to be measured.
const GONE_AFTER: Duration = Duration::from_secs(5);

/// What a load ends with.
#[derive(Debug)]
pub struct Outcome {
    /// What came of each stream, in their order.
    pub streams: Vec<Tally>,
    /// How it ended.
    pub ended: Ended,
    /// For how long it was sent, without the time that the last answers took.
    pub sent_for: Duration,
    /// The share of one core that sending took. From about 0.9 on the sender is at its limit, and what it measured
    /// is its own.
    pub own_share: f64,
}

/// How a load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// In time.
    Complete,
    /// It was stopped.
    Stopped,
    /// Nobody was there to take requests any more.
    TargetGone,
}

/// What one second brought.
#[derive(Clone, Debug)]
pub struct Tick {
    /// How many seconds are over.
    pub number: u32,
    /// Each stream's second, in their order.
    pub streams: Vec<Second>,
}

/// A load under way, on a thread of its own. Dropped, it stops.
///
/// Do not fork while one is under way; in a child there is no such thread.
pub struct Running {
    thread: Option<JoinHandle<io::Result<Outcome>>>,
    ticks: Receiver<Tick>,
    stopper: Stopper,
}

/// Stops a load from any thread.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<Notify>);

impl Stopper {
    /// Ends it at once; what came by then is its outcome. Once is enough, and before it has begun is not too soon.
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

impl Load {
    /// Looks up the names, then starts to send.
    ///
    /// # Errors
    ///
    /// A number out of range, a name that is not known, no way to encrypt, no thread to be had. A service that is not
    /// there is none: it is in the outcome.
    pub fn start(&self) -> Result<Running, LoadError> {
        self.check()?;
        let clients: Result<Vec<_>, _> = self.streams.iter().map(Client::new).collect();
        let clients = clients?;
        let (told, ticks) = channel();
        let stopper = Stopper(Arc::new(Notify::new()));
        let sending = Sending {
            shapes: self.streams.iter().map(|stream| stream.shape).collect(),
            clients,
            duration: self.duration,
            stop: Arc::clone(&stopper.0),
            told,
        };
        let thread = thread::Builder::new()
            .name("loopscope-load".into())
            .spawn(move || sending.run())?;
        Ok(Running {
            thread: Some(thread),
            ticks,
            stopper,
        })
    }
}

impl Running {
    /// Waits for the next second to be over; `None` once there are no more.
    pub fn tick(&self) -> Option<Tick> {
        self.ticks.recv().ok()
    }

    /// What stops it from elsewhere.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// [`LoadError::System`] where the system gave no runtime or timer.
    pub fn finish(mut self) -> Result<Outcome, LoadError> {
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(outcome)) => Ok(outcome?),
            _ => Err(io::Error::other("the sending thread panicked").into()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            // There is nobody left to tell.
            let _ = thread.join();
        }
    }
}

/// What the thread has.
struct Sending {
    shapes: Vec<Shape>,
    clients: Vec<Arc<Client>>,
    duration: Duration,
    stop: Arc<Notify>,
    told: Sender<Tick>,
}

impl Sending {
    fn run(self) -> io::Result<Outcome> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (wall, own) = (Instant::now(), thread_time());
        let (ended, sent_for) = runtime.block_on(self.send())?;
        let own_share =
            (thread_time() - own).as_secs_f64() / wall.elapsed().as_secs_f64().max(1e-9);
        // What was left behind ends with it, and is not counted any more.
        drop(runtime);
        Ok(Outcome {
            streams: self
                .clients
                .iter()
                .map(|client| client.tally().clone())
                .collect(),
            ended,
            sent_for,
            own_share,
        })
    }

    async fn send(&self) -> io::Result<(Ended, Duration)> {
        let begin = Instant::now();
        let until = begin + self.duration;
        let mut senders = self.spawn(begin, until);
        let patience = self.clients.iter().map(|client| client.timeout()).max();
        // What waited for a connection as long as it may is answered as much later.
        let last = until + 2 * patience.unwrap_or_default() + SECOND;
        let mut seconds = interval_at((begin + SECOND).into(), SECOND);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut absence = Absence::new(begin);
        let mut number = 0;
        let ended = loop {
            tokio::select! {
                () = self.stop.notified() => break Ended::Stopped,
                sender = senders.join_next() => match sender {
                    Some(Ok(Err(error))) => return Err(error),
                    Some(_) => {}
                    None => break Ended::Complete,
                },
                _ = seconds.tick() => {
                    number += 1;
                    self.turn_second(number);
                    if absence.is_lasting(&self.clients) {
                        break Ended::TargetGone;
                    }
                    if Instant::now() > last {
                        break Ended::Complete;
                    }
                }
            }
        };
        if self
            .clients
            .iter()
            .any(|client| client.tally().is_running())
        {
            self.turn_second(number + 1);
        }
        Ok((ended, begin.elapsed().min(self.duration)))
    }

    fn spawn(&self, begin: Instant, until: Instant) -> JoinSet<io::Result<()>> {
        let mut senders = JoinSet::new();
        for (client, shape) in self.clients.iter().zip(&self.shapes) {
            match *shape {
                Shape::Closed { senders: count } => {
                    for _ in 0..count {
                        let client = Arc::clone(client);
                        senders.spawn(async move {
                            closed::send(client, until).await;
                            Ok(())
                        });
                    }
                }
                Shape::Open { rate, connections } => {
                    let client = Arc::clone(client);
                    senders.spawn(open::send(client, rate, connections, begin, until));
                }
            }
        }
        senders
    }

    fn turn_second(&self, number: u32) {
        let streams = self.clients.iter();
        let streams = streams.map(|client| client.tally().turn_second()).collect();
        // Nobody has to listen.
        let _ = self.told.send(Tick { number, streams });
    }
}

/// Since when nobody takes connections.
struct Absence {
    answers: u64,
    absent: u64,
    since: Instant,
}

impl Absence {
    fn new(since: Instant) -> Self {
        Self {
            answers: 0,
            absent: 0,
            since,
        }
    }

    /// Whether requests were refused all the time for as long as that takes, and nothing was answered.
    fn is_lasting(&mut self, clients: &[Arc<Client>]) -> bool {
        let answers: u64 = clients.iter().map(|client| client.tally().answered).sum();
        let absent: u64 = clients.iter().map(|client| absent(&client.tally())).sum();
        if answers > self.answers || absent == self.absent {
            self.since = Instant::now();
        }
        (self.answers, self.absent) = (answers, absent);
        self.since.elapsed() >= GONE_AFTER
    }
}

fn absent(tally: &Tally) -> u64 {
    let kinds: [FailureKind; 2] = [FailureKind::Refused, FailureKind::Unreachable];
    let counts = kinds.iter().filter_map(|kind| tally.failures.get(kind));
    counts.sum()
}

/// Processor time of this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
