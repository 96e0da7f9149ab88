//! The recording's tables of tasks, calls, pools and executors: read now and then, told where they moved.
//!
//! Only slots that were ever taken are read, and only what changed is told, each slot a few times a second
//! at most. Facts of the ring are told as they come, after the readings that introduce what they are about.

use std::collections::BTreeMap;
use std::sync::Arc;

use loopscope_recorder::layout::{self, Coverage, bucket_limit_nanos};
use loopscope_recorder::reader::{
    AdapterState, CallState, ExecutorState, FactEvent, GcState, PoolState, ReadError,
    RecordingReader, TableDrops, TaskSiteState,
};

use super::waits::Oldest;
use super::watched_process::tell_lost;
use crate::observation::{
    AdapterInfo, CallKind, CallName, CallReading, Event, EventFrame, EventKind, ExecutorReading,
    Fact, GcReading, LoopKey, Owner, PoolName, PoolReading, ProcessKey, TaskSite, TaskSiteReading,
};
use crate::time::Nanos;

/// The tables are read this often.
const READ: Nanos = Nanos::from_millis(100);

/// A slot that moves all the time is told of this often.
const TELL: Nanos = Nanos::from_millis(250);

/// What was told of a process's tables.
#[derive(Debug, Default)]
pub(super) struct WatchedTables {
    due: Nanos,
    adapter: Option<AdapterState>,
    sites: Told<TaskSiteState, TaskSite>,
    calls: Told<CallState, CallName>,
    pools: Told<PoolState, PoolName>,
    executors: Told<ExecutorState, String>,
    gc: Option<GcState>,
    dropped: TableDrops,
}

/// Who the ids in a recording are, seen from here.
pub(super) struct Seen<'a> {
    pub(super) process: ProcessKey,
    /// The thread with this id in the recording.
    pub(super) thread: &'a dyn Fn(u32) -> u32,
}

impl WatchedTables {
    /// Reads the tables where that is due, or `at_once`, and tells what moved.
    pub(super) fn read(
        &mut self,
        reader: &mut RecordingReader,
        seen: &Seen<'_>,
        at_once: bool,
        now: Nanos,
        out: &mut Vec<Fact>,
    ) -> Result<(), ReadError> {
        if !at_once && now < self.due {
            return Ok(());
        }
        self.due = now.plus(READ);
        let tables = reader.read_tables()?;
        self.tell_adapter(tables.adapter, seen.process, out);
        self.tell_slots(tables.task_sites, seen, at_once, now, out);
        for state in tables.calls {
            let pace = (now, at_once);
            if let Some(call) = self.calls.news(state.slot, &state, pace, call_name) {
                out.push(call_reading(seen.process, &state, call));
            }
        }
        for state in tables.pools {
            let pace = (now, at_once);
            if let Some(pool) = self.pools.news(state.slot, &state, pace, pool_name) {
                out.push(pool_reading(seen.process, &state, pool));
            }
        }
        for state in tables.executors {
            let name = |state: &ExecutorState| state.name.to_string();
            let pace = (now, at_once);
            if let Some(name) = self.executors.news(state.slot, &state, pace, name) {
                out.push(executor_reading(seen.process, &state, name));
            }
        }
        self.tell_gc(tables.gc, seen.process, out);
        self.tell_drops(tables.dropped, seen.process, out);
        let facts = reader.read_facts()?;
        out.extend(facts.events.iter().map(|event| happened(event, seen)));
        tell_lost(out, "facts", facts.lost, None);
        Ok(())
    }

    /// Whether an adapter writes into the recording.
    pub(super) fn has_adapter(&self) -> bool {
        self.adapter.is_some()
    }

    /// The oldest task of each site that has one and says where it is.
    pub(super) fn oldest_tasks(&self) -> impl Iterator<Item = Oldest> {
        let states = self.sites.0.values().map(|(_, state, _)| state);
        states.filter_map(|state| {
            Some(Oldest {
                slot: state.slot,
                started: Nanos(state.oldest_started_nanos?),
                address: state.oldest_address?,
            })
        })
    }

    fn tell_slots(
        &mut self,
        states: Vec<TaskSiteState>,
        seen: &Seen<'_>,
        at_once: bool,
        now: Nanos,
        out: &mut Vec<Fact>,
    ) {
        for state in states {
            let name = |state: &TaskSiteState| task_site(state, seen);
            let news = self.sites.news(state.slot, &state, (now, at_once), name);
            if let Some(site) = news {
                out.push(site_reading(seen.process, &state, site));
            }
        }
    }

    fn tell_adapter(
        &mut self,
        adapter: Option<AdapterState>,
        process: ProcessKey,
        out: &mut Vec<Fact>,
    ) {
        if adapter == self.adapter {
            return;
        }
        self.adapter.clone_from(&adapter);
        let info = adapter.map(|adapter| {
            let has = |what| adapter.coverage.has(what);
            AdapterInfo {
                tasks: has(Coverage::TASKS),
                calls: has(Coverage::CALLS),
                databases: has(Coverage::DATABASES),
                executors: has(Coverage::EXECUTORS),
                gc: has(Coverage::GC),
                faults: adapter.faults,
                name: adapter.name,
            }
        });
        out.extend(info.map(|adapter| Fact::AdapterSeen { process, adapter }));
    }

