//! Pools of bb8. One is watched, and so kept, for as long as the process lives: it cannot be closed.
//!
//! How many wait is not asked of it: it counts those for ever whose wait ended with an error, or was dropped.

use std::future::Future;

use bb8::{ManageConnection, PooledConnection, RunError};

use super::{Pool, PoolState};

impl<M: ManageConnection> Pool for bb8::Pool<M> {
    type Connection = PooledConnection<'static, M>;
    type Error = RunError<M::Error>;

    fn driver(&self) -> &str {
        "bb8"
    }

    fn watcher(&self) -> impl Fn() -> Option<PoolState> + Send + 'static {
        let pool = self.clone();
        let config = pool.config();
        let (smallest, largest) = (config.min_idle.unwrap_or(0), config.max_size);
        move || {
            let state = pool.state();
            Some(PoolState {
                size: state.connections.into(),
                idle: state.idle_connections.into(),
                smallest: smallest.into(),
                largest: largest.into(),
                waiting: None,
            })
        }
    }

    fn acquire(&self) -> impl Future<Output = Result<Self::Connection, Self::Error>> + Send {
        self.get_owned()
    }

    fn is_timeout(error: &Self::Error) -> bool {
        matches!(error, RunError::TimedOut)
    }
}
