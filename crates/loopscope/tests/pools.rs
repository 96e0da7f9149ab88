//! A pool of bb8 under watch, as it is written down.
#![cfg(feature = "bb8")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::convert::Infallible;
use std::time::Duration;

use loopscope::Config;
use loopscope_recorder::reader::{PoolState, TableStates};
use support::found;

/// Makes connections that are none.
struct Numbers;

impl bb8::ManageConnection for Numbers {
    type Connection = u32;
    type Error = Infallible;

    async fn connect(&self) -> Result<u32, Infallible> {
        Ok(42)
    }

    async fn is_valid(&self, _: &mut u32) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u32) -> bool {
        false
    }
}

/// The pool's record, once this holds of it.
fn record_when(name: &str, holds: impl Fn(&PoolState) -> bool) -> PoolState {
    found(|tables| {
        let mut pools = tables.pools.iter();
        pools
            .find(|state| state.pool.name == name && holds(state))
            .cloned()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_bb8_is_written_down_with_who_waits_and_who_gave_up() {
    let config = Config::from_env().service("tests").monitor(false);
    let scope = loopscope::install(config).unwrap();
    let pool = bb8::Pool::builder()
        .max_size(2)
        .connection_timeout(Duration::from_millis(1_500))
        .build(Numbers)
        .await
        .unwrap();
    let pool = scope.watch_pool_at("numbers", "localhost:5432/numbers", &pool);
    let one = pool.acquire().await.unwrap();
    assert_eq!(**one, 42);
    let taken = record_when("numbers", |state| state.in_use == 1 && state.size >= 1);
    assert_eq!(
        (&*taken.pool.driver, &*taken.pool.server, taken.largest),
        ("bb8", "localhost:5432/numbers", 2)
    );
    let two = pool.acquire().await.unwrap();
    let waits = pool.clone();
    let gives_up = tokio::spawn(async move { waits.acquire().await.is_err() });
    record_when("numbers", |state| state.in_use == 2 && state.waiting == 1);
    assert!(gives_up.await.unwrap());
    record_when("numbers", |state| state.timeouts == 1 && state.waiting == 0);
    // One who waits is written down, and no more once it goes away.
    let waits = pool.clone();
    let line = line!() + 1;
    let goes_away = tokio::spawn(async move { waits.acquire().await.is_err() });
    let waiters = |tables: &TableStates| {
        let all = tables.connections.iter().filter(|one| one.waits);
        all.filter_map(|one| Some(one.holder.as_ref()?.line))
            .collect::<Vec<_>>()
    };
    found(|tables| (waiters(tables) == [line]).then_some(()));
    goes_away.abort();
    found(|tables| waiters(tables).is_empty().then_some(()));
    drop((one, two));
    let after = record_when("numbers", |state| state.in_use == 0 && state.idle == 2);
    assert_eq!(after.waiting, 0);
}