    fn tell_gc(&mut self, gc: GcState, process: ProcessKey, out: &mut Vec<Fact>) {
        if self.gc == Some(gc) || (self.gc.is_none() && gc == GcState::default()) {
            return;
        }
        self.gc = Some(gc);
        let reading = GcReading {
            collections: gc.collections,
            pause_nanos: gc.pause_nanos,
            longest_pause_nanos: gc.longest_pause_nanos,
            pause_since: gc.pause_since_nanos.map(Nanos),
            generation: gc.generation,
            tracked: gc.tracked,
        };
        out.push(Fact::GcReading { process, reading });
    }

    fn tell_drops(&mut self, dropped: TableDrops, process: ProcessKey, out: &mut Vec<Fact>) {
        let before = std::mem::replace(&mut self.dropped, dropped);
        let detail = |kept: &str| {
            let pid = process.pid;
            Some(format!(
                "process {pid} has more of them than its recording has room for; {kept}"
            ))
        };
        let together = "they are counted together";
        let not_at_all = "they are not watched";
        for (what, now, before, kept) in [
            (
                "task sites",
                dropped.task_sites,
                before.task_sites,
                together,
            ),
            ("tracked calls", dropped.calls, before.calls, together),
            ("pools", dropped.pools, before.pools, not_at_all),
            ("executors", dropped.executors, before.executors, not_at_all),
        ] {
            tell_lost(out, what, now.saturating_sub(before), detail(kept));
        }
    }
}

/// What was last told of each slot of a table.
#[derive(Debug)]
struct Told<State, Name>(BTreeMap<u32, (Nanos, State, Arc<Name>)>);

impl<State, Name> Default for Told<State, Name> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<State: Clone + PartialEq, Name> Told<State, Name> {
    /// The slot's name where it is to be told of now.
    fn news(
        &mut self,
        slot: u32,
        state: &State,
        (now, at_once): (Nanos, bool),
        name: impl FnOnce(&State) -> Name,
    ) -> Option<Arc<Name>> {
        let Some((told, known, name)) = self.0.get_mut(&slot) else {
            let name = Arc::new(name(state));
            self.0.insert(slot, (now, state.clone(), name.clone()));
            return Some(name);
        };
        let is_due = at_once || now.since(*told) >= TELL;
        if !is_due || known == state {
            return None;
        }
        *told = now;
        *known = state.clone();
        Some(name.clone())
    }
}

fn owner_of(owner: layout::LoopOwner, seen: &Seen<'_>) -> Owner {
    match owner {
        layout::LoopOwner::Nobody => Owner::Nobody,
        layout::LoopOwner::Thread(thread_id) => Owner::Thread((seen.thread)(thread_id)),
        layout::LoopOwner::Slot { slot, generation } => Owner::Loop(LoopKey {
            process: seen.process,
            slot,
            generation,
        }),
    }
}

fn task_site(state: &TaskSiteState, seen: &Seen<'_>) -> TaskSite {
    let site = &state.site;
    TaskSite {
        owner: owner_of(site.owner, seen),
        file: site.file.clone(),
        line: site.line,
        function: site.function.clone(),
        coroutine: site.coroutine.clone(),
    }
}

fn site_reading(process: ProcessKey, state: &TaskSiteState, site: Arc<TaskSite>) -> Fact {
    let reading = TaskSiteReading {
        site,
        spawned: state.spawned,
        done: state.done,
        failed: state.failed,
        cancelled: state.cancelled,
        retrieved: state.retrieved,
        unretrieved: state.unretrieved,
        oldest_started: state.oldest_started_nanos.map(Nanos),
    };
    let slot = state.slot;
    Fact::TaskSiteReading {
        process,
        slot,
        reading,
    }
}

fn call_name(state: &CallState) -> CallName {
    let call = &state.call;
    CallName {
        kind: match call.kind {
            Some(layout::CallKind::Request) => CallKind::Request,
            Some(layout::CallKind::Query) => CallKind::Query,
            Some(layout::CallKind::Connect) => CallKind::Connect,
            Some(layout::CallKind::Acquire) => CallKind::Acquire,
            Some(layout::CallKind::Call) | None => CallKind::Call,
        },
        group: call.group.clone(),
        name: call.name.clone(),
    }
}

