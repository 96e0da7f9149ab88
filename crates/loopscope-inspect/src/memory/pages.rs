//! One sample's view of the target: each page is read once and then served from here.
//!
//! Reading by page makes a look at a deep stack a handful of system calls instead of hundreds, and a
//! list of pages that the last look needed lets the next one fetch all of them in a single call, which
//! is as near to one instant as reading a running process gets. The cache never spans samples:
//! [`PageCache::begin`] forgets everything.

use std::sync::atomic::{AtomicU64, Ordering};

use super::room::Room;
use super::slots::PageSlots;
use super::{AddressSet, Memory, MemoryError, check_range};

/// The size of a page of memory, and of a read.
pub(crate) const PAGE_BYTES: usize = 4096;

/// Holes that a prefetch steps over before it leaves the rest to be read when needed.
const MAX_PREFETCH_HOLES: usize = 4;

/// Holes that are remembered from one reading to the next.
const MAX_HOLES: usize = 65_536;

/// How much one reading may fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Pages that one reading may touch; a walk through garbage ends here with an error.
    pub(crate) pages: usize,
    /// Pages that are fetched where one of them is missing, a power of two: those that share the address
    /// above this many pages. More than one pays where the whole heap is read.
    pub(crate) together: u64,
}

impl Budget {
    /// For a look at one thread: 16 MiB, where a stack of a thousand frames needs a few hundred pages.
    pub(crate) const SAMPLE: Self = Self {
        pages: 4096,
        together: 1,
    };

    /// For a whole process: 1 GiB, where 100,000 tasks need some 200 MiB. Since 3.10 objects of one size
    /// share pools of 16 KiB, which are fetched whole.
    pub(crate) const DUMP: Self = Self {
        pages: 1 << 18,
        together: 4,
    };

    fn is_whole_process(self) -> bool {
        self == Self::DUMP
    }
}

/// A page cache over a source of memory.
#[derive(Debug)]
pub(crate) struct PageCache<M> {
    memory: M,
    budget: Budget,
    slots: PageSlots,
    /// The bytes of all slots. Grows to the largest sample and stays.
    room: Room,
    /// The page in each slot.
    pages: Vec<u64>,
    used_pages: Vec<u64>,
    fetch_count: u64,
    generation: u64,
    /// Pages that could not be had.
    holes: AddressSet,
    /// Those of the reading before.
    known_holes: AddressSet,
    /// Whether no more may be fetched.
    is_sealed: bool,
    /// Whether a page was needed since then that is not here.
    has_missed: bool,
}

impl<M: Memory> PageCache<M> {
    /// An empty cache over `memory`.
    pub(crate) fn new(memory: M, budget: Budget) -> Self {
        Self {
            memory,
            budget,
            slots: PageSlots::new(),
            room: Room::new(budget.is_whole_process()),
            pages: Vec::new(),
            used_pages: Vec::new(),
            fetch_count: 0,
            generation: next_generation(),
            holes: AddressSet::default(),
            known_holes: AddressSet::default(),
            is_sealed: false,
            has_missed: false,
        }
    }

    /// Forgets all bytes and reads from another source from now on.
    pub(crate) fn begin_over(&mut self, memory: M, pages: &[u64]) -> Result<(), MemoryError> {
        self.memory = memory;
        self.begin(pages)
    }

    /// Forgets all bytes and fetches `pages` anew, those that can be had.
    pub(crate) fn begin(&mut self, pages: &[u64]) -> Result<(), MemoryError> {
        self.slots.clear();
        self.pages.clear();
        self.used_pages.clear();
        self.known_holes = std::mem::take(&mut self.holes);
        self.is_sealed = false;
        self.has_missed = false;
        self.generation = next_generation();
        self.prefetch(pages)
    }

    /// Fetches nothing more until the next [`Self::begin`]: from now on the target changes, and what is here
    /// belongs to one instant. A page that is not here is an error then.
    pub(crate) fn seal(&mut self) {
        self.is_sealed = true;
    }

    /// Whether a page was needed after [`Self::seal`] that is not here and that the reading before could
    /// have had.
    pub(crate) fn has_missed(&self) -> bool {
        self.has_missed
    }

