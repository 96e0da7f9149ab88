//! What is known of each process and loop right now.
//!
//! Takes facts as they are and judges nothing. Both maps are bounded: what ended is forgotten after a
//! while, what does not fit is refused and counted by the caller.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    config::Config,
    observation::{
        Ending, LoopInfo, LoopKey, LoopReading, Owner, ProcessInfo, ProcessKey, Resources,
    },
    stall::LoopStalls,
    time::Nanos,
    work::Work,
};

/// Stops that are remembered for each process: those within one busy period, which are few.
const MAX_STOPS: usize = 8;

/// All processes and loops under watch.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// The processes, ended ones for a while.
    pub(crate) processes: BTreeMap<ProcessKey, Process>,
    /// The loops, ended ones for a while.
    pub(crate) loops: BTreeMap<LoopKey, Loop>,
    /// The first process ever seen: the one that the service is.
    pub(crate) main: Option<ProcessKey>,
    /// The run was asked to end.
    pub(crate) shutting_down: bool,
    /// Loops so far, for their ids.
    loop_count: u64,
    trend_pace: u64,
}

/// One process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) info: ProcessInfo,
    pub(crate) stopped_since: Option<Nanos>,
    pub(crate) resources: Option<Resources>,
    pub(crate) cpu_percent: Option<f64>,
    pub(crate) ended: Option<(Nanos, Ending)>,
    pub(crate) work: Work,
    resources_at: Nanos,
    /// The last times that it was stopped and runs again since.
    stops: VecDeque<(Nanos, Nanos)>,
}

/// One loop.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) id: String,
    pub(crate) info: LoopInfo,
    pub(crate) reading: LoopReading,
    pub(crate) seen_at: Nanos,
    pub(crate) ended: Option<Nanos>,
    pub(crate) stalls: LoopStalls,
    pub(crate) stall_count: u64,
}

impl Model {
    /// Nothing is known yet. Trends are sampled so many times as often as usual.
    pub(crate) fn new(trend_pace: u64) -> Self {
        Self {
            trend_pace,
            ..Self::default()
        }
    }

    /// Takes in what is known of a process. False where there is no room.
    pub(crate) fn see_process(&mut self, key: ProcessKey, info: &ProcessInfo, max: usize) -> bool {
        if let Some(process) = self.processes.get_mut(&key) {
            process.info = info.clone();
            return true;
        }
        if self.processes.len() >= max && !self.forget_one_ended_process() {
            return false;
        }
        self.main.get_or_insert(key);
        self.processes
            .insert(key, Process::new(info.clone(), self.trend_pace));
        true
    }

    /// Takes in what is known of a loop. False where there is no room.
    pub(crate) fn see_loop(
        &mut self,
        key: LoopKey,
        info: &LoopInfo,
        at: Nanos,
        max: usize,
    ) -> bool {
        if let Some(known) = self.loops.get_mut(&key) {
            known.info = info.clone();
            return true;
        }
        if self.loops.len() >= max && !self.forget_one_ended_loop() {
            return false;
        }
        self.loop_count += 1;
        let id = format!("loop-{}", self.loop_count);
        self.loops.insert(key, Loop::new(id, info.clone(), at));
        true
    }

    /// Whether this is the process that the service is, in any of its program images.
    pub(crate) fn is_main(&self, key: ProcessKey) -> bool {
        self.main
            .is_some_and(|main| (main.pid, main.start_ticks) == (key.pid, key.start_ticks))
    }

    /// The latest image of the process that the service is.
    pub(crate) fn main_process(&self) -> Option<(ProcessKey, &Process)> {
        let main = self.main?;
        let first = ProcessKey { image: 0, ..main };
        let last = ProcessKey {
            image: u32::MAX,
            ..main
        };
        self.processes
            .range(first..=last)
            .next_back()
            .map(|(key, process)| (*key, process))
    }

    /// The keys of the living loops of one process.
    pub(crate) fn living_loops_of(&self, process: ProcessKey) -> Vec<LoopKey> {
        let of_process = self.loops.range(loop_range(process));
        of_process
            .filter(|(_, known)| known.ended.is_none())
            .map(|(key, _)| *key)
            .collect()
    }

