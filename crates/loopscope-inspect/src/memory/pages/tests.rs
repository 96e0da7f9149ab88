//! The page cache over memories that were made up.

use std::cell::Cell;

use super::*;
use crate::memory::MAX_READ_BYTES;

/// Sixteen pages from page 1 on, each byte the low byte of its page's number; counts its reads.
#[derive(Default)]
struct Counted {
    reads: Cell<usize>,
}

impl Memory for &Counted {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), MemoryError> {
        self.reads.set(self.reads.get() + 1);
        if address < 4096 || address + buffer.len() as u64 > 17 * 4096 {
            return Err(MemoryError::Unmapped { address });
        }
        for (byte, at) in buffer.iter_mut().zip(address..) {
            *byte = (at / 4096) as u8;
        }
        Ok(())
    }
}

#[test]
fn a_page_is_read_once_in_a_sample() {
    let memory = Counted::default();
    let mut pages = PageCache::new(&memory, Budget::SAMPLE);
    pages.begin(&[]).unwrap();
    assert_eq!(pages.u64(4096).unwrap(), 0x0101_0101_0101_0101);
    assert_eq!(pages.u8(8191).unwrap(), 1);
    assert_eq!(memory.reads.get(), 1);
    pages.begin(&[]).unwrap();
    assert_eq!(pages.u8(8191).unwrap(), 1);
    assert_eq!(memory.reads.get(), 2);
}

#[test]
fn a_read_across_pages_is_joined() {
    let memory = Counted::default();
    let mut pages = PageCache::new(&memory, Budget::SAMPLE);
    assert_eq!(pages.array::<4>(8190).unwrap(), [1, 1, 2, 2]);
    assert_eq!(pages.used_pages(), [4096, 8192]);
}

#[test]
fn a_prefetch_steps_over_a_hole() {
    let memory = Counted::default();
    let mut pages = PageCache::new(&memory, Budget::SAMPLE);
    pages.begin(&[4096, 1 << 30, 8192]).unwrap();
    let before = memory.reads.get();
    assert_eq!(pages.u8(8192).unwrap(), 2);
    assert_eq!(memory.reads.get(), before);
    assert_eq!(
        pages.used_pages(),
        [8192],
        "a page that was only fetched is not a used one"
    );
}

#[test]
fn an_oversized_read_is_refused_before_it_allocates() {
    let memory = Counted::default();
    let mut pages = PageCache::new(&memory, Budget::SAMPLE);
    let outcome = pages.bytes(4096, MAX_READ_BYTES + 1);
    assert!(matches!(outcome, Err(MemoryError::Oversized { .. })));
    assert_eq!(memory.reads.get(), 0);
}

#[test]
fn addresses_outside_user_space_are_unmapped() {
    let memory = Counted::default();
    let mut pages = PageCache::new(&memory, Budget::SAMPLE);
    for address in [0, 8, u64::MAX, u64::MAX - 3, 1 << 47] {
        assert_eq!(pages.u64(address), Err(MemoryError::Unmapped { address }));
    }
}

#[test]
fn one_sample_reads_a_bounded_number_of_pages() {
    /// Everything is mapped and zero.
    struct Endless;
    impl Memory for Endless {
        fn read(&self, _: u64, buffer: &mut [u8]) -> Result<(), MemoryError> {
            buffer.fill(0);
            Ok(())
        }
    }
    let mut pages = PageCache::new(Endless, Budget::SAMPLE);
    let read = (1..)
        .take_while(|page| pages.u8(page * 4096).is_ok())
        .count();
    assert_eq!(read, Budget::SAMPLE.pages);
}
