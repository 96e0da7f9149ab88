//! Ending a process whose loop is blocked for too long, so that it can be started again.
//!
//! Only for those who ask for it. The stacks of all its threads are written first: after the restart nobody can look
//! any more. The program itself is started again by us; a worker by its own manager (gunicorn, uvicorn), which sees
//! it end.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use loopscope_engine::observation::Fact;
use loopscope_engine::report::LoopState;
use loopscope_engine::time::Nanos;
use loopscope_engine::watch::Teller;
use loopscope_server::SnapshotCell;
use rustix::process::{Pid, Signal};

use super::beat::Beat;
use super::signals::Way;
use crate::dump;
use crate::messages::say;

/// Loops are asked after this often.
const LOOK: Duration = Duration::from_millis(250);

/// A state that is older says nothing of now.
const FRESH: Duration = Duration::from_secs(2);

/// A process that was told to end is killed after this. One whose loop is blocked hardly ever hears.
const GRACE: Duration = Duration::from_secs(5);

/// So many restarts within this time, and then no more: what is blocked again each time is not mended by another one.
const MOST_RESTARTS: usize = 5;
const WITHIN: Duration = Duration::from_secs(600);

/// The pause before the program is started again, doubled with each restart within the time above.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Looks after blocked loops until it is dropped.
pub(crate) struct Guard {
    shared: Arc<Shared>,
    _looking: Beat,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When processes were ended by us, oldest first.
    restarts: VecDeque<Instant>,
    /// Those that are being ended.
    ending: BTreeMap<u32, Ending>,
    /// That no more will be was said.
    has_given_up: bool,
}

struct Ending {
    way: Way,
    since: Instant,
    was_killed: bool,
}

impl Guard {
    /// Looks at what is published, and ends each process of the run with a loop that has been blocked for so long.
    pub(crate) fn start(
        limit: Duration,
        cell: Arc<SnapshotCell>,
        teller: Teller,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let look = move || own.look(limit, &cell, &teller);
        Ok(Self {
            shared,
            _looking: Beat::start("loopscope-guard", LOOK, look)?,
        })
    }

    /// The pause before a process that ended is started again; `None` for one that ended by itself.
    pub(crate) fn pause_after(&self, pid: u32) -> Option<Duration> {
        let mut state = self.shared.state();
        state.ending.remove(&pid)?;
        let before = u32::try_from(state.restarts.len()).unwrap_or(u32::MAX);
        Some(FIRST_PAUSE * 2_u32.saturating_pow(before.saturating_sub(1)))
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, limit: Duration, cell: &SnapshotCell, teller: &Teller) {
        self.kill_the_deaf();
        let published = cell.latest();
        if published.age() > FRESH {
            return;
        }
        let loops = &published.report().detailed_health.event_loops;
        for blocked in loops.iter().filter(|one| one.state == LoopState::Blocked) {
            let since = Duration::from_secs_f64(blocked.busy_seconds.unwrap_or(0.0).max(0.0));
            if since >= limit && self.may_restart(blocked.pid, &blocked.name) {
                self.end(blocked.pid, &blocked.name, since, teller);
            }
        }
    }

    /// Says once that it will do so no more.
    fn may_restart(&self, pid: u32, name: &str) -> bool {
        let mut state = self.state();
        if state.ending.contains_key(&pid) {
            return false;
        }
        state.restarts.retain(|at| at.elapsed() < WITHIN);
        let may = state.restarts.len() < MOST_RESTARTS;
        if may {
            state.has_given_up = false;
        } else if !state.has_given_up {
            state.has_given_up = true;
            say(&format!(
                "loop {name} (pid {pid}) is blocked again: after {MOST_RESTARTS} restarts within {} min it is left as it is",
                WITHIN.as_secs() / 60
            ));
        }
        may
    }

    fn end(&self, pid: u32, name: &str, blocked: Duration, teller: &Teller) {
        let Some(target) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
            return;
        };
        let way = Way::to(target);
        say(&format!(
            "loop {name} (pid {pid}) has been blocked for {:.1} s: its process is ended, to be started again. What it \
             did:",
            blocked.as_secs_f64()
        ));
        dump::text(pid).lines().for_each(say);
        teller.tell(Fact::Restarting {
            pid,
            blocked: Nanos(u64::try_from(blocked.as_nanos()).unwrap_or(u64::MAX)),
        });
        let mut state = self.state();
        way.send(Signal::TERM);
        state.restarts.push_back(Instant::now());
        let ending = Ending {
            way,
            since: Instant::now(),
            was_killed: false,
        };
        state.ending.insert(pid, ending);
    }

    fn kill_the_deaf(&self) {
        let mut state = self.state();
        for ending in state.ending.values_mut() {
            if !ending.was_killed && ending.since.elapsed() >= GRACE {
                ending.was_killed = true;
                ending.way.send(Signal::KILL);
            }
        }
        // A worker's end is its manager's to hear of; its number may come again.
        let is_old = |ending: &Ending| ending.was_killed && ending.since.elapsed() >= 4 * GRACE;
        state.ending.retain(|_, ending| !is_old(ending));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_blocked_again_and_again_is_left_as_it_is() {
        let shared = Shared::default();
        for _ in 0..MOST_RESTARTS {
            assert!(shared.may_restart(1, "main"));
            shared.state().restarts.push_back(Instant::now());
        }
        assert!(!shared.may_restart(1, "main"));
        shared.state().restarts.pop_front();
        assert!(shared.may_restart(1, "main"), "one of them was long ago");
    }
}
