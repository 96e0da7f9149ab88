//! Pools of deadpool, and with them those of deadpool-postgres, deadpool-redis and others.

use std::future::Future;

use deadpool::managed::{Manager, Object, PoolError};

use super::{Pool, PoolState};

impl<M, W> Pool for deadpool::managed::Pool<M, W>
where
    M: Manager + 'static,
    M::Type: Send,
    M::Error: Send,
    W: From<Object<M>> + Send + 'static,
{
    type Connection = W;
    type Error = PoolError<M::Error>;

    fn driver(&self) -> &str {
        "deadpool"
    }

    fn watcher(&self) -> impl Fn() -> Option<PoolState> + Send + 'static {
        let pool = self.weak();
        move || {
            let pool = pool.upgrade().filter(|pool| !pool.is_closed())?;
            let status = pool.status();
            Some(PoolState {
                size: status.size as u64,
                idle: status.available as u64,
                smallest: 0,
                largest: status.max_size as u64,
                waiting: Some(status.waiting as u64),
            })
        }
    }

    fn acquire(&self) -> impl Future<Output = Result<W, PoolError<M::Error>>> + Send {
        self.get()
    }

    fn is_timeout(error: &PoolError<M::Error>) -> bool {
        matches!(error, PoolError::Timeout(_))
    }
}