fn call_reading(process: ProcessKey, state: &CallState, call: Arc<CallName>) -> Fact {
    let reading = CallReading {
        call,
        started: state.started,
        finished: state.finished,
        failed: state.failed,
        cancelled: state.cancelled,
        on_loop: state.on_loop,
        blocking: state.blocking,
        slow: state.slow,
        total_nanos: state.total_nanos,
        longest_nanos: state.longest_nanos,
        p50_nanos: quantile(state, 0.5),
        p99_nanos: quantile(state, 0.99),
        oldest_started: state.oldest_started_nanos.map(Nanos),
        last_error: state.last_error.clone(),
    };
    let slot = state.slot;
    Fact::CallReading {
        process,
        slot,
        reading,
    }
}

/// The length that this share of the finished calls did not exceed: by the histogram, evenly within a
/// bucket, and no more than the longest call.
fn quantile(state: &CallState, share: f64) -> Option<u64> {
    if state.finished == 0 {
        return None;
    }
    let wanted = (state.finished as f64 * share).max(1.0);
    let mut passed = 0.0;
    for (bucket, count) in state.histogram.iter().enumerate() {
        let count = *count as f64;
        if passed + count < wanted {
            passed += count;
            continue;
        }
        let below = bucket.checked_sub(1).and_then(bucket_limit_nanos);
        let below = below.unwrap_or(0) as f64;
        let limit = bucket_limit_nanos(bucket).unwrap_or(state.longest_nanos) as f64;
        let within = (wanted - passed) / count.max(1.0);
        let length = below + (limit - below).max(0.0) * within;
        return Some((length as u64).min(state.longest_nanos));
    }
    Some(state.longest_nanos)
}

fn pool_name(state: &PoolState) -> PoolName {
    PoolName {
        name: state.pool.name.clone(),
        driver: state.pool.driver.clone(),
        server: state.pool.server.clone(),
    }
}

fn pool_reading(process: ProcessKey, state: &PoolState, pool: Arc<PoolName>) -> Fact {
    let reading = PoolReading {
        pool,
        size: state.size,
        smallest: state.smallest,
        largest: state.largest,
        in_use: state.in_use,
        idle: state.idle,
        waiting: state.waiting,
        waiting_since: state.waiting_since_nanos.map(Nanos),
        acquires: state.acquires,
        acquire_nanos: state.acquire_nanos,
        longest_acquire_nanos: state.longest_acquire_nanos,
        timeouts: state.timeouts,
        opened: state.opened,
        open_failed: state.open_failed,
        closed: state.closed,
        leaked: state.leaked,
        last_error: state.last_error.clone(),
    };
    let slot = state.slot;
    Fact::PoolReading {
        process,
        slot,
        reading,
    }
}

fn executor_reading(process: ProcessKey, state: &ExecutorState, name: Arc<String>) -> Fact {
    let reading = ExecutorReading {
        name,
        max_workers: state.max_workers,
        workers: state.workers,
        busy: state.busy,
        queued: state.queued,
        submitted: state.submitted,
        completed: state.completed,
        failed: state.failed,
        wait_nanos: state.wait_nanos,
        longest_wait_nanos: state.longest_wait_nanos,
        saturated_since: state.saturated_since_nanos.map(Nanos),
        ended: state.ended_nanos.is_some(),
    };
    let slot = state.slot;
    Fact::ExecutorReading {
        process,
        slot,
        reading,
    }
}

fn happened(fact: &FactEvent, seen: &Seen<'_>) -> Fact {
    let frames = fact.frames.iter().map(|frame| EventFrame {
        file: frame.file.clone(),
        line: frame.line,
        function: frame.function.clone(),
    });
    let event = Event {
        kind: event_kind(fact.kind),
        owner: owner_of(fact.owner, seen),
        slot: fact.subject,
        thread_id: (fact.thread_id != 0).then(|| (seen.thread)(fact.thread_id)),
        identity: fact.identity,
        count: fact.count,
        started: Nanos(fact.started_nanos),
        ended: fact.ended_nanos.map(Nanos),
        name: fact.name.clone(),
        error_type: fact.error_type.clone(),
        message: fact.message.clone(),
        frames: frames.collect(),
    };
    Fact::Happened {
        process: seen.process,
        event: Box::new(event),
    }
}

fn event_kind(kind: layout::FactKind) -> EventKind {
    use layout::FactKind;
    match kind {
        FactKind::TaskFailed => EventKind::TaskFailed,
        FactKind::TaskFailureRetrieved => EventKind::TaskFailureRetrieved,
        FactKind::TaskFailureUnretrieved => EventKind::TaskFailureUnretrieved,
        FactKind::CallbackFailed => EventKind::CallbackFailed,
        FactKind::CallFailed => EventKind::CallFailed,
        FactKind::SlowCall => EventKind::SlowCall,
        FactKind::BlockingCall => EventKind::BlockingCall,
        FactKind::ConnectionFailed => EventKind::ConnectionFailed,
        FactKind::ConnectionLeaked => EventKind::ConnectionLeaked,
        FactKind::AcquireTimedOut => EventKind::AcquireTimedOut,
        FactKind::GcPause => EventKind::GcPause,
    }
}

#[cfg(test)]
mod tests;
