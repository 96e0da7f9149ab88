//! Counts a pool's connections, or those to a server that no pool holds.

use std::sync::atomic::Ordering::Relaxed;

use super::Recording;
use super::counting::{lower, note_since, raise};
use super::interning::{KeyHash, claim, make_ready};
use super::texts::{head, store_text};
use crate::clock;
use crate::layout::{GROUP_TEXT_BYTES, NAME_TEXT_BYTES, PoolSlot, Table};

/// What a pool is, or a server that is connected to without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolSpec<'a> {
    /// The pool's name; empty for connections that no pool holds.
    pub name: &'a str,
    /// The driver.
    pub driver: &'a str,
    /// The server: host, port and database, never a password.
    pub server: &'a str,
}

/// A pool's state at one instant, for pools that are asked rather than followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolGauges {
    /// Connections that it has.
    pub size: u64,
    /// Fewest connections that it keeps.
    pub smallest: u64,
    /// Most connections that it may have.
    pub largest: u64,
    /// Connections taken from it.
    pub in_use: u64,
    /// Connections that lie ready.
    pub idle: u64,
    /// Who waits for one.
    pub waiting: u64,
}

/// Writes down one pool.
///
/// A pool whose waits can be followed is told by [`Self::waits`] and what ends a wait, and its sizes by
/// [`Self::set_sizes`]; one that can only be asked by [`Self::set_gauges`] alone. Both are right where the pool is asked
/// again and again, which sets straight what was followed in between.
///
/// Threads: any. No allocation, no system call. Fork: see [`super`].
#[derive(Clone, Copy, Debug)]
pub struct PoolWriter {
    slot: &'static PoolSlot,
    index: u32,
}

impl Recording {
    /// The record of a pool: the same one for the same name, driver and server. `None`, and counted, where
    /// there is no room.
    pub fn pool(&self, spec: &PoolSpec<'_>) -> Option<PoolWriter> {
        let kept = PoolSpec {
            name: head(spec.name, NAME_TEXT_BYTES),
            driver: head(spec.driver, GROUP_TEXT_BYTES),
            server: head(spec.server, NAME_TEXT_BYTES),
        };
        let hash = KeyHash::new().text(kept.name).text(kept.driver);
        let key = hash.text(kept.server).finish();
        let table = self.head(Table::Pools);
        let Some(claim) = claim(self.0.keys.pools, table, key) else {
            table.dropped.fetch_add(1, Relaxed);
            return None;
        };
        let slot = self.0.pools.get(claim.index)?;
        if claim.is_new {
            describe(slot, &kept);
        }
        let index = claim.index as u32;
        Some(PoolWriter { slot, index })
    }
}

impl PoolWriter {
    /// Its place in the table: the subject of facts about this pool.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Somebody begins to wait for a connection.
    pub fn waits(&self, now_nanos: u64) {
        self.slot.waiting.fetch_add(1, Relaxed);
        self.note_waiting(now_nanos);
    }

    /// A wait ended with a connection.
    pub fn acquired(&self, now_nanos: u64, waited_nanos: u64) {
        let slot = self.slot;
        self.stops_waiting(now_nanos);
        slot.in_use.fetch_add(1, Relaxed);
        slot.acquires.fetch_add(1, Relaxed);
        slot.acquire_nanos.fetch_add(waited_nanos, Relaxed);
        raise(&slot.longest_acquire_nanos, waited_nanos);
    }

    /// A wait was given up because it took too long.
    pub fn timed_out(&self, now_nanos: u64) {
        self.stops_waiting(now_nanos);
        self.slot.timeouts.fetch_add(1, Relaxed);
    }

    /// A wait ended in another way: by an error, or it was cancelled.
    pub fn stops_waiting(&self, now_nanos: u64) {
        lower(&self.slot.waiting);
        self.note_waiting(now_nanos);
    }

    fn note_waiting(&self, now_nanos: u64) {
        let slot = self.slot;
        note_since(&slot.waiting_since_nanos, now_nanos, || {
            Some(slot.waiting.load(Relaxed) > 0)
        });
    }

    /// A connection was given back that had been in use for so long, where that is known.
    pub fn released(&self, used_nanos: Option<u64>) {
        let slot = self.slot;
        lower(&slot.in_use);
        let Some(used) = used_nanos else { return };
        slot.releases.fetch_add(1, Relaxed);
        slot.use_nanos.fetch_add(used, Relaxed);
        raise(&slot.longest_use_nanos, used);
    }

    /// How many connections there are, lie ready, are kept at least and may be at most.
    pub fn set_sizes(&self, size: u64, idle: u64, smallest: u64, largest: u64) {
        let slot = self.slot;
        slot.size.store(size, Relaxed);
        slot.idle.store(idle, Relaxed);
        slot.smallest.store(smallest, Relaxed);
        slot.largest.store(largest, Relaxed);
    }

    /// How many connections are taken from it, where the pool itself is asked for that.
    pub fn set_in_use(&self, in_use: u64) {
        self.slot.in_use.store(in_use, Relaxed);
    }

    /// The whole state, for a pool that was asked.
    pub fn set_gauges(&self, gauges: &PoolGauges, now_nanos: u64) {
        let slot = self.slot;
        self.set_sizes(gauges.size, gauges.idle, gauges.smallest, gauges.largest);
        slot.in_use.store(gauges.in_use, Relaxed);
        slot.waiting.store(gauges.waiting, Relaxed);
        self.note_waiting(now_nanos);
    }

    /// A connection was opened.
    pub fn opened(&self) {
        self.slot.opened.fetch_add(1, Relaxed);
    }

    /// A connection could not be opened.
    pub fn open_failed(&self, error_type: &str) {
        self.slot.open_failed.fetch_add(1, Relaxed);
        self.slot.last_error.replace(error_type);
    }

    /// A connection was closed in order after so long a life.
    pub fn closed(&self, lifetime_nanos: u64) {
        self.slot.closed.fetch_add(1, Relaxed);
        self.slot.lifetime_nanos.fetch_add(lifetime_nanos, Relaxed);
    }

    /// A connection was collected after so long a life, and nobody had closed it.
    pub fn leaked(&self, lifetime_nanos: u64) {
        self.slot.leaked.fetch_add(1, Relaxed);
        self.slot.lifetime_nanos.fetch_add(lifetime_nanos, Relaxed);
    }
}

fn describe(slot: &PoolSlot, spec: &PoolSpec<'_>) {
    store_text(&slot.name, spec.name);
    store_text(&slot.driver, spec.driver);
    store_text(&slot.server, spec.server);
    slot.created_nanos.store(clock::monotonic_nanos(), Relaxed);
    make_ready(&slot.state);
}
