//! The reading side: trusts nothing that stands in the file.
//!
//! The file is read with `pread`, never mapped: a file that is cut short under the reader then yields a
//! short read, not a fatal signal. Every offset, length and text is checked against what was really
//! read. A reader of a living process sees single words change between reads; each word is whole, and
//! [`LoopState::busy_since_nanos`] alone decides what a loop is doing.

mod bytes;
mod error;
mod facts;
mod header;
mod loops;
mod ring;
mod states;
mod tables;

use std::fs::File;
use std::io;
use std::mem::{offset_of, size_of};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::layout::{Header, TABLES, Table, TableHead};

pub use error::ReadError;
pub use facts::{FactEvent, Facts, FrameState};
pub use header::{Description, Liveness};
pub use loops::{Counters, LoopState, StallEvent, Stalls};
pub use states::{
    AdapterState, CallErrorState, CallName, CallState, ConnectionState, ExecutorState, GcState,
    HolderState, PoolName, PoolState, TableDrops, TableStates, TaskSite, TaskSiteState,
};

use bytes::u64_at;
use facts::decode_fact;
use header::{Place, Places, decode_header, head_offset};
use loops::{decode_counters, decode_event, decode_loop};
use ring::{Cursor, RingRead};
use tables::{
    Names, add_errors, decode_adapter, decode_call, decode_call_error, decode_connection,
    decode_executor, decode_gc, decode_pool, decode_task_site,
};

/// No recording of a version that this reader knows is nearly so large. It bounds what a hostile file
/// can make a reader fetch and keep.
const MOST_FILE_BYTES: u64 = 4 << 20;

/// An open recording.
#[derive(Debug)]
pub struct RecordingReader {
    file: File,
    path: PathBuf,
    description: Description,
    places: Places,
    buffer: Vec<u8>,
    stalls: Cursor,
    facts: Cursor,
    names: AllNames,
}

#[derive(Debug, Default)]
struct AllNames {
    task_sites: Names<TaskSite>,
    calls: Names<CallName>,
    pools: Names<PoolName>,
    executors: Names<String>,
    call_errors: Names<String>,
}