    /// The loop that tasks or events belong to: of several that ran on one thread, the one that lives or was
    /// seen last.
    pub(crate) fn loop_of(&self, process: ProcessKey, owner: Owner) -> Option<LoopKey> {
        let thread_id = match owner {
            Owner::Nobody => return None,
            Owner::Loop(key) => return self.loops.contains_key(&key).then_some(key),
            Owner::Thread(thread_id) => thread_id,
        };
        let on_thread = self.loops.range(loop_range(process));
        let on_thread = on_thread.filter(|(_, known)| known.info.thread_id == thread_id);
        let newest = on_thread.max_by_key(|(_, known)| (known.ended.is_none(), known.seen_at));
        newest.map(|(key, _)| *key)
    }

    /// The living loops that had a loop's slot before it.
    pub(crate) fn living_loops_before(&self, key: LoopKey) -> Vec<LoopKey> {
        let first = LoopKey {
            generation: 0,
            ..key
        };
        let before = self.loops.range(first..key);
        before
            .filter(|(_, known)| known.ended.is_none())
            .map(|(key, _)| *key)
            .collect()
    }

    /// Drops what ended longer ago than the configuration keeps it, except the main process.
    pub(crate) fn forget_ended(&mut self, now: Nanos, config: &Config) {
        let keep = config.ended_retention;
        self.loops
            .retain(|_, known| known.ended.is_none_or(|ended| now.since(ended) <= keep));
        let main = self.main_process().map(|(key, _)| key);
        self.processes.retain(|key, process| {
            Some(*key) == main
                || process
                    .ended
                    .is_none_or(|(ended, _)| now.since(ended) <= keep)
        });
    }

    fn forget_one_ended_process(&mut self) -> bool {
        let main = self.main_process().map(|(key, _)| key);
        let ended = self.processes.iter().filter(|(key, _)| Some(**key) != main);
        let oldest = ended
            .filter_map(|(key, process)| process.ended.map(|(ended, _)| (ended, *key)))
            .min();
        oldest
            .and_then(|(_, key)| self.processes.remove(&key))
            .is_some()
    }

    fn forget_one_ended_loop(&mut self) -> bool {
        let ended = self
            .loops
            .iter()
            .filter_map(|(key, known)| Some((known.ended?, *key)));
        let oldest = ended.min();
        oldest
            .and_then(|(_, key)| self.loops.remove(&key))
            .is_some()
    }
}

impl Process {
    fn new(info: ProcessInfo, trend_pace: u64) -> Self {
        Self {
            info,
            stopped_since: None,
            resources: None,
            cpu_percent: None,
            ended: None,
            work: Work::new(trend_pace),
            resources_at: Nanos(0),
            stops: VecDeque::new(),
        }
    }

    /// Takes in a reading of resources; processor use is what came on top since the one before.
    pub(crate) fn read_resources(&mut self, at: Nanos, resources: Resources) {
        if let Some(before) = self.resources {
            let wall = at.since(self.resources_at).0;
            let used = resources.cpu_nanos.saturating_sub(before.cpu_nanos);
            if wall > 0 {
                self.cpu_percent = Some(used as f64 / wall as f64 * 100.0);
            }
        }
        self.resources = Some(resources);
        self.resources_at = at;
        self.work.memory.push(at, resources.rss_bytes as f64);
        if let Some(open) = resources.open_fds {
            self.work.descriptors.push(at, open as f64);
        }
    }

    /// It runs again after it was stopped.
    pub(crate) fn run_again(&mut self, at: Nanos) {
        if let Some(since) = self.stopped_since.take() {
            self.stops.push_back((since, at));
        }
        if self.stops.len() > MAX_STOPS {
            self.stops.pop_front();
        }
    }

    /// How long it was stopped between two times.
    pub(crate) fn stopped_within(&self, from: Nanos, until: Nanos) -> Nanos {
        let lasting = self.stopped_since.map(|since| (since, until));
        let stops = self.stops.iter().copied().chain(lasting);
        let overlaps = stops.map(|(start, end)| end.min(until).since(start.max(from)));
        overlaps.fold(Nanos(0), Nanos::plus)
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.ended.is_none()
    }
}

impl Loop {
    fn new(id: String, info: LoopInfo, seen_at: Nanos) -> Self {
        Self {
            id,
            info,
            reading: LoopReading {
                last_beat: seen_at,
                ..LoopReading::default()
            },
            seen_at,
            ended: None,
            stalls: LoopStalls::default(),
            stall_count: 0,
        }
    }
}

fn loop_range(process: ProcessKey) -> std::ops::RangeInclusive<LoopKey> {
    let first = LoopKey {
        process,
        slot: 0,
        generation: 0,
    };
    let last = LoopKey {
        process,
        slot: u32::MAX,
        generation: u32::MAX,
    };
    first..=last
}
