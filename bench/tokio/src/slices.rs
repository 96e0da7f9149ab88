//! Work without any input or output, in slices of some length.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::yield_now;

use crate::variant::Variant;

const SLICE: Duration = Duration::from_millis(50);

/// Tasks that are spawned at once.
const BATCH: usize = 1_000;

/// Tasks that yield, and how often they do before they look at the clock.
const YIELDING: usize = 8;
const YIELDS: usize = 500;

/// Nanoseconds for a task that ends at once, from its spawning to its end.
pub(crate) async fn storm(variant: Variant) -> f64 {
    let left = Arc::new(AtomicUsize::new(0));
    let all_ended = Arc::new(Notify::new());
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < SLICE {
        left.store(BATCH, Relaxed);
        for _ in 0..BATCH {
            let (left, all_ended) = (Arc::clone(&left), Arc::clone(&all_ended));
            drop(variant.spawn(async move {
                if left.fetch_sub(1, AcqRel) == 1 {
                    all_ended.notify_one();
                }
            }));
        }
        all_ended.notified().await;
        count += BATCH;
    }
    began.elapsed().as_nanos() as f64 / count as f64
}

/// Nanoseconds for a poll of a task that yields.
pub(crate) async fn yields(variant: Variant) -> f64 {
    let began = Instant::now();
    let tasks: Vec<_> = (0..YIELDING)
        .map(|_| {
            variant.spawn(async move {
                let mut count = 0;
                while began.elapsed() < SLICE {
                    for _ in 0..YIELDS {
                        yield_now().await;
                    }
                    count += YIELDS;
                }
                count
            })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += task.await.unwrap_or(0);
    }
    began.elapsed().as_nanos() as f64 / count as f64
}
