//! The one place where a file becomes memory.
#![expect(
    unsafe_code,
    reason = "maps a file and views it as the recording's atomics"
)]

use std::fs::File;
use std::io;
use std::mem::align_of;
use std::slice;

use memmap2::{MmapMut, MmapOptions};

use crate::layout::{
    EVENT_CAPACITY, EVENTS_OFFSET, EventSlot, FILE_BYTES, Header, LOOP_CAPACITY, LOOPS_OFFSET,
    LoopSlot,
};
use crate::writer::{Parts, Recording};

/// Maps a file of [`FILE_BYTES`] reserved bytes, for as long as the process lives.
///
/// The pages are brought in at once, so that no stamp meets a page fault later.
///
/// # Errors
/// When the kernel refuses the mapping.
pub(crate) fn map_forever(file: &File) -> io::Result<Recording> {
    // SAFETY: the file is private to this user (mode 0600 in a folder of mode 0700), every block of it
    // is reserved, and by contract only this process writes it. Another process of the same user could
    // truncate it and so raise SIGBUS here; such a process can also kill us outright.
    let map = unsafe { MmapOptions::new().len(FILE_BYTES).populate().map_mut(file) }?;
    let map: &'static mut MmapMut = Box::leak(Box::new(map));
    let base = map.as_mut_ptr();
    debug_assert_eq!(base.align_offset(align_of::<Header>()), 0);
    // SAFETY: the mapping is page-aligned, never unmapped, at least `size_of::<Header>()` long, and all
    // fields are atomics for which every bit pattern is valid. No `&mut` to these bytes is used again.
    let header = unsafe { &*base.cast::<Header>() };
    // SAFETY: `LOOPS_OFFSET` is inside the mapping.
    let loops = unsafe { base.add(LOOPS_OFFSET) }.cast::<LoopSlot>();
    // SAFETY: `LOOP_CAPACITY` slots end at `EVENTS_OFFSET`, inside the mapping; aligned to 64 bytes.
    let loops = unsafe { slice::from_raw_parts(loops, LOOP_CAPACITY as usize) };
    // SAFETY: `EVENTS_OFFSET` is inside the mapping.
    let events = unsafe { base.add(EVENTS_OFFSET) }.cast::<EventSlot>();
    // SAFETY: `EVENT_CAPACITY` records end at `FILE_BYTES`; aligned to 64 bytes.
    let events = unsafe { slice::from_raw_parts(events, EVENT_CAPACITY as usize) };
    Ok(Recording::of_parts(Parts {
        header,
        loops,
        events,
    }))
}
