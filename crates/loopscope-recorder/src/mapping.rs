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
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use memmap2::{MmapMut, MmapOptions};

use crate::layout::{
    CALL_CAPACITY, CALL_ERROR_CAPACITY, CALL_ERRORS_OFFSET, CALLS_OFFSET, CONNECTION_CAPACITY,
    CONNECTIONS_OFFSET, EVENT_CAPACITY, EVENTS_OFFSET, EXECUTOR_CAPACITY, EXECUTORS_OFFSET,
    FACT_CAPACITY, FACTS_OFFSET, FILE_BYTES, FORMAT_VERSION, Header, KEYS, KEYS_OFFSET,
    LOOP_CAPACITY, LOOPS_OFFSET, MAGIC, POOL_CAPACITY, POOLS_OFFSET, TASK_SITE_CAPACITY,
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
    let table = Mapped(map.as_mut_ptr());
    // SAFETY: mapped above for ever, page-aligned. No `&mut` to these bytes is used again.
    let recording = unsafe { table.view(path) };
    bring_in(table.at(0, (KEYS_OFFSET / size_of::<AtomicU64>()) as u32));
    Ok(recording)
}

/// A recording that another object of this process keeps mapped, by its first byte; see
/// [`crate::handover`]. `None` for null, and for a recording of another format.
///
/// # Safety
/// Null, or the first byte of a whole recording that stays mapped for ever.
pub(crate) unsafe fn adopt(base: *const u8) -> Option<Recording> {
    // SAFETY: by contract null or a header, all of whose fields are atomics.
    let header = unsafe { base.cast::<Header>().as_ref() }?;
    let is_same = header.magic.load(Acquire) == MAGIC
        && header.version.load(Relaxed) == FORMAT_VERSION
        && header.file_bytes.load(Relaxed) == FILE_BYTES as u64;
    // SAFETY: by contract whole, and of this version.
    is_same.then(|| unsafe { Mapped(base.cast_mut()).view(Path::new("")) })
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
impl Atomics for crate::layout::ConnectionSlot {}
impl Atomics for crate::layout::CallErrorSlot {}

impl Mapped {
    /// The parts of a whole recording.
    ///
    /// # Safety
    /// The mapping is page-aligned, stays for ever, and is viewed as atomics alone.
    unsafe fn view(self, path: &Path) -> Recording {
        debug_assert_eq!(self.0.align_offset(align_of::<Header>()), 0);
        // SAFETY: by contract; a header is no longer than the mapping, and every bit pattern is valid.
        let header = unsafe { &*self.0.cast::<Header>() };
        Recording::of_parts(Parts {
            path: path.into(),
            header,
            loops: self.at(LOOPS_OFFSET, LOOP_CAPACITY),
            events: self.at(EVENTS_OFFSET, EVENT_CAPACITY),
            keys: Keys::of_list(self.at(KEYS_OFFSET, KEYS as u32)),
            task_sites: self.at(TASK_SITES_OFFSET, TASK_SITE_CAPACITY),
            calls: self.at(CALLS_OFFSET, CALL_CAPACITY),
            pools: self.at(POOLS_OFFSET, POOL_CAPACITY),
            executors: self.at(EXECUTORS_OFFSET, EXECUTOR_CAPACITY),
            facts: self.at(FACTS_OFFSET, FACT_CAPACITY),
            connections: self.at(CONNECTIONS_OFFSET, CONNECTION_CAPACITY),
            call_errors: self.at(CALL_ERRORS_OFFSET, CALL_ERROR_CAPACITY),
        })
    }

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
