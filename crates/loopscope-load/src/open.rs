//! Open loop: requests at even distances, whatever becomes of them.
//!
//! A request has a due time that no answer can move. What no connection is free for waits in a queue, and its
//! latency counts from its due time. What has waited for as long as an answer may take is dropped, and counts with
//! that time.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::Client;
use crate::connection::Connection;
use crate::failure::FailureKind;
use crate::timer::Timer;

/// Connections, and what waits for one.
struct Pool {
    client: Arc<Client>,
    state: Mutex<State>,
    most: usize,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    busy: usize,
    waiting: VecDeque<Instant>,
}

/// What to do with a request that is due.
enum Way {
    /// Send it on this connection, or on a new one.
    Free(Option<Connection>),
    /// It waits in the queue.
    Taken,
}

/// Sends `rate` requests a second from `begin` until `until`, and waits for the answers to them.
pub(crate) async fn send(
    client: Arc<Client>,
    rate: f64,
    most: usize,
    begin: Instant,
    until: Instant,
) -> io::Result<()> {
    let timer = Timer::new()?;
    let pool = Arc::new(Pool {
        client,
        state: Mutex::default(),
        most,
    });
    let mut senders = JoinSet::new();
    let mut number: u64 = 0;
    loop {
        // From the beginning each time, so that no rounding adds up.
        let due = begin + Duration::from_secs_f64(number as f64 / rate);
        if due >= until {
            break;
        }
        timer.until(due).await?;
        if Instant::now() < due {
            continue;
        }
        if let Way::Free(connection) = pool.take(due) {
            senders.spawn(Arc::clone(&pool).serve(connection, due));
        }
        number += 1;
        while senders.try_join_next().is_some() {}
    }
    while senders.join_next().await.is_some() {}
    Ok(())
}

impl Pool {
    /// A connection for what is due now, or a place in the queue.
    fn take(&self, due: Instant) -> Way {
        let mut state = self.lock();
        if state.busy < self.most {
            state.busy += 1;
            return Way::Free(state.idle.pop());
        }
        let patience = self.client.timeout();
        while let Some(first) = state.waiting.front()
            && first.elapsed() > patience
        {
            let waited = first.elapsed();
            state.waiting.pop_front();
            self.client.tally().fail(FailureKind::Dropped, waited);
        }
        state.waiting.push_back(due);
        Way::Taken
    }

    /// Sends what was due at `due`, then what has been waiting meanwhile.
    async fn serve(self: Arc<Self>, mut connection: Option<Connection>, mut due: Instant) {
        loop {
            if due.elapsed() > self.client.timeout() {
                self.client
                    .tally()
                    .fail(FailureKind::Dropped, due.elapsed());
            } else {
                self.client.send(&mut connection, due).await;
            }
            let mut state = self.lock();
            match state.waiting.pop_front() {
                Some(next) => due = next,
                None => {
                    state.busy -= 1;
                    state.idle.extend(connection);
                    return;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics with it in hand.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