    /// A number that is another one after each [`Self::begin`], of this cache and of all others: what was
    /// read under the same number came from the same bytes.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Fetches those of `pages` that are not here yet, in as few calls as can be. Neighbours should follow
    /// each other.
    pub(crate) fn prefetch(&mut self, pages: &[u64]) -> Result<(), MemoryError> {
        if self.is_sealed {
            return Ok(());
        }
        let mut wanted: Vec<u64> = Vec::with_capacity(pages.len());
        for page in pages.iter().map(|address| page_of(*address)) {
            if wanted.last() != Some(&page)
                && check_range(page, PAGE_BYTES).is_ok()
                && !self.slots.contains(page)
            {
                wanted.push(page);
            }
        }
        wanted.truncate(self.budget.pages - self.pages.len());
        let mut rest = wanted.as_slice();
        for _ in 0..MAX_PREFETCH_HOLES {
            if rest.is_empty() {
                break;
            }
            let filled = self.fetch(rest)?;
            rest = rest.get(filled + 1..).unwrap_or_default();
        }
        Ok(())
    }

    /// Fetches the pages of objects that are about to be read, in any order, those that can be had.
    pub(crate) fn prefetch_objects(
        &mut self,
        objects: impl Iterator<Item = u64>,
    ) -> Result<(), MemoryError> {
        let mut pages: Vec<u64> = objects.filter(|object| *object != 0).map(page_of).collect();
        pages.sort_unstable();
        pages.dedup();
        self.prefetch(&pages)
    }

    /// Gives the memory of the last sample back.
    pub(crate) fn release(&mut self) {
        self.slots = PageSlots::new();
        self.room = Room::new(self.budget.is_whole_process());
        self.pages = Vec::new();
        self.generation = next_generation();
    }

    /// The pages that were read from since [`Self::begin`], in the order of first use.
    pub(crate) fn used_pages(&self) -> &[u64] {
        &self.used_pages
    }

    /// All pages that were fetched since [`Self::begin`].
    pub(crate) fn fetched_pages(&self) -> &[u64] {
        &self.pages
    }

    /// How often the source was asked, over the life of the cache: where it is the same twice, all that
    /// was read in between was here already.
    pub(crate) fn fetch_count(&self) -> u64 {
        self.fetch_count
    }

    /// Fills `buffer` from `address`.
    pub(crate) fn read(&mut self, address: u64, buffer: &mut [u8]) -> Result<(), MemoryError> {
        check_range(address, buffer.len())?;
        let mut at = address;
        let mut rest = buffer;
        while !rest.is_empty() {
            let page = page_of(at);
            let start = (at - page) as usize;
            let length = rest.len().min(PAGE_BYTES - start);
            let (part, tail) = rest.split_at_mut(length);
            let bytes = self.page(page)?.get(start..start + length);
            part.copy_from_slice(bytes.unwrap_or_default());
            at += length as u64;
            rest = tail;
        }
        Ok(())
    }

