//! Which pages of this process can be written to.

use std::fs::File;
use std::io::Read;

/// Mappings that may come between making room for the list and reading it.
const ROOM_LINES: usize = 256;
/// The longest line that is likely; longer ones take the room of others.
const LINE_BYTES: usize = 160;

/// The mappings of this process as they were at one time.
///
/// Room for them is made beforehand. Reading them then allocates nothing, so that it can be done with the
/// loader's lock held: an allocator may well hold a lock of its own while it asks for the loader's.
pub(crate) struct Mappings {
    text: Vec<u8>,
    list: Vec<Mapping>,
}

struct Mapping {
    start: usize,
    end: usize,
    access: Access,
}

/// What a mapping allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading and writing.
    Write,
    /// Reading alone.
    Read,
    /// Anything else: none of what we change lies in such a one.
    Other,
}

impl Mappings {
    /// Makes room for as many as there are now, and some more. `None` where the kernel does not tell.
    pub(crate) fn with_room() -> Option<Self> {
        let mut text = Vec::new();
        File::open("/proc/self/maps")
            .and_then(|mut maps| maps.read_to_end(&mut text))
            .ok()?;
        Some(Self::with_room_for(text))
    }

    /// Makes room for as many as a text has, and some more.
    pub(crate) fn with_room_for(mut text: Vec<u8>) -> Self {
        let lines = text.split(|byte| *byte == b'\n').count() + ROOM_LINES;
        text.resize(text.len() + ROOM_LINES * LINE_BYTES, 0);
        let list = Vec::with_capacity(lines);
        Self { text, list }
    }

    /// Reads them. Those that find no room stay unknown.
    pub(crate) fn read(&mut self) {
        let Ok(mut maps) = File::open("/proc/self/maps") else {
            return;
        };
        let mut end = 0;
        while let Some(room) = self.text.get_mut(end..).filter(|room| !room.is_empty()) {
            match maps.read(room) {
                Ok(bytes) if bytes > 0 => end += bytes,
                _ => break,
            }
        }
        self.parse(end);
    }

    /// Takes the list from the first bytes of the text.
    pub(crate) fn parse(&mut self, end: usize) {
        self.list.clear();
        let whole = self.text.get(..end).unwrap_or_default();
        let mappings = whole.split_inclusive(|byte| *byte == b'\n');
        let room = self.list.capacity();
        self.list
            .extend(mappings.filter_map(Mapping::parse).take(room));
    }

    /// What the page of this address allows; `None` where nothing is known to be mapped.
    pub(crate) fn access(&self, address: usize) -> Option<Access> {
        let after = self.list.partition_point(|one| one.start <= address);
        let mapping = self.list.get(after.checked_sub(1)?)?;
        (address < mapping.end).then_some(mapping.access)
    }
}

impl Mapping {
    /// Of one whole line: `start-end perms offset dev inode path`. A path may hold any bytes.
    fn parse(line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n")?;
        let mut fields = line.split(|byte| *byte == b' ');
        let (start, end) = str::from_utf8(fields.next()?).ok()?.split_once('-')?;
        Some(Self {
            start: usize::from_str_radix(start, 16).ok()?,
            end: usize::from_str_radix(end, 16).ok()?,
            access: match fields.next()? {
                b"rw-p" => Access::Write,
                b"r--p" => Access::Read,
                _ => Access::Other,
            },
        })
    }
}