impl RecordingReader {
    /// Opens a recording and checks its header.
    ///
    /// # Errors
    /// When the file cannot be read, is no recording, was never finished, is damaged or newer.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let failure = |source| ReadError::File {
            path: path.into(),
            source,
        };
        // Neither a link nor a pipe that somebody left in the folder may lead or hold us up.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let mut options = File::options();
        let file = options
            .read(true)
            .custom_flags(flags.bits() as i32)
            .open(path);
        let file = file.map_err(failure)?;
        let found = file.metadata().map_err(failure)?;
        let damaged = |reason| ReadError::Damaged {
            reason,
            path: path.into(),
        };
        if !found.is_file() {
            return Err(damaged("not a regular file"));
        }
        let mut bytes = vec![0; size_of::<Header>()];
        let read = read_at_most(&file, &mut bytes, 0).map_err(failure)?;
        let (description, places) = decode_header(&bytes[..read], found.size(), path)?;
        Ok(Self {
            file,
            path: path.into(),
            description,
            places,
            buffer: Vec::new(),
            stalls: Cursor::default(),
            facts: Cursor::default(),
            names: AllNames::default(),
        })
    }

    /// The fixed facts.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The header's counters and every slot that was ever taken. Two reads of the file, no allocation
    /// beyond the result once the buffer has grown.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn read_loops(&mut self) -> Result<(Counters, Vec<LoopState>), ReadError> {
        let (counters, used) = self.read_counters()?;
        let states = self.read_slots(self.places.loops, used, |bytes, slot| {
            decode_loop(bytes, slot as u32)
        })?;
        Ok((counters, states))
    }

    /// The stalls that ended since the last call.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn read_stalls(&mut self) -> Result<Stalls, ReadError> {
        let begun = self.read_counters()?.0.events_begun;
        let mut cursor = self.stalls;
        let found = self.read_ring(self.places.events, &mut cursor, begun, decode_event);
        self.stalls = cursor;
        let (events, lost) = found?;
        Ok(Stalls { events, lost })
    }

    /// The later tables: task sites, calls, pools, executors, the collector, open connections. One read of the header, and
    /// one of each table as far as it was ever used; texts are decoded once.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn read_tables(&mut self) -> Result<TableStates, ReadError> {
        let Some(places) = self.places.later else {
            return Ok(TableStates::default());
        };
        self.fill(0, size_of::<Header>())?;
        let [sites, calls, pools, executors, facts, connections, errors] = self.read_heads();
        let (adapter, gc) = (decode_adapter(&self.buffer), decode_gc(&self.buffer));
        let mut names = std::mem::take(&mut self.names);
        let mut states = TableStates {
            adapter,
            gc,
            dropped: TableDrops {
                task_sites: sites.dropped,
                calls: calls.dropped,
                pools: pools.dropped,
                executors: executors.dropped,
                facts: facts.dropped,
                connections: connections.dropped,
            },
            task_sites: self.read_slots(places[0], sites.used, |bytes, slot| {
                decode_task_site(bytes, slot, &mut names.task_sites)
            })?,
            calls: self.read_slots(places[1], calls.used, |bytes, slot| {
                decode_call(bytes, slot, &mut names.calls)
            })?,
            pools: self.read_slots(places[2], pools.used, |bytes, slot| {
                decode_pool(bytes, slot, &mut names.pools)
            })?,
            executors: self.read_slots(places[3], executors.used, |bytes, slot| {
                decode_executor(bytes, slot, &mut names.executors)
            })?,
            connections: match self.places.latest {
                Some([place, _]) => self.read_slots(place, connections.used, decode_connection)?,
                None => Vec::new(),
            },
        };
        if let Some([_, place]) = self.places.latest {
            let errors = self.read_slots(place, errors.used, |bytes, slot| {
                decode_call_error(bytes, slot, &mut names.call_errors)
            })?;
            add_errors(&mut states.calls, errors);
        }
        self.names = names;
        Ok(states)
    }

    /// The facts that were written since the last call; none in a recording of version 1.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn read_facts(&mut self) -> Result<Facts, ReadError> {
        let Some(places) = self.places.later else {
            return Ok(Facts::default());
        };
        let at = head_offset(Table::Facts as usize) + offset_of!(TableHead, used);
        self.fill(at as u64, size_of::<u64>())?;
        let begun = u64_at(&self.buffer, 0).unwrap_or(0);
        let mut cursor = self.facts;
        let place = places[Table::Facts as usize];
        let found = self.read_ring(place, &mut cursor, begun, decode_fact);
        self.facts = cursor;
        let (events, lost) = found?;
        Ok(Facts { events, lost })
    }

    /// The heads of the later tables, from a buffer that holds the header.
    fn read_heads(&self) -> [HeadState; TABLES + 2] {
        let has_latest = self.places.latest.is_some();
        std::array::from_fn(|table| {
            if table >= TABLES && !has_latest {
                return HeadState::default();
            }
            let at = |offset| u64_at(&self.buffer, head_offset(table) + offset).unwrap_or(0);
            HeadState {
                used: at(offset_of!(TableHead, used)),
                dropped: at(offset_of!(TableHead, dropped)),
            }
        })
    }

    /// Every slot of a table that was ever taken and can be decoded.
    fn read_slots<State>(
        &mut self,
        place: Place,
        used: u64,
        mut decode: impl FnMut(&[u8], usize) -> Option<State>,
    ) -> Result<Vec<State>, ReadError> {
        let used = used.min(u64::from(place.capacity)) as usize;
        let record_bytes = place.record_bytes as usize;
        self.fill(place.offset, used * record_bytes)?;
        let slots = self.buffer.chunks_exact(record_bytes).enumerate();
        Ok(slots
            .filter_map(|(slot, bytes)| decode(bytes, slot))
            .collect())
    }

    /// The records of a ring that were begun since the cursor's last stop, and how many were lost.
    fn read_ring<Record>(
        &mut self,
        place: Place,
        cursor: &mut Cursor,
        begun: u64,
        decode: fn(&[u8], u64) -> RingRead<Record>,
    ) -> Result<(Vec<Record>, u64), ReadError> {
        if begun < cursor.next {
            return Err(self.damaged("the event counter went back"));
        }
        let capacity = u64::from(place.capacity);
        let record_bytes = place.record_bytes as usize;
        let mut found = (Vec::new(), cursor.skip_overwritten(begun, capacity));
        while cursor.next < begun {
            let first = cursor.next % capacity;
            let records = (begun - cursor.next).min(capacity - first);
            let offset = place.offset + first * u64::from(place.record_bytes);
            self.fill(offset, records as usize * record_bytes)?;
            if !cursor.take(&self.buffer, record_bytes, decode, &mut found) {
                break;
            }
        }
        Ok(found)
    }

    fn read_counters(&mut self) -> Result<(Counters, u64), ReadError> {
        let first = offset_of!(Header, loops_used);
        let length = offset_of!(Header, service_length) - first;
        self.fill(first as u64, length)?;
        Ok(decode_counters(&self.buffer, first))
    }

    /// Fills the buffer from the file; a short read means that the file was cut.
    fn fill(&mut self, offset: u64, length: usize) -> Result<(), ReadError> {
        self.buffer.resize(length, 0);
        let read = read_at_most(&self.file, &mut self.buffer, offset);
        match read {
            Ok(read) if read == length => Ok(()),
            Ok(_) => Err(self.damaged("cut short")),
            Err(source) => Err(ReadError::File {
                path: self.path.clone(),
                source,
            }),
        }
    }

    fn damaged(&self, reason: &'static str) -> ReadError {
        ReadError::Damaged {
            reason,
            path: self.path.clone(),
        }
    }
}

/// What changes in the head of a table.
#[derive(Default)]
struct HeadState {
    used: u64,
    dropped: u64,
}

fn read_at_most(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let mut total = 0;
    while !buffer.is_empty() {
        match file.read_at(buffer, offset) {
            Ok(0) => break,
            Ok(read) => {
                total += read;
                offset += read as u64;
                buffer = &mut buffer[read..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}
