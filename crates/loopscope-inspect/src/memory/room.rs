//! Room for the pages that a reading fetches.
//!
//! It grows by the chunk and never moves. A reading of a whole process fills some ten megabytes at once, where
//! the faults of small pages would take longer than the copying: its chunks are large, and asked to be made of
//! large pages. A look at one thread needs some dozen pages, and the allocator clears a chunk that it had before.

use memmap2::{Advice, MmapMut};

use super::PAGE_BYTES;

/// Pages of a large chunk, as a power of two: 16 MiB. Memory of it that was never written to takes none.
const LARGE_CHUNK: u32 = 12;

/// Pages of a small one: 256 KiB.
const SMALL_CHUNK: u32 = 6;

/// A row of numbered pages.
#[derive(Debug)]
pub(super) struct Room {
    chunks: Vec<Chunk>,
    /// Pages of a chunk, as a power of two.
    chunk: u32,
}

/// A chunk that reads as zeros at first. What is mapped is so without being written.
#[derive(Debug)]
enum Chunk {
    Mapped(MmapMut),
    Allocated(Box<[u8]>),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Allocated(bytes) => bytes,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Allocated(bytes) => bytes,
        }
    }
}

impl Room {
    /// Empty room; `is_large` where thousands of pages will be used.
    pub(super) fn new(is_large: bool) -> Self {
        Self {
            chunks: Vec::new(),
            chunk: if is_large { LARGE_CHUNK } else { SMALL_CHUNK },
        }
    }

    /// The chunk of the page with this number, and its number there.
    #[inline]
    fn place(&self, number: usize) -> (usize, usize) {
        (number >> self.chunk, number & ((1 << self.chunk) - 1))
    }

    /// The page with this number, if there is room for it.
    #[inline]
    pub(super) fn page(&self, number: usize) -> Option<&[u8; PAGE_BYTES]> {
        let (chunk, page) = self.place(number);
        let bytes = self.chunks.get(chunk)?.bytes().get(page * PAGE_BYTES..)?;
        bytes.first_chunk()
    }

    /// The bytes from page `first` on, up to `count` pages of them: as many as lie in one piece. Makes room.
    pub(super) fn piece(&mut self, first: usize, count: usize) -> &mut [u8] {
        let (chunk, from) = self.place(first);
        while self.chunks.len() <= chunk {
            self.chunks.push(self.chunk());
        }
        let to = from.saturating_add(count).min(1 << self.chunk);
        let chunk = self.chunks.get_mut(chunk).map(Chunk::bytes_mut);
        let bytes = chunk.and_then(|chunk| chunk.get_mut(from * PAGE_BYTES..to * PAGE_BYTES));
        bytes.unwrap_or_default()
    }

    fn chunk(&self) -> Chunk {
        let length = PAGE_BYTES << self.chunk;
        if self.chunk == LARGE_CHUNK
            && let Ok(bytes) = MmapMut::map_anon(length)
        {
            // Where the kernel has no large pages to give, small ones do.
            let _ = bytes.advise(Advice::HugePage);
            return Chunk::Mapped(bytes);
        }
        Chunk::Allocated(vec![0; length].into_boxed_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_ends_where_its_chunk_ends() {
        for (is_large, pages) in [(false, 64), (true, 4096)] {
            let mut room = Room::new(is_large);
            assert!(room.page(0).is_none());
            assert_eq!(room.piece(0, 3).len(), 3 * PAGE_BYTES);
            let last = room.piece(pages - 1, 3);
            assert_eq!(last.len(), PAGE_BYTES);
            last.fill(7);
            room.piece(pages, 2).fill(8);
            assert_eq!(room.page(pages - 1), Some(&[7; PAGE_BYTES]));
            assert_eq!(room.page(pages + 1), Some(&[8; PAGE_BYTES]));
            assert_eq!(room.page(pages + 2), Some(&[0; PAGE_BYTES]));
        }
    }
}
