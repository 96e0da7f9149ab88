//! A connection that was given out where it does not belong: behind a fork, or on another loop.

use loopscope_recorder::layout::SHARED_BY_FORK;

use super::{Happening, words};
use crate::{
    observation::Event,
    report::{IncidentKind, Severity},
    work::Pool,
};

const FORK_STEPS: &[&str] = &[
    "stop the bleeding: restart the workers; parent and child write into one socket, and each may read the other's \
     answers",
    "fix: make the pool after the fork, in the worker's own start (`lifespan`, gunicorn's `post_fork`), and not where \
     the module is imported",
    "with SQLAlchemy: `engine.dispose(close=False)` first thing in the child",
    "multiprocessing: `set_start_method(\"spawn\")`, so that nothing is inherited",
];

const LOOP_STEPS: &[&str] = &[
    "an asynchronous connection belongs to the loop that made it: on another one it waits for ever, or fails with \
     `attached to a different loop`",
    "fix: one pool for each loop, made in the coroutine that `asyncio.run` runs, and closed in it",
    "from another thread: `asyncio.run_coroutine_threadsafe(work(), loop)`, with the loop that has the pool",
    "in tests: one loop for the session, or a pool for each test",
];

const VERIFY: &str = "no further connection of this pool is given out where it does not belong";

pub(super) fn describe(event: &Event, pool: Option<&Pool>) -> Happening {
    let of = pool.map_or_else(
        || event.name.clone(),
        |pool| words::pool_name(&pool.reading.pool),
    );
    let is_fork = event.message == SHARED_BY_FORK;
    let (how, steps) = if is_fork {
        (
            "a connection that was opened before a fork is used behind it",
            FORK_STEPS,
        )
    } else {
        (
            "a connection that belongs to another loop is used on this one",
            LOOP_STEPS,
        )
    };
    let what = format!("{of}: {how}");
    let advice = words::advice(steps, VERIFY);
    let diagnosis = words::of_event_that_was(event, (&what, "taken"), &[&of], advice);
    Happening {
        kind: IncidentKind::ConnectionShared,
        severity: if is_fork {
            Severity::Critical
        } else {
            Severity::Degraded
        },
        diagnosis,
    }
}
