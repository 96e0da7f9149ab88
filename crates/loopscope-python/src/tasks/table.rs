//! The tasks that are known: each from its creation to its end, a failed one until it is known what became
//! of its exception.
//!
//! Plain data. Tasks are known by their addresses, which nobody follows from here.

use pyo3::{Py, PyAny};

use crate::hash::{AddressMap, AddressTable};

/// No entry.
const NONE: u32 = u32::MAX;

/// Known tasks, and those of each site in the order of their creation.
#[derive(Default)]
pub(crate) struct Table {
    entries: Vec<Entry>,
    free: Vec<u32>,
    by_address: AddressTable,
    /// For each site, its oldest and its youngest task alive.
    sites: Vec<(u32, u32)>,
    failed: AddressMap<usize, Failed>,
}

struct Entry {
    site: u32,
    address: usize,
    created_nanos: u64,
    older: u32,
    younger: u32,
}

/// A task that ended with an exception which somebody may still take.
pub(crate) struct Failed {
    pub(crate) site: u32,
    /// Joins the facts about it; 0 where none was written.
    pub(crate) identity: u64,
    /// Leads to the task as long as it is there.
    pub(crate) task: Option<Py<PyAny>>,
}

/// A site's oldest task alive: when it was created, and its address.
pub(crate) type Oldest = Option<(u64, u64)>;

impl Table {
    /// A task was created. Returns when its site's oldest was, and the site of a task that had this address
    /// before and whose end was missed.
    #[inline]
    pub(crate) fn insert(
        &mut self,
        address: usize,
        site: u32,
        now_nanos: u64,
    ) -> (Oldest, Option<u32>) {
        let index = self.take_entry(Entry {
            site,
            address,
            created_nanos: now_nanos,
            older: NONE,
            younger: NONE,
        });
        let missed = self.by_address.insert(address, index);
        let missed = missed.and_then(|index| self.release(index));
        self.append(site, index);
        (self.oldest(site), missed)
    }

    /// A task alive is no longer. Returns its site, and when the oldest of those left was created.
    pub(crate) fn remove(&mut self, address: usize) -> Option<(u32, Oldest)> {
        let index = self.by_address.remove(address)?;
        let site = self.release(index)?;
        Some((site, self.oldest(site)))
    }

    /// The task at this address ended with an exception.
    pub(crate) fn fail(&mut self, address: usize, failed: Failed) {
        self.failed.insert(address, failed);
    }

    /// The failed task at this address is gone, or its exception taken.
    pub(crate) fn settle(&mut self, address: usize) -> Option<Failed> {
        self.failed.remove(&address)
    }

    /// Failed tasks whose exception somebody may still take, with their addresses.
    pub(crate) fn failed(&self) -> impl Iterator<Item = (usize, &Failed)> {
        self.failed
            .iter()
            .map(|(address, failed)| (*address, failed))
    }

    /// Whether there are any.
    pub(crate) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Whether the task at this address is among them.
    pub(crate) fn is_failed(&self, address: usize) -> bool {
        self.failed.contains_key(&address)
    }

    /// The one at this address.
    pub(crate) fn failed_at(&self, address: usize) -> Option<&Failed> {
        self.failed.get(&address)
    }

    fn oldest(&self, site: u32) -> Oldest {
        let (oldest, _) = self.sites.get(site as usize)?;
        let entry = self.entries.get(*oldest as usize)?;
        Some((entry.created_nanos, entry.address as u64))
    }

    /// Frees an entry. Returns its site.
    fn release(&mut self, index: u32) -> Option<u32> {
        let site = self.unlink(index)?;
        self.free.push(index);
        Some(site)
    }

    fn take_entry(&mut self, entry: Entry) -> u32 {
        if let Some(index) = self.free.pop()
            && let Some(place) = self.entries.get_mut(index as usize)
        {
            *place = entry;
            return index;
        }
        self.entries.push(entry);
        (self.entries.len() - 1) as u32
    }

    fn append(&mut self, site: u32, index: u32) {
        let place = site as usize;
        if self.sites.len() <= place {
            self.sites.resize(place + 1, (NONE, NONE));
        }
        let Some(ends) = self.sites.get_mut(place) else {
            return;
        };
        let youngest = ends.1;
        *ends = (if ends.0 == NONE { index } else { ends.0 }, index);
        if let Some(entry) = self.entries.get_mut(youngest as usize) {
            entry.younger = index;
        }
        if let Some(entry) = self.entries.get_mut(index as usize) {
            entry.older = youngest;
        }
    }

    fn unlink(&mut self, index: u32) -> Option<u32> {
        let entry = self.entries.get(index as usize)?;
        let (site, older, younger) = (entry.site, entry.older, entry.younger);
        if let Some(entry) = self.entries.get_mut(older as usize) {
            entry.younger = younger;
        }
        if let Some(entry) = self.entries.get_mut(younger as usize) {
            entry.older = older;
        }
        if let Some(ends) = self.sites.get_mut(site as usize) {
            if ends.0 == index {
                ends.0 = younger;
            }
            if ends.1 == index {
                ends.1 = older;
            }
        }
        Some(site)
    }
}
