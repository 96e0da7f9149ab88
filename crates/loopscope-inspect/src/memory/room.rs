//! Room for the pages that a reading fetches.
//!
//! It grows by the chunk and never moves. A reading of a whole process fills some ten megabytes at once, where
//! the faults of small pages would take longer than the copying: chunks are asked to be made of large ones.
#![expect(
    unsafe_code,
    reason = "tells the kernel of what kind of pages memory should be made"
)]

use rustix::mm::{Advice, madvise};

use super::PAGE_BYTES;

/// Pages of a chunk: 16 MiB. Memory of a chunk that was never written to takes none.
const CHUNK_PAGES: usize = 4096;

/// A row of numbered pages.
#[derive(Debug, Default)]
pub(super) struct Room {
    chunks: Vec<Box<[u8]>>,
    of_large_pages: bool,
}

impl Room {
    /// Empty room; `of_large_pages` where most of a chunk will be used.
    pub(super) fn new(of_large_pages: bool) -> Self {
        Self {
            chunks: Vec::new(),
            of_large_pages,
        }
    }

    /// The page with this number, if there is room for it.
    #[inline]
    pub(super) fn page(&self, number: usize) -> Option<&[u8; PAGE_BYTES]> {
        let chunk = self.chunks.get(number / CHUNK_PAGES)?;
        chunk
            .get(number % CHUNK_PAGES * PAGE_BYTES..)?
            .first_chunk()
    }

    /// The bytes from page `first` on, up to `count` pages of them: as many as lie in one piece. Makes room.
    pub(super) fn piece(&mut self, first: usize, count: usize) -> &mut [u8] {
        let (chunk, from) = (first / CHUNK_PAGES, first % CHUNK_PAGES);
        while self.chunks.len() <= chunk {
            self.chunks.push(self.chunk());
        }
        let to = CHUNK_PAGES.min(from.saturating_add(count));
        let chunk = self.chunks.get_mut(chunk);
        let bytes = chunk.and_then(|chunk| chunk.get_mut(from * PAGE_BYTES..to * PAGE_BYTES));
        bytes.unwrap_or_default()
    }

    fn chunk(&self) -> Box<[u8]> {
        let mut chunk = vec![0; CHUNK_PAGES * PAGE_BYTES].into_boxed_slice();
        if self.of_large_pages {
            ask_for_large_pages(&mut chunk);
        }
        chunk
    }
}

/// Where the kernel has none to give, small ones do.
fn ask_for_large_pages(bytes: &mut [u8]) {
    let before = bytes.as_ptr().align_offset(PAGE_BYTES);
    let Some(whole) = bytes.get_mut(before..) else {
        return;
    };
    let length = whole.len() / PAGE_BYTES * PAGE_BYTES;
    // SAFETY: the range is whole pages inside of memory that is ours alone, and this advice changes nothing
    // of what can be read there.
    let _ = unsafe { madvise(whole.as_mut_ptr().cast(), length, Advice::LinuxHugepage) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_ends_where_its_chunk_ends() {
        for of_large_pages in [false, true] {
            let mut room = Room::new(of_large_pages);
            assert!(room.page(0).is_none());
            assert_eq!(room.piece(0, 3).len(), 3 * PAGE_BYTES);
            let last = room.piece(CHUNK_PAGES - 1, 3);
            assert_eq!(last.len(), PAGE_BYTES);
            last.fill(7);
            room.piece(CHUNK_PAGES, 2).fill(8);
            assert_eq!(room.page(CHUNK_PAGES - 1), Some(&[7; PAGE_BYTES]));
            assert_eq!(room.page(CHUNK_PAGES + 1), Some(&[8; PAGE_BYTES]));
            assert_eq!(room.page(CHUNK_PAGES + 2), Some(&[0; PAGE_BYTES]));
        }
    }
}