    /// The bytes at `address`, as many as the array holds.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, address: u64) -> Result<[u8; N], MemoryError> {
        let page = page_of(address);
        let start = (address - page) as usize;
        // A page that is here was checked when it was fetched.
        if start + N <= PAGE_BYTES
            && let Some(found) = self.slots.use_page(page)
        {
            if found.is_first_use {
                self.used_pages.push(page);
            }
            let bytes = self.room.page(found.slot);
            if let Some(bytes) = bytes.and_then(|bytes| bytes.get(start..)?.first_chunk()) {
                return Ok(*bytes);
            }
        }
        self.array_of_parts(address)
    }

    /// The bytes of an array that lies on two pages, or on one that is not here.
    #[cold]
    fn array_of_parts<const N: usize>(&mut self, address: u64) -> Result<[u8; N], MemoryError> {
        let mut bytes = [0; N];
        self.read(address, &mut bytes)?;
        Ok(bytes)
    }

    /// Several 64-bit words behind `address`, where all of them lie on one page that is here.
    #[inline]
    pub(crate) fn words_of_page<const N: usize>(
        &mut self,
        address: u64,
        offsets: [u64; N],
    ) -> Option<[u64; N]> {
        let page = page_of(address);
        let start = (address - page) as usize;
        let furthest = offsets.iter().copied().max()?;
        let length = usize::try_from(furthest.checked_add(8)?).ok()?;
        if length > PAGE_BYTES - start {
            return None;
        }
        let found = self.slots.use_page(page)?;
        if found.is_first_use {
            self.used_pages.push(page);
        }
        let object = self.room.page(found.slot)?.get(start..start + length)?;
        let mut words = [0; N];
        for (word, offset) in words.iter_mut().zip(offsets) {
            let bytes = object.get(offset as usize..)?.first_chunk()?;
            *word = u64::from_le_bytes(*bytes);
        }
        Some(words)
    }

    /// `length` bytes at `address`.
    pub(crate) fn bytes(&mut self, address: u64, length: usize) -> Result<Vec<u8>, MemoryError> {
        check_range(address, length)?;
        let mut bytes = vec![0; length];
        self.read(address, &mut bytes)?;
        Ok(bytes)
    }

    /// A byte.
    pub(crate) fn u8(&mut self, address: u64) -> Result<u8, MemoryError> {
        Ok(u8::from_le_bytes(self.array(address)?))
    }

    /// A 32-bit word.
    pub(crate) fn u32(&mut self, address: u64) -> Result<u32, MemoryError> {
        Ok(u32::from_le_bytes(self.array(address)?))
    }

    /// A 64-bit word.
    pub(crate) fn u64(&mut self, address: u64) -> Result<u64, MemoryError> {
        Ok(u64::from_le_bytes(self.array(address)?))
    }

    /// A page's bytes, fetched if they are not here.
    fn page(&mut self, page: u64) -> Result<&[u8; PAGE_BYTES], MemoryError> {
        let unmapped = MemoryError::Unmapped { address: page };
        let found = match self.slots.use_page(page) {
            Some(found) => found,
            None => {
                self.load(page)?;
                self.slots.use_page(page).ok_or(unmapped)?
            }
        };
        if found.is_first_use {
            self.used_pages.push(page);
        }
        self.room.page(found.slot).ok_or(unmapped)
    }

    fn load(&mut self, page: u64) -> Result<(), MemoryError> {
        if self.is_sealed {
            self.has_missed |= !self.known_holes.contains(&page);
            return Err(MemoryError::Unmapped { address: page });
        }
        let left = self.budget.pages - self.pages.len();
        if left == 0 {
            return Err(MemoryError::Oversized {
                length: PAGE_BYTES as u64,
                address: page,
            });
        }
        let group = self.group_of(page, left);
        if self.fetch(&group)? == 0 && self.holes.len() < MAX_HOLES {
            self.holes.insert(page);
        }
        Ok(())
    }

    /// A page that is missing, and those that are fetched with it.
    fn group_of(&mut self, page: u64, most: usize) -> Vec<u64> {
        let page_bytes = PAGE_BYTES as u64;
        let group = page & !(self.budget.together * page_bytes - 1);
        // The page itself goes first, so that a hole beside it does not keep it out.
        let others = (group..)
            .step_by(PAGE_BYTES)
            .take(self.budget.together as usize)
            .filter(|other| *other != page && !self.slots.contains(*other));
        std::iter::once(page).chain(others).take(most).collect()
    }

    /// Reads pages into new slots; returns how many there were before a hole.
    fn fetch(&mut self, pages: &[u64]) -> Result<usize, MemoryError> {
        self.fetch_count += 1;
        let mut filled = 0;
        while let Some(rest) = pages.get(filled..).filter(|rest| !rest.is_empty()) {
            let buffer = self.room.piece(self.pages.len(), rest.len());
            let asked = rest.get(..buffer.len() / PAGE_BYTES).unwrap_or_default();
            let read = self.memory.read_pages(asked, buffer)?.min(asked.len());
            for page in asked.iter().take(read) {
                self.slots.insert(*page, self.pages.len());
                self.pages.push(*page);
            }
            filled += read;
            if read < asked.len() {
                break;
            }
        }
        Ok(filled)
    }
}

fn next_generation() -> u64 {
    static GENERATION: AtomicU64 = AtomicU64::new(1);
    GENERATION.fetch_add(1, Ordering::Relaxed)
}

fn page_of(address: u64) -> u64 {
    address & !(PAGE_BYTES as u64 - 1)
}

#[cfg(test)]
mod tests;
