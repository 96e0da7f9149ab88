//! The one place where a file becomes memory.
#![expect(
    unsafe_code,
    reason = "maps a file and views it as the recording's atomics"
)]

use std::fs::File;
use std::io;
use std::mem::align_of;
use std::path::Path;
use std::slice;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use memmap2::{MmapMut, MmapOptions};

use crate::layout::{
    CALL_CAPACITY, CALLS_OFFSET, EVENT_CAPACITY, EVENTS_OFFSET, EXECUTOR_CAPACITY,
    EXECUTORS_OFFSET, FACT_CAPACITY, FACTS_OFFSET, FILE_BYTES, Header, KEYS, KEYS_OFFSET,
    LOOP_CAPACITY, LOOPS_OFFSET, POOL_CAPACITY, POOLS_OFFSET, TASK_SITE_CAPACITY,
    TASK_SITES_OFFSET,
};
use crate::writer::{Keys, Parts, Recording};

/// The smallest page that Linux has.
const PAGE_BYTES: usize = 4096;

/// Maps a file of [`FILE_BYTES`] reserved bytes, for as long as the process lives.
///
/// The pages that stamps write are brought in at once, so that none meets a page fault later. The others
/// are met when a slot is taken, and seldom at all: they stay out of the process's memory until then.
///
/// # Errors
/// When the kernel refuses the mapping.
pub(crate) fn map_forever(file: &File, path: &Path) -> io::Result<Recording> {
    // SAFETY: the file is private to this user (mode 0600 in a folder of mode 0700), every block of it
    // is reserved, and by contract only this process writes it. Another process of the same user could
    // truncate it and so raise SIGBUS here; such a process can also kill us outright.
    let map = unsafe { MmapOptions::new().len(FILE_BYTES).map_mut(file) }?;
    let map: &'static mut MmapMut = Box::leak(Box::new(map));
    let base = map.as_mut_ptr();
    debug_assert_eq!(base.align_offset(align_of::<Header>()), 0);
    // SAFETY: the mapping is page-aligned, never unmapped, at least `size_of::<Header>()` long, and all
    // fields are atomics for which every bit pattern is valid. No `&mut` to these bytes is used again.
    let header = unsafe { &*base.cast::<Header>() };
    let table = Mapped(base);
    let recording = Recording::of_parts(Parts {
        path: path.into(),
        header,
        loops: table.at(LOOPS_OFFSET, LOOP_CAPACITY),
        events: table.at(EVENTS_OFFSET, EVENT_CAPACITY),
        keys: Keys::of_list(table.at(KEYS_OFFSET, KEYS as u32)),
        task_sites: table.at(TASK_SITES_OFFSET, TASK_SITE_CAPACITY),
        calls: table.at(CALLS_OFFSET, CALL_CAPACITY),
        pools: table.at(POOLS_OFFSET, POOL_CAPACITY),
        executors: table.at(EXECUTORS_OFFSET, EXECUTOR_CAPACITY),
        facts: table.at(FACTS_OFFSET, FACT_CAPACITY),
    });
    bring_in(table.at(0, (KEYS_OFFSET / size_of::<AtomicU64>()) as u32));
    Ok(recording)
}

/// Writes a word of each page as it is.
fn bring_in(words: &[AtomicU64]) {
    for word in words.iter().step_by(PAGE_BYTES / size_of::<AtomicU64>()) {
        word.fetch_or(0, Relaxed);
    }
}

/// A mapping of [`FILE_BYTES`] bytes that is never unmapped and only viewed as atomics.
#[derive(Clone, Copy)]
struct Mapped(*mut u8);

/// What stands in a recording: atomics alone, for which every bit pattern is valid.
trait Atomics {}
impl Atomics for AtomicU64 {}
impl Atomics for crate::layout::LoopSlot {}
impl Atomics for crate::layout::EventSlot {}
impl Atomics for crate::layout::TaskSiteSlot {}
impl Atomics for crate::layout::CallSlot {}
impl Atomics for crate::layout::PoolSlot {}
impl Atomics for crate::layout::ExecutorSlot {}
impl Atomics for crate::layout::FactSlot {}

impl Mapped {
    /// A table of the layout; one that would not lie inside the mapping is empty.
    fn at<Record: Atomics>(self, offset: usize, capacity: u32) -> &'static [Record] {
        let capacity = capacity as usize;
        let end = offset + capacity * size_of::<Record>();
        if end > FILE_BYTES || !offset.is_multiple_of(align_of::<Record>()) {
            return &[];
        }
        // SAFETY: `offset` is inside the mapping.
        let first = unsafe { self.0.add(offset) }.cast::<Record>();
        // SAFETY: the records end inside the mapping, which is page-aligned and never unmapped; all their
        // fields are atomics for which every bit pattern is valid. No `&mut` to these bytes is used again.
        unsafe { slice::from_raw_parts(first, capacity) }
    }
}
