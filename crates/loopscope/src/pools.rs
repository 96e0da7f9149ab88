//! Pools of connections: how many there are, who waits, and who has them.
//!
//! Sizes are asked for by the watchdog, ten times a second; what is taken through [`WatchedPool::acquire`] is followed
//! from the wait for it to its return, with the line that asked.

#[cfg(feature = "bb8")]
mod bb8;
#[cfg(feature = "deadpool")]
mod deadpool;
mod record;
#[cfg(feature = "sqlx")]
mod sqlx;

use std::future::{Future, poll_fn};
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

pub(crate) use record::{Asked, Record};
use record::{Holding, Waiting};

/// A pool that can be watched. The features `sqlx`, `deadpool` and `bb8` have it for the pools of these crates; for
/// another one it takes an implementation:
///
/// ```
/// # use std::convert::Infallible;
/// # use std::future::Future;
/// # use std::sync::Arc;
/// # struct Inner; impl Inner { fn open(&self) -> u64 { 0 } fn idle(&self) -> u64 { 0 } async fn take(&self) -> Lease { Lease } }
/// # struct Lease;
/// #[derive(Clone)]
/// struct Leases(Arc<Inner>);
///
/// impl loopscope::Pool for Leases {
///     type Connection = Lease;
///     type Error = Infallible;
///
///     fn driver(&self) -> &str {
///         "leases"
///     }
///
///     fn watcher(&self) -> impl Fn() -> Option<loopscope::PoolState> + Send + 'static {
///         let inner = Arc::downgrade(&self.0);
///         move || {
///             let inner = inner.upgrade()?;
///             Some(loopscope::PoolState { size: inner.open(), idle: inner.idle(), largest: 8, ..Default::default() })
///         }
///     }
///
///     fn acquire(&self) -> impl Future<Output = Result<Lease, Infallible>> + Send {
///         async { Ok(self.0.take().await) }
///     }
/// }
/// ```
pub trait Pool: Clone + Send + Sync + 'static {
    /// What is taken from it, and goes back when it is dropped.
    type Connection;
    /// Why none can be had.
    type Error;

    /// What the pool is of, as reports name it: `sqlx`, `deadpool`.
    fn driver(&self) -> &str;

    /// Where its connections lead: host, port and database, never a password. Empty where that is not known.
    fn server(&self) -> String {
        String::new()
    }

    /// What tells the pool's state: asked ten times a second, from a thread of Loopscope's. It must not wait, and does
    /// well not to keep the pool alive. `None` from it says that the pool is gone or closed, and then it is asked no
    /// more.
    fn watcher(&self) -> impl Fn() -> Option<PoolState> + Send + 'static;

    /// Takes a connection from it.
    fn acquire(&self) -> impl Future<Output = Result<Self::Connection, Self::Error>> + Send;

    /// Whether this says that the wait took too long.
    fn is_timeout(error: &Self::Error) -> bool {
        let _ = error;
        false
    }
}

/// A pool's state at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolState {
    /// Connections that it has.
    pub size: u64,
    /// Those of them that lie ready.
    pub idle: u64,
    /// Fewest that it keeps.
    pub smallest: u64,
    /// Most that it may have; 0 where there is no limit.
    pub largest: u64,
    /// Who waits for one, where the pool knows that. Else those are told who wait in [`WatchedPool::acquire`].
    pub waiting: Option<u64>,
}

/// A pool under watch, see [`Scope::watch_pool`](crate::Scope::watch_pool). Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct WatchedPool<P> {
    pool: P,
    record: Option<Arc<Record>>,
}

impl<P: Pool> WatchedPool<P> {
    pub(crate) fn new(pool: P, record: Option<Arc<Record>>) -> Self {
        Self { pool, record }
    }

    /// Takes a connection from the pool, which goes back when what this gives is dropped. Meanwhile the report knows
    /// who has it: the line of this call, since when, and the task. Who has waited for a second is known by the same.
    ///
    /// Connections that are taken from [`Self::pool`] directly are in the pool's figures, and nobody knows who has
    /// them.
    ///
    /// Cost: some ten moved counters and two clocks; no system call.
    ///
    /// # Errors
    /// As the pool's own. One that [`Pool::is_timeout`] knows counts as a wait that was given up; a wait that is dropped
    /// by its caller does not.
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<Acquired<P>, P::Error>> + use<'_, P> {
        let asker = Location::caller();
        async move {
            let mut waiting = self.record.as_ref().and_then(Waiting::begin);
            match self.acquired(waiting.as_mut(), asker).await {
                Ok(connection) => Ok(Acquired {
                    connection,
                    holding: waiting.map(|waiting| waiting.acquired(asker)),
                }),
                Err(error) => {
                    if let Some(waiting) = waiting.filter(|_| P::is_timeout(&error)) {
                        waiting.timed_out(asker);
                    }
                    Err(error)
                }
            }
        }
    }

    /// Takes one from the pool, and says who waits where there is none at once.
    async fn acquired(
        &self,
        mut waiting: Option<&mut Waiting>,
        asker: &'static Location<'static>,
    ) -> Result<P::Connection, P::Error> {
        let mut acquiring = pin!(self.pool.acquire());
        poll_fn(|context| {
            let polled = acquiring.as_mut().poll(context);
            if let (Poll::Pending, Some(waiting)) = (&polled, &mut waiting) {
                waiting.lasts(asker);
            }
            polled
        })
        .await
    }

    /// The pool itself.
    pub fn pool(&self) -> &P {
        &self.pool
    }
}

/// A connection that was taken from a watched pool, and goes back when this is dropped.
#[derive(Debug)]
pub struct Acquired<P: Pool> {
    // Goes back before it is said that it did.
    connection: P::Connection,
    holding: Option<Holding>,
}

impl<P: Pool> Acquired<P> {
    /// The pool's own connection. From here on nobody knows who has it.
    pub fn into_inner(self) -> P::Connection {
        drop(self.holding);
        self.connection
    }
}

impl<P: Pool> Deref for Acquired<P> {
    type Target = P::Connection;

    fn deref(&self) -> &P::Connection {
        &self.connection
    }
}

impl<P: Pool> DerefMut for Acquired<P> {
    fn deref_mut(&mut self) -> &mut P::Connection {
        &mut self.connection
    }
}
