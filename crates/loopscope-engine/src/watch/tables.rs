//! The recording's tables of tasks, calls, pools and executors: read now and then, told where they moved.
//!
//! Only slots that were ever taken are read, and only what changed is told, each slot a few times a second
//! at most. Facts of the ring are told as they come, after the readings that introduce what they are about.

mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;

use loopscope_recorder::layout::{self, Coverage};
use loopscope_recorder::reader::{
    AdapterState, CallState, ConnectionState, ExecutorState, FactEvent, GcState, PoolState,
    ReadError, RecordingReader, TableDrops, TaskSiteState,
};

use super::waits::Oldest;
use super::watched_process::tell_lost;
use crate::observation::{
    AdapterInfo, Event, EventFrame, EventKind, Fact, GcReading, LoopKey, Owner, ProcessKey,
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
    sites: Told<TaskSiteState>,
    calls: Told<CallState>,
    pools: Told<PoolState>,
    executors: Told<ExecutorState>,
    gc: Option<GcState>,
    connections: Vec<ConnectionState>,
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
        let pace = (now, at_once);
        self.sites.tell(tables.task_sites, seen, pace, out);
        self.calls.tell(tables.calls, seen, pace, out);
        self.pools.tell(tables.pools, seen, pace, out);
        self.executors.tell(tables.executors, seen, pace, out);
        self.tell_gc(tables.gc, seen.process, out);
        self.connections = tables.connections;
        for connection in &mut self.connections {
            if let Some(holder) = &mut connection.holder {
                holder.thread_id = (seen.thread)(holder.thread_id);
            }
        }
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

    /// The open connections, as they were read last, with threads as they are known here.
    pub(super) fn connections(&self) -> &[ConnectionState] {
        &self.connections
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
        let in_pools = "they are counted in their pools, and nobody knows who has them";
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
            (
                "connections",
                dropped.connections,
                before.connections,
                in_pools,
            ),
        ] {
            tell_lost(out, what, now.saturating_sub(before), detail(kept));
        }
    }
}

/// What a slot of a table says, and what makes a fact of it.
trait Row: Clone + PartialEq {
    /// What it is about; stays the same for as long as the slot does.
    type Name;

    fn slot(&self) -> u32;

    fn name(&self, seen: &Seen<'_>) -> Self::Name;

    fn reading(&self, process: ProcessKey, name: Arc<Self::Name>) -> Fact;
}

/// What was last told of each slot of a table.
#[derive(Debug)]
struct Told<State: Row>(BTreeMap<u32, (Nanos, State, Arc<State::Name>)>);

impl<State: Row> Default for Told<State> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<State: Row> Told<State> {
    /// Tells the slots that are to be told of now.
    fn tell(
        &mut self,
        states: Vec<State>,
        seen: &Seen<'_>,
        pace: (Nanos, bool),
        out: &mut Vec<Fact>,
    ) {
        for state in states {
            let name = self.news(&state, seen, pace);
            out.extend(name.map(|name| state.reading(seen.process, name)));
        }
    }

    /// The slot's name where it is to be told of now.
    fn news(
        &mut self,
        state: &State,
        seen: &Seen<'_>,
        (now, at_once): (Nanos, bool),
    ) -> Option<Arc<State::Name>> {
        let Some((told, known, name)) = self.0.get_mut(&state.slot()) else {
            let name = Arc::new(state.name(seen));
            self.0
                .insert(state.slot(), (now, state.clone(), name.clone()));
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
        FactKind::ConnectionShared => EventKind::ConnectionShared,
    }
}

#[cfg(test)]
mod tests;
