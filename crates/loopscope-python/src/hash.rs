//! Maps whose keys are addresses. These are spread by one multiplication, which is enough for keys that nobody
//! chooses to our harm.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map whose keys are made of addresses and small numbers.
pub(crate) type AddressMap<K, V> = HashMap<K, V, BuildHasherDefault<AddressHasher>>;

/// See the module.
#[derive(Default)]
pub(crate) struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        // The map takes its buckets from the low bits, and its tags from the high ones.
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(7) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Small numbers by address, for what is put in and taken out with every task: half as dear as the general map.
///
/// Open addressing; what is taken out leaves no trace, as its followers move up.
#[derive(Default)]
pub(crate) struct AddressTable {
    /// An address of 0 is an empty place. A power of two of them, at most half taken.
    places: Vec<(usize, u32)>,
    taken: usize,
}

impl AddressTable {
    /// Puts a number in; returns what stood there.
    #[inline]
    pub(crate) fn insert(&mut self, address: usize, number: u32) -> Option<u32> {
        if self.places.len() < 2 * (self.taken + 1) {
            self.grow();
        }
        let index = self.find(address);
        let place = self.places.get_mut(index)?;
        let before = (place.0 == address).then_some(place.1);
        *place = (address, number);
        self.taken += usize::from(before.is_none());
        before
    }

    /// Takes a number out.
    #[inline]
    pub(crate) fn remove(&mut self, address: usize) -> Option<u32> {
        if self.taken == 0 {
            return None;
        }
        let index = self.find(address);
        let place = self.places.get_mut(index)?;
        if place.0 != address {
            return None;
        }
        let number = place.1;
        *place = (0, 0);
        self.taken -= 1;
        self.close_gap(index);
        Some(number)
    }

    /// Where an address stands, or the empty place where it belongs.
    #[inline]
    fn find(&self, address: usize) -> usize {
        let mut index = self.home(address);
        while let Some(place) = self.places.get(index) {
            if place.0 == address || place.0 == 0 {
                break;
            }
            index = self.after(index);
        }
        index
    }

    #[inline]
    fn home(&self, address: usize) -> usize {
        let spread = (address as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        spread as usize & (self.places.len() - 1)
    }

    #[inline]
    fn after(&self, index: usize) -> usize {
        (index + 1) & (self.places.len() - 1)
    }

    /// Moves those up that were kept from their homes by what stood here.
    fn close_gap(&mut self, mut gap: usize) {
        let mut index = self.after(gap);
        while let Some(&(address, number)) = self.places.get(index) {
            if address == 0 {
                return;
            }
            let from_home = index.wrapping_sub(self.home(address)) & (self.places.len() - 1);
            let from_gap = index.wrapping_sub(gap) & (self.places.len() - 1);
            if from_home >= from_gap {
                self.places[gap] = (address, number);
                self.places[index] = (0, 0);
                gap = index;
            }
            index = self.after(index);
        }
    }

    #[cold]
    fn grow(&mut self) {
        let size = (self.places.len() * 2).max(64);
        let before = std::mem::replace(&mut self.places, vec![(0, 0); size]);
        for (address, number) in before {
            if address != 0 {
                let index = self.find(address);
                self.places[index] = (address, number);
            }
        }
    }
}
