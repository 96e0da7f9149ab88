//! Maps by address.
//!
//! A dump looks pages, types and objects up millions of times. Their addresses are no secret of the
//! observer's and come from one process, so the maps do without a hash that withstands chosen keys; each
//! map is bounded, so that a target that picks its addresses on purpose slows its own dump by a bounded
//! factor.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A map by address.
pub(crate) type AddressMap<V> = HashMap<u64, V, BuildHasherDefault<AddressHasher>>;

/// A set of addresses.
pub(crate) type AddressSet = HashSet<u64, BuildHasherDefault<AddressHasher>>;

/// 2⁶⁴ divided by the golden ratio: multiplying by it spreads neighbouring addresses over all bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes one address.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AddressHasher {
    hash: u64,
}

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.hash
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, address: u64) {
        let wide = u128::from(self.hash ^ address) * u128::from(SPREAD);
        // The map takes its place from the low bits and its tag from the high ones: both halves count.
        self.hash = (wide as u64) ^ (wide >> 64) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_pages_do_not_crowd() {
        let place = |page: u64| {
            let mut hasher = AddressHasher::default();
            hasher.write_u64(page * 4096);
            hasher.finish() & 0xffff
        };
        let places: HashSet<u64> = (0..16_384).map(place).collect();
        assert!(places.len() > 12_000, "{}", places.len());
    }
}
