//! An object in memory: four pages, made as a linker and then the loader make them.

use std::ptr::{null_mut, with_exposed_provenance, with_exposed_provenance_mut};

use libc::Elf64_Phdr;

use crate::elf::{Memory, Object, PAGE_BYTES};

/// The names that the tests ask for.
pub(crate) const NAMES: [&[u8]; 3] = [b"poll", b"close", b"epoll_wait"];

/// Where things stand in the image.
pub(crate) const SYMBOLS: usize = 0x100;
pub(crate) const STRINGS: usize = 0x400;
pub(crate) const DATA_RELOCATIONS: usize = 0x800;
pub(crate) const JUMP_RELOCATIONS: usize = 0xa00;
pub(crate) const CODE: usize = PAGE_BYTES;
pub(crate) const DYNAMIC: usize = 2 * PAGE_BYTES;
/// A slot on the page that the loader makes read-only.
pub(crate) const SEALED_SLOT: usize = 2 * PAGE_BYTES + 0x800;
/// A slot on the page that stays writable.
pub(crate) const OPEN_SLOT: usize = 3 * PAGE_BYTES + 0x18;

const TEXT: &[u8] = b"\0poll\0close\0epoll_wait\0polling_for_long\0";
const PAGES: usize = 4;

/// A mapped image, unmapped when it is dropped.
pub(crate) struct Image {
    pub(crate) base: usize,
    pub(crate) headers: Vec<Elf64_Phdr>,
}

/// Reads the image, and fails where anything else is asked for.
pub(crate) struct Inside<'a>(&'a Image);

impl Memory for Inside<'_> {
    unsafe fn copy(&self, address: usize, into: &mut [u8]) {
        let end = self.0.base + PAGES * PAGE_BYTES;
        let is_inside = address >= self.0.base && address + into.len() <= end;
        assert!(is_inside, "{address:#x} is outside");
        let from = with_exposed_provenance::<u8>(address);
        // SAFETY: inside the mapping, as was just seen.
        unsafe { from.copy_to_nonoverlapping(into.as_mut_ptr(), into.len()) };
    }
}

impl Image {
    /// An object that imports `poll` by a sealed slot of data and `close` by an open one for calls, and
    /// defines `epoll_wait` itself.
    pub(crate) fn new() -> Self {
        let image = Self::empty();
        image.put(STRINGS, TEXT);
        for (index, (name, section)) in [(0, 0), (1, 0), (6, 0), (12, 1), (23, 0)]
            .into_iter()
            .enumerate()
        {
            image.put_symbol(index, name, section);
        }
        image.put_relocation(DATA_RELOCATIONS, 0, (SEALED_SLOT, 1, 6));
        image.put_relocation(DATA_RELOCATIONS, 1, (OPEN_SLOT + 8, 3, 6));
        image.put_relocation(DATA_RELOCATIONS, 2, (OPEN_SLOT + 16, 4, 6));
        image.put_relocation(DATA_RELOCATIONS, 3, (OPEN_SLOT + 24, 1, 1));
        image.put_relocation(JUMP_RELOCATIONS, 0, (OPEN_SLOT, 2, 7));
        let base = image.base;
        for (index, (tag, value)) in [
            (6, base + SYMBOLS),
            (5, base + STRINGS),
            (10, TEXT.len()),
            (11, 24),
            (7, base + DATA_RELOCATIONS),
            (8, 4 * 24),
            (9, 24),
            (20, 7),
            (23, base + JUMP_RELOCATIONS),
            (2, 24),
        ]
        .into_iter()
        .enumerate()
        {
            image.put_dynamic(index, tag, value as u64);
        }
        image
    }

    fn empty() -> Self {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let bytes = PAGES * PAGE_BYTES;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice.
        let pages = unsafe { libc::mmap(null_mut(), bytes, access, flags, -1, 0) };
        assert_ne!(pages, libc::MAP_FAILED);
        let header = |kind, access, start: usize, bytes: usize| Elf64_Phdr {
            p_type: kind,
            p_flags: access,
            p_offset: 0,
            p_vaddr: start as u64,
            p_paddr: 0,
            p_filesz: bytes as u64,
            p_memsz: bytes as u64,
            p_align: PAGE_BYTES as u64,
        };
        Self {
            base: pages.expose_provenance(),
            headers: vec![
                header(1, 4, 0, PAGE_BYTES),
                header(1, 5, CODE, PAGE_BYTES),
                header(1, 6, DYNAMIC, 2 * PAGE_BYTES),
                header(2, 6, DYNAMIC, 11 * 16),
                header(0x6474_e552, 4, DYNAMIC, PAGE_BYTES),
            ],
        }
    }

    pub(crate) fn object(&self) -> Object<'_, Inside<'_>> {
        Object {
            base: self.base,
            headers: &self.headers,
            memory: Inside(self),
        }
    }

    pub(crate) fn put(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= PAGES * PAGE_BYTES);
        let to = with_exposed_provenance_mut::<u8>(self.base + offset);
        // SAFETY: inside the mapping, as was just seen, which only this test uses.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    pub(crate) fn word(&self, offset: usize) -> usize {
        let from = with_exposed_provenance::<usize>(self.base + offset);
        // SAFETY: the tests ask for aligned words of the mapping.
        unsafe { from.read_volatile() }
    }

    pub(crate) fn put_word(&self, offset: usize, word: usize) {
        self.put(offset, &word.to_ne_bytes());
    }

    pub(crate) fn put_dynamic(&self, index: usize, tag: u64, value: u64) {
        self.put_word(DYNAMIC + index * 16, tag as usize);
        self.put_word(DYNAMIC + index * 16 + 8, value as usize);
    }

    fn put_symbol(&self, index: usize, name: u32, section: u16) {
        let at = SYMBOLS + index * 24;
        self.put(at, &name.to_ne_bytes());
        self.put(at + 6, &section.to_ne_bytes());
    }

    /// A relocation of a slot for a symbol, of a kind.
    pub(crate) fn put_relocation(
        &self,
        table: usize,
        index: usize,
        (slot, symbol, kind): (usize, u64, u64),
    ) {
        let at = table + index * 24;
        self.put_word(at, slot);
        self.put(at + 8, &(symbol << 32 | kind).to_ne_bytes());
    }

    /// Makes the sealed page read-only, as the loader does last.
    pub(crate) fn seal(&self) {
        let page = with_exposed_provenance_mut(self.base + DYNAMIC);
        // SAFETY: a page of the mapping.
        let sealed = unsafe { libc::mprotect(page, PAGE_BYTES, libc::PROT_READ) };
        assert_eq!(sealed, 0);
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let pages = with_exposed_provenance_mut(self.base);
        // SAFETY: the mapping made above; nothing refers to it any more.
        unsafe { libc::munmap(pages, PAGES * PAGE_BYTES) };
    }
}
