//! Asks a PostgreSQL server what its sessions do and whom they wait for, as facts for the engine.
//!
//! One connection and one thread, a look every two seconds and every second while somebody waits for a lock. A look is
//! one statement on `pg_stat_activity`, and a second one on waits only where there are any: about a millisecond of
//! the server's time, and nothing that a transaction of the service would wait for. The connection calls itself
//! `loopscope`, may only read, and gives every statement up after two seconds. What statements hold of a person is
//! taken out before anything is handed on.
//!
//! A connection is joined with the process at its other end by its address and port, from `/proc`; one by a socket in
//! a folder has none, and neither has one that an address translation or a pooler is in front of.

mod look;
mod sockets;
mod target;
mod tls;
mod waits;

use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use loopscope_engine::observation::Fact;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use look::Failure;
pub use target::{Target, TargetError};

/// Between two looks where nobody waits.
const CALM: Duration = Duration::from_secs(2);

/// Between two looks while somebody waits.
const WAITED_FOR: Duration = Duration::from_secs(1);

/// A server that does not answer is asked again after this, and then after ever longer pauses.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A look, or a connection, that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks a server until it is dropped.
#[derive(Debug)]
pub struct Watch {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts to ask. `root` is the process whose connections, and those of its descendants, are told by their
    /// process; what comes out goes to `tell`, on a thread of its own.
    ///
    /// # Errors
    /// When there is no thread or no descriptor to be had.
    pub fn start(
        target: Target,
        root: u32,
        tell: impl Fn(Fact) + Send + 'static,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let work = move || {
            let _asking = runtime.spawn(ask(target, root, tell));
            // Whatever is under way when it is told to stop ends with the runtime.
            let _ = runtime.block_on(stopped);
            // Not even for a name that is being resolved.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new()
            .name("loopscope-postgres".into())
            .spawn(work)?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Asks for ever: connects, looks, says what it saw, and connects again where that failed.
async fn ask(target: Target, root: u32, tell: impl Fn(Fact)) {
    let mut was_reached = false;
    let mut pause = FIRST_PAUSE;
    let mut owners = sockets::Owners::of(root, target.port());
    loop {
        let failure = match in_time(look::connect(&target)).await {
            Err(failure) => failure,
            Ok(mut asked) => loop {
                match in_time(asked.look(&mut owners)).await {
                    Ok(reading) => {
                        was_reached = true;
                        pause = FIRST_PAUSE;
                        let until_next = if reading.locks.is_empty() {
                            CALM
                        } else {
                            WAITED_FOR
                        };
                        tell(Fact::ServerReading {
                            reading: Box::new(reading),
                        });
                        sleep(until_next).await;
                    }
                    Err(failure) => break failure,
                }
            },
        };
        tell(Fact::ServerUnreachable {
            server: target.name(),
            reason: failure.reason,
            is_full: failure.is_full,
            was_reached,
        });
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn in_time<T>(what: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let over = || {
        Failure::plain(
            "no answer within 5 s: look whether it is overloaded or unreachable from here",
        )
    };
    timeout(PATIENCE, what)
        .await
        .unwrap_or_else(|_| Err(over()))
}
