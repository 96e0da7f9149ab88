//! Pools of sqlx. One is watched, and so kept, until it is closed: it can be had in no other way.

use std::future::Future;

use sqlx::pool::PoolConnection;
use sqlx::{Database, Error};

use super::{Pool, PoolState};

impl<DB: Database> Pool for sqlx::Pool<DB> {
    type Connection = PoolConnection<DB>;
    type Error = Error;

    fn driver(&self) -> &str {
        "sqlx"
    }

    fn watcher(&self) -> impl Fn() -> Option<PoolState> + Send + 'static {
        let pool = self.clone();
        move || {
            let options = pool.options();
            (!pool.is_closed()).then(|| PoolState {
                size: pool.size().into(),
                idle: pool.num_idle() as u64,
                smallest: options.get_min_connections().into(),
                largest: options.get_max_connections().into(),
                waiting: None,
            })
        }
    }

    fn acquire(&self) -> impl Future<Output = Result<PoolConnection<DB>, Error>> + Send {
        self.acquire()
    }

    fn is_timeout(error: &Error) -> bool {
        matches!(error, Error::PoolTimedOut)
    }
}
