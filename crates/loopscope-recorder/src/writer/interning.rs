//! Slots for keys: found or taken in one pass, by any number of threads at once.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::layout::{RecordState, TableHead};

/// The key of the slot that stands for all that found no room. No hash is this small.
const OVERFLOW_KEY: u64 = 1;

/// A hash over the parts of a key, equal in every process: two keys with one hash would share a slot,
/// which among a thousand keys has a chance of one in 10^13.
pub(super) struct KeyHash(u64);

impl KeyHash {
    pub(super) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn text(self, text: &str) -> Self {
        let hashed = text
            .bytes()
            .fold(self.0, |hash, byte| step(hash, u64::from(byte)));
        // No text holds this value, so that ("ab", "c") differs from ("a", "bc").
        Self(step(hashed, 0x1ff))
    }

    pub(super) fn number(self, number: u64) -> Self {
        let bytes = number.to_ne_bytes();
        Self(
            bytes
                .iter()
                .fold(self.0, |hash, byte| step(hash, u64::from(*byte))),
        )
    }

    /// Mixed once more, since the last bytes of the plain sum touch few bits.
    pub(super) fn finish(self) -> u64 {
        let mut hash = self.0;
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (hash ^ (hash >> 31)).max(OVERFLOW_KEY + 1)
    }
}

fn step(hash: u64, value: u64) -> u64 {
    (hash ^ value).wrapping_mul(0x0000_0100_0000_01b3)
}

/// A slot that was found for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// Its place in the table.
    pub(super) index: usize,
    /// Whether the caller must fill in its texts: nobody else will.
    pub(super) is_new: bool,
}

/// Finds the slot of a key among these, or takes the first free one. `None` where there is none.
///
/// Keys are never given back and fill the list in order, so two threads with one key meet at the same
/// place: one takes it, the other finds its own key there.
pub(super) fn claim(keys: &[AtomicU64], head: &TableHead, key: u64) -> Option<Claim> {
    for (index, place) in keys.iter().enumerate() {
        let found = match place.load(Relaxed) {
            0 => place
                .compare_exchange(0, key, Acquire, Relaxed)
                .unwrap_or_else(|found| found),
            found => found,
        };
        if found == 0 {
            head.used.fetch_max(index as u64 + 1, Release);
        }
        if found == 0 || found == key {
            return Some(Claim {
                index,
                is_new: found == 0,
            });
        }
    }
    None
}

/// The last slot, for what found no room; counted. `None` where the table has no slots at all.
pub(super) fn claim_overflow(keys: &[AtomicU64], head: &TableHead) -> Option<Claim> {
    head.dropped.fetch_add(1, Relaxed);
    let index = keys.len().checked_sub(1)?;
    let taken = keys[index].compare_exchange(0, OVERFLOW_KEY, Acquire, Relaxed);
    head.used.fetch_max(keys.len() as u64, Release);
    Some(Claim {
        index,
        is_new: taken.is_ok(),
    })
}

/// All slots but the last, which stands for what found no room.
pub(super) fn but_overflow(keys: &[AtomicU64]) -> &[AtomicU64] {
    keys.split_last().map_or(&[], |(_, rest)| rest)
}

/// Says that a slot's texts are complete.
pub(super) fn make_ready(state: &AtomicU64) {
    state.store(RecordState::Ready as u64, Release);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> TableHead {
        TableHead {
            offset: 0.into(),
            capacity: 0.into(),
            record_bytes: 0.into(),
            reserved: 0.into(),
            used: 0.into(),
            dropped: 0.into(),
        }
    }

    fn keys(count: usize) -> Vec<AtomicU64> {
        (0..count).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn parts_of_a_key_do_not_run_into_each_other() {
        let hash = |first: &str, second: &str| KeyHash::new().text(first).text(second).finish();
        assert_ne!(hash("ab", "c"), hash("a", "bc"));
        assert_eq!(hash("ab", "c"), hash("ab", "c"));
        assert_ne!(
            KeyHash::new().number(1).finish(),
            KeyHash::new().number(2).finish()
        );
    }

    #[test]
    fn threads_that_ask_for_the_same_keys_agree_on_their_slots() {
        let (keys, head) = (keys(64), head());
        let claim_all = || {
            (10..60)
                .map(|key| claim(&keys, &head, key))
                .collect::<Vec<_>>()
        };
        let found: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(claim_all)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        for key in 0..50 {
            let claims: Vec<_> = found.iter().map(|claims| claims[key].unwrap()).collect();
            assert!(claims.iter().all(|claim| claim.index == claims[0].index));
            assert_eq!(claims.iter().filter(|claim| claim.is_new).count(), 1);
        }
        assert_eq!(head.used.load(Relaxed), 50);
    }

    #[test]
    fn what_finds_no_room_shares_the_last_slot_and_is_counted() {
        let (keys, head) = (keys(3), head());
        let rest = but_overflow(&keys);
        assert!(claim(rest, &head, 10).is_some() && claim(rest, &head, 11).is_some());
        assert_eq!(claim(rest, &head, 12), None);
        let claims = [(); 2].map(|()| claim_overflow(&keys, &head).unwrap());
        assert_eq!(
            claims.map(|claim| (claim.index, claim.is_new)),
            [(2, true), (2, false)]
        );
        assert_eq!(
            (head.used.load(Relaxed), head.dropped.load(Relaxed)),
            (3, 2)
        );
    }
}
