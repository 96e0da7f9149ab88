//! Readings of loops for tests of what the watching makes of them. No process is behind these.

use loopscope_recorder::layout::{BUCKETS, PollKind};
use loopscope_recorder::reader::{LoopState, StallEvent};

use super::sampling::{Expected, LoopNature, Sampler, ThreadView};
use super::schedule::Schedule;
use super::watched_loop::Surroundings;
use super::watched_loops::WatchedLoops;
use crate::observation::{Fact, LoopRuntime, ProcessKey, ProcessRuntime, Sample};
use crate::testing::millis;
use crate::time::Nanos;

/// Above the largest pid that Linux gives out.
const NOBODY: u32 = 4_194_304 + 7;

/// The main thread's loop, which has turned for a while and waits in its poll. Times in these tests are
/// milliseconds.
pub(super) fn idle(slot: u32, generation: u32) -> LoopState {
    LoopState {
        slot,
        generation,
        is_live: true,
        kind: Some(PollKind::Epoll),
        poll_key: 5,
        thread_id: NOBODY,
        thread_name: "app".to_owned(),
        created_nanos: 0,
        busy_since_nanos: None,
        iterations: 100,
        last_beat_nanos: 0,
        busy_nanos: 0,
        idle_nanos: 0,
        longest_busy_nanos: 0,
        stalls: 0,
        stall_nanos: 0,
        histogram: [0; BUCKETS],
        runtime: None,
    }
}

/// The same, away from its poll.
pub(super) fn busy(slot: u32, generation: u32, since: u64) -> LoopState {
    LoopState {
        busy_since_nanos: Some(millis(since).0),
        ..idle(slot, generation)
    }
}

/// A stall in the ring.
pub(super) fn stall(slot: u32, generation: u32, started: u64, ended: u64) -> StallEvent {
    StallEvent {
        slot,
        generation,
        thread_id: NOBODY,
        started_nanos: millis(started).0,
        ended_nanos: millis(ended).0,
        iteration: 100,
    }
}

/// The loops of a process.
pub(super) struct Bench {
    loops: WatchedLoops,
    runtime: ProcessRuntime,
    view: View,
}

/// What a look at any thread of it finds: nothing, but for what is said here.
struct View {
    nobody: Sampler,
    nature: Option<LoopNature>,
}

impl ThreadView for View {
    fn sample(&mut self, thread_id: u32, expected: Expected) -> Option<Sample> {
        self.nobody.sample(thread_id, expected)
    }

    fn nature(&mut self, _thread_id: u32, _insists: bool) -> Option<LoopNature> {
        self.nature.clone()
    }
}

impl Bench {
    pub(super) fn new(runtime: ProcessRuntime) -> Self {
        let process = ProcessKey {
            pid: NOBODY,
            start_ticks: 1,
            image: 0,
        };
        Self {
            loops: WatchedLoops::new(process),
            runtime,
            view: View {
                nobody: Sampler::new(NOBODY, None),
                nature: None,
            },
        }
    }

    /// From now on a loop of this kind runs on each thread, or none.
    pub(super) fn run_loop(&mut self, runtime: Option<LoopRuntime>) {
        self.view.nature = Some(LoopNature {
            runtime,
            thread_name: None,
            object: runtime.map(|_| 0x7000),
            runs_once: false,
            is_importing: false,
            is_in_subinterpreter: false,
        });
    }

    /// The same with an asyncio loop that was made for this run of it.
    pub(super) fn run_loop_once(&mut self) {
        self.run_loop(Some(LoopRuntime::Asyncio));
        if let Some(nature) = &mut self.view.nature {
            nature.runs_once = true;
        }
    }

    /// What is told after a reading of the slots, and of the ring after them.
    pub(super) fn read(
        &mut self,
        now: u64,
        states: &[LoopState],
        stalls: &[StallEvent],
    ) -> Vec<Fact> {
        self.read_slowly((now, now), states, stalls)
    }

    /// The same where the observer itself was stopped between the beginning of its look and what it saw.
    pub(super) fn read_slowly(
        &mut self,
        (now, clock): (u64, u64),
        states: &[LoopState],
        stalls: &[StallEvent],
    ) -> Vec<Fact> {
        let mut facts = Vec::new();
        let busy_since = |place| {
            let mut found = states.iter();
            let found = found.find(|state| (state.slot, state.generation) == place)?;
            found.busy_since_nanos.map(Nanos)
        };
        let mut around = Surroundings {
            runtime: self.runtime,
            schedule: Schedule::new(millis(100)),
            sampler: &mut self.view,
            thread_here: &Some,
            reread: &mut { busy_since },
            clock: &|| millis(clock),
            is_current: &mut || true,
        };
        let now = millis(now);
        self.loops
            .introduce(states, stalls, &mut around, now, &mut facts);
        self.loops
            .take(states, stalls, &mut around, now, &mut facts);
        facts
    }
}
