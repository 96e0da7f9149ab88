//! Workers of a multi-thread tokio runtime that the pulse has not seen: one waits for events, the others for it.
//!
//! A worker that never came to wait for events has no slot. It is found among the threads that are named like one
//! that has, by its stack, and told as if it had a slot: busy since it was last seen to go to sleep or wake up. That
//! is read from the kernel, so a worker that rests costs two small files a look.

use std::collections::{BTreeMap, BTreeSet};

use loopscope_inspect::{Flavour, NativeInspector, Place, kernel};
use loopscope_recorder::layout::{BUCKETS, PollKind};
use loopscope_recorder::reader::LoopState;

use crate::time::Nanos;

/// Threads are listed this often.
const LIST: Nanos = Nanos::from_millis(500);

/// A worker is not read again within this time.
const READ: Nanos = Nanos::from_millis(5);

/// Slots from here on are no places in a recording. A thread's id is smaller than that.
const FIRST_SLOT: u32 = 1 << 24;

/// So many threads are told apart.
const MOST_THREADS: usize = 512;

/// The workers of one process that have no slot.
#[derive(Debug, Default)]
pub(super) struct UnseenWorkers {
    workers: BTreeMap<u32, Unseen>,
    /// Threads that were looked at and are none, by their switches then.
    others: BTreeMap<u32, u64>,
    listed: Nanos,
    read: Nanos,
}

/// A worker without a slot.
#[derive(Debug)]
struct Unseen {
    name: String,
    found: Nanos,
    /// How often it went to sleep by itself.
    switches: u64,
    /// As the kernel counts it, with the stops that looks at it were.
    counted: u64,
    /// Since when it has not.
    since: Nanos,
    rests: bool,
    /// It ended, or has a slot by now: told once more.
    is_over: bool,
}

impl UnseenWorkers {
    /// Adds what is known of such workers to what the slots said. `names` are those of threads that are known to be
    /// workers.
    pub(super) fn read(
        &mut self,
        native: &mut NativeInspector,
        pid: u32,
        names: &BTreeSet<String>,
        now: Nanos,
        states: &mut Vec<LoopState>,
    ) {
        self.workers.retain(|_, worker| !worker.is_over);
        if names.is_empty() && self.workers.is_empty() {
            return;
        }
        let seen: BTreeSet<u32> = states
            .iter()
            .filter(|one| one.is_live)
            .map(|one| one.thread_id)
            .collect();
        if now.since(self.listed) >= LIST || self.listed == Nanos(0) {
            self.listed = now;
            self.list(native, pid, names, &seen, now);
        }
        let is_due = now.since(self.read) >= READ;
        if is_due {
            self.read = now;
        }
        for (thread_id, worker) in &mut self.workers {
            worker.is_over |= seen.contains(thread_id);
            if is_due && !worker.is_over {
                worker.look(native, pid, *thread_id, now);
            }
            states.push(worker.state(*thread_id, now));
        }
    }

    /// The busy period of a worker as it stands now; `None` for one that is none of these, too.
    pub(super) fn busy_since(&self, pid: u32, slot: u32) -> Option<Nanos> {
        let thread_id = slot.checked_sub(FIRST_SLOT)?;
        let worker = self.workers.get(&thread_id)?;
        // The look that asks may have stopped the thread once, which counts as one more.
        let now = kernel::voluntary_switches(pid, thread_id)?;
        let is_same = now <= worker.counted + 1;
        (is_same && !worker.rests).then_some(worker.since)
    }

    /// Whether a slot is one of these workers'.
    pub(super) fn has(slot: u32) -> bool {
        slot >= FIRST_SLOT
    }

    fn list(
        &mut self,
        native: &mut NativeInspector,
        pid: u32,
        names: &BTreeSet<String>,
        seen: &BTreeSet<u32>,
        now: Nanos,
    ) {
        let threads = kernel::thread_ids(pid);
        self.others
            .retain(|thread_id, _| threads.contains(thread_id));
        for (thread_id, worker) in &mut self.workers {
            worker.is_over |= !threads.contains(thread_id);
        }
        for thread_id in threads.into_iter().take(MOST_THREADS) {
            if seen.contains(&thread_id) || self.workers.contains_key(&thread_id) {
                continue;
            }
            let Some(switches) = native.own_switches(thread_id) else {
                continue;
            };
            if self.others.get(&thread_id) == Some(&switches) {
                continue;
            }
            self.others.insert(thread_id, switches);
            let name = kernel::thread_comm(pid, thread_id).unwrap_or_default();
            let is_worker = names.contains(&name) && is_worker(native, thread_id);
            if is_worker {
                self.others.remove(&thread_id);
                self.workers
                    .insert(thread_id, Unseen::new(name, switches, now));
            }
        }
    }
}

impl Unseen {
    fn new(name: String, switches: u64, now: Nanos) -> Self {
        Self {
            name,
            found: now,
            switches,
            counted: 0,
            since: now,
            rests: true,
            is_over: false,
        }
    }

    fn look(&mut self, native: &mut NativeInspector, pid: u32, thread_id: u32, now: Nanos) {
        let counted = kernel::voluntary_switches(pid, thread_id);
        let (Some(counted), Some(switches)) = (counted, native.own_switches(thread_id)) else {
            self.is_over = true;
            return;
        };
        self.counted = counted;
        if std::mem::replace(&mut self.switches, switches) != switches {
            self.since = now;
        }
        let rests = match native.sample_sleeping(thread_id) {
            Some(found) => !matches!(found.place, Some(Place::Polling { .. })),
            // It runs.
            None => false,
        };
        if self.rests && !rests {
            self.since = now;
        }
        self.rests = rests;
    }

    fn state(&self, thread_id: u32, now: Nanos) -> LoopState {
        LoopState {
            slot: FIRST_SLOT + thread_id,
            generation: 0,
            is_live: !self.is_over,
            kind: Some(PollKind::Epoll),
            poll_key: 0,
            thread_id,
            thread_name: self.name.clone(),
            created_nanos: self.found.0,
            busy_since_nanos: (!self.rests).then_some(self.since.0),
            iterations: self.switches.max(1),
            last_beat_nanos: self.since.0,
            busy_nanos: 0,
            idle_nanos: if self.rests {
                now.since(self.since).0
            } else {
                0
            },
            longest_busy_nanos: 0,
            stalls: 0,
            stall_nanos: 0,
            histogram: [0; BUCKETS],
            runtime: None,
        }
    }
}

/// Whether a thread that sleeps is a worker, by its stack. One that runs is asked the next time.
fn is_worker(native: &mut NativeInspector, thread_id: u32) -> bool {
    let place = native
        .sample_sleeping(thread_id)
        .and_then(|found| found.place);
    let flavour = match place {
        Some(Place::Polling { flavour, .. } | Place::Between { flavour }) => flavour,
        Some(Place::HandedOver) | None => return false,
    };
    flavour == Flavour::MultiThread
}
