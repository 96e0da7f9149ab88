//! Which slot of the page cache holds which page.
//!
//! A dump asks this for every word that it reads, so the answer is two look-ups in small arrays: pages are
//! grouped into regions of 256 KiB, which is what an arena of the target's allocator takes or a part of
//! one, and the slots of a region stand in a table. Which table a region has is remembered for the latest
//! regions at the place that the region's number says.

use super::{AddressMap, PAGE_BYTES};

/// Pages of a region.
const REGION_PAGES: usize = 64;

/// Bytes of a region.
const REGION_BYTES: u64 = (REGION_PAGES * PAGE_BYTES) as u64;

/// Regions whose table is known without a look into the map: 64 MiB where they lie side by side.
const RECENT_REGIONS: usize = 256;

/// Set in a page's entry once the page was read from.
const USED: u32 = 1 << 31;

/// No region begins here.
const NO_REGION: u64 = u64::MAX;

/// For each page of a region the number of its slot, counted from 1, and whether it was read from; 0 for a
/// page that is not here.
type Table = [u32; REGION_PAGES];

/// Pages and their slots.
#[derive(Debug)]
pub(super) struct PageSlots {
    tables: Vec<Table>,
    numbers: AddressMap<usize>,
    recent: Box<[(u64, usize)]>,
}

/// A page that is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its slot.
    pub(super) slot: usize,
    /// Whether it was asked for for the first time.
    pub(super) is_first_use: bool,
}

impl PageSlots {
    pub(super) fn new() -> Self {
        Self {
            tables: Vec::new(),
            numbers: AddressMap::default(),
            recent: vec![(NO_REGION, 0); RECENT_REGIONS].into_boxed_slice(),
        }
    }

    /// Forgets all pages.
    pub(super) fn clear(&mut self) {
        self.tables.clear();
        self.numbers.clear();
        self.recent.fill((NO_REGION, 0));
    }

    /// Whether a page is here.
    pub(super) fn contains(&mut self, page: u64) -> bool {
        self.entry(page).is_some_and(|entry| *entry != 0)
    }

    /// The slot of a page that is about to be read.
    #[inline]
    pub(super) fn use_page(&mut self, page: u64) -> Option<Found> {
        let entry = self.entry(page)?;
        let number = (*entry & !USED).checked_sub(1)?;
        let is_first_use = *entry & USED == 0;
        *entry |= USED;
        Some(Found {
            slot: number as usize,
            is_first_use,
        })
    }

    /// Says that a page is in a slot, of which there are less than 2³¹.
    pub(super) fn insert(&mut self, page: u64, slot: usize) {
        let region = page / REGION_BYTES;
        let table = match self.table_of(region) {
            Some(table) => table,
            None => {
                self.tables.push([0; REGION_PAGES]);
                let table = self.tables.len() - 1;
                self.numbers.insert(region, table);
                table
            }
        };
        let table = self.tables.get_mut(table);
        if let Some(entry) = table.and_then(|table| table.get_mut(place(page))) {
            *entry = slot as u32 + 1;
        }
    }

    #[inline]
    fn entry(&mut self, page: u64) -> Option<&mut u32> {
        let table = self.table_of(page / REGION_BYTES)?;
        self.tables.get_mut(table)?.get_mut(place(page))
    }

    #[inline]
    fn table_of(&mut self, region: u64) -> Option<usize> {
        let recent = self.recent.get_mut(region as usize % RECENT_REGIONS)?;
        if recent.0 != region {
            *recent = (region, *self.numbers.get(&region)?);
        }
        Some(recent.1)
    }
}

/// A page's place in the table of its region.
fn place(page: u64) -> usize {
    (page / PAGE_BYTES as u64) as usize % REGION_PAGES
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = PAGE_BYTES as u64;

    #[test]
    fn a_page_has_its_own_slot_beside_its_neighbours() {
        let mut slots = PageSlots::new();
        let pages = [PAGE, 2 * PAGE, REGION_BYTES, 300 * REGION_BYTES + PAGE];
        for (slot, page) in pages.into_iter().enumerate() {
            slots.insert(page, slot);
        }
        for (slot, page) in pages.into_iter().enumerate() {
            assert_eq!(slots.use_page(page).map(|found| found.slot), Some(slot));
        }
        assert_eq!(slots.use_page(3 * PAGE), None);
        assert_eq!(slots.use_page(7 * REGION_BYTES), None);
        assert!(slots.contains(PAGE) && !slots.contains(0));
    }

    #[test]
    fn the_first_use_of_a_page_is_told() {
        let mut slots = PageSlots::new();
        slots.insert(PAGE, 0);
        assert!(slots.contains(PAGE));
        let mut is_first = || slots.use_page(PAGE).map(|found| found.is_first_use);
        assert_eq!([is_first(), is_first()], [Some(true), Some(false)]);
    }

    #[test]
    fn cleared_slots_are_empty() {
        let mut slots = PageSlots::new();
        slots.insert(PAGE, 0);
        slots.clear();
        assert_eq!(slots.use_page(PAGE), None);
    }
}
