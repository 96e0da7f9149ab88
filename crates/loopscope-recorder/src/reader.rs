//! The reading side: trusts nothing that stands in the file.
//!
//! The file is read with `pread`, never mapped: a file that is cut short under the reader then yields a
//! short read, not a fatal signal. Every offset, length and text is checked against what was really
//! read. A reader of a living process sees single words change between reads; each word is whole, and
//! [`LoopState::busy_since_nanos`] alone decides what a loop is doing.

use std::fs::File;
use std::io;
use std::mem::{offset_of, size_of};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::identity::{self, ProcessIdentity, boot_id};
use crate::layout::{
    BUCKETS, EVENT_WORDS, EXECUTABLE_BYTES, EventKind, EventSlot, FORMAT_VERSION, Header, LoopSlot,
    MAGIC, PollKind, SERVICE_BYTES, SlotState, checksum,
};

/// No recording of a version that this reader knows is nearly so large. It bounds what a hostile file
/// can make a reader fetch and keep.
const MOST_FILE_BYTES: u64 = 4 << 20;

/// Why a recording cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file could not be opened or read.
    #[error("cannot read the recording {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its header was never finished: the process is just starting, or died while it started.
    #[error("the recording was never completed: {path}")]
    Unfinished {
        /// Which.
        path: PathBuf,
    },
    /// It was written by a newer version.
    #[error("the recording has format {found}, this program reads up to {FORMAT_VERSION}: {path}")]
    Newer {
        /// The file's version.
        found: u32,
        /// Which.
        path: PathBuf,
    },
    /// It is no recording, or damaged.
    #[error("not a recording, or damaged ({reason}): {path}")]
    Damaged {
        /// What is wrong.
        reason: &'static str,
        /// Which.
        path: PathBuf,
    },
}

impl ReadError {
    /// The next step for the person who asked.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File { .. } => "run `loopscope recordings` to see those that can be read",
            Self::Unfinished { .. } => {
                "run the command again in a moment; delete the file if no such process exists"
            }
            Self::Newer { .. } => "read it with the version of loopscope that wrote it",
            Self::Damaged { .. } => "name a file that `loopscope recordings` lists",
        }
    }
}

/// A recording's fixed facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Format version of the file.
    pub version: u32,
    /// The process.
    pub process: ProcessIdentity,
    /// Its real user.
    pub uid: u32,
    /// Which program image of the process.
    pub image: u32,
    /// Monotonic nanoseconds at creation.
    pub created_nanos: u64,
    /// Wall-clock nanoseconds at the same instant.
    pub created_unix_nanos: u64,
    /// Whether it was written since the last boot.
    pub this_boot: bool,
    /// The run it belongs to, 0 for none.
    pub run_id: u64,
    /// Busy periods from this length on are in the ring.
    pub stall_threshold_nanos: u64,
    /// The executable's path, or its end.
    pub executable: String,
    /// The service's name, empty where none was given.
    pub service: String,
    /// The writer's version.
    pub agent_version: String,
    /// Whether its ids are those of another pid namespace than ours.
    pub is_foreign: bool,
}

/// Whether the process of a recording still exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It does.
    Live,
    /// It does not.
    Dead,
    /// It cannot be told: it ran in a pid namespace that is out of sight from here.
    Unknown,
}

impl Description {
    /// The process as it is known here; `None` where it is out of sight, or gone.
    pub fn process_here(&self) -> Option<ProcessIdentity> {
        if self.is_foreign {
            identity::seen_from_here(self.process)
        } else {
            Some(self.process)
        }
    }

    /// Whether the process that wrote this still exists.
    pub fn liveness(&self) -> Liveness {
        match self.process_here() {
            _ if !self.this_boot => Liveness::Dead,
            Some(process) if process.exists() => Liveness::Live,
            Some(_) => Liveness::Dead,
            None => Liveness::Unknown,
        }
    }

    /// Whether the process that wrote this is known to exist.
    pub fn is_live(&self) -> bool {
        self.liveness() == Liveness::Live
    }
}

/// What changes in the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Loops that found no free slot.
    pub loops_dropped: u64,
    /// Events given up by the writer.
    pub events_dropped: u64,
    /// Events ever begun.
    pub events_begun: u64,
    /// Monotonic nanoseconds of an orderly end; `None` while there was none.
    pub ended_nanos: Option<u64>,
    /// The exit status that the process told.
    pub exit_status: Option<i32>,
}

/// A loop's slot as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopState {
    /// Its place in the table.
    pub slot: u32,
    /// How often that place was taken before.
    pub generation: u32,
    /// Whether the loop still lives.
    pub is_live: bool,
    /// How it polls; `None` for a kind this version does not know.
    pub kind: Option<PollKind>,
    /// The polled descriptor, or a hash of the polled set.
    pub poll_key: u64,
    /// The thread.
    pub thread_id: u32,
    /// The kernel's name of the thread.
    pub thread_name: String,
    /// When it was first seen.
    pub created_nanos: u64,
    /// Since when it is busy; `None` while it polls.
    pub busy_since_nanos: Option<u64>,
    /// Turns.
    pub iterations: u64,
    /// When it last touched its poll.
    pub last_beat_nanos: u64,
    /// Sum of finished busy periods.
    pub busy_nanos: u64,
    /// Sum of finished waits.
    pub idle_nanos: u64,
    /// Longest finished busy period.
    pub longest_busy_nanos: u64,
    /// Finished busy periods over the threshold.
    pub stalls: u64,
    /// Sum of these.
    pub stall_nanos: u64,
    /// Finished busy periods by length.
    pub histogram: [u64; BUCKETS],
}

/// A stall from the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StallEvent {
    /// The loop's place in the table.
    pub slot: u32,
    /// The generation of that place.
    pub generation: u32,
    /// The thread.
    pub thread_id: u32,
    /// When the loop left its poll.
    pub started_nanos: u64,
    /// When it entered the next one.
    pub ended_nanos: u64,
    /// The loop's turn.
    pub iteration: u64,
}

/// What [`RecordingReader::read_stalls`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stalls {
    /// Whole records in the order of their numbers.
    pub events: Vec<StallEvent>,
    /// Records overwritten before they were read, or torn.
    pub lost: u64,
}

/// Where the tables stand in a file.
#[derive(Clone, Copy, Debug)]
struct Tables {
    loops_offset: u64,
    loops_capacity: u32,
    loop_bytes: u32,
    events_offset: u64,
    events_capacity: u32,
    event_bytes: u32,
}

/// An open recording.
#[derive(Debug)]
pub struct RecordingReader {
    file: File,
    path: PathBuf,
    description: Description,
    tables: Tables,
    buffer: Vec<u8>,
    next_event: u64,
    /// A record seen half-written at the last read; a second sight of it counts as lost.
    pending: Option<u64>,
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
        let (description, tables) = decode_header(&bytes[..read], found.size(), path)?;
        Ok(Self {
            file,
            path: path.into(),
            description,
            tables,
            buffer: Vec::new(),
            next_event: 0,
            pending: None,
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
        let used = used.min(u64::from(self.tables.loops_capacity)) as usize;
        let slot_bytes = self.tables.loop_bytes as usize;
        self.fill(self.tables.loops_offset, used * slot_bytes)?;
        let slots = self.buffer.chunks_exact(slot_bytes).enumerate();
        let states = slots.filter_map(|(index, bytes)| decode_loop(bytes, index as u32));
        Ok((counters, states.collect()))
    }

    /// The stalls that ended since the last call.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn read_stalls(&mut self) -> Result<Stalls, ReadError> {
        let begun = self.read_counters()?.0.events_begun;
        let capacity = u64::from(self.tables.events_capacity);
        if begun == self.next_event {
            return Ok(Stalls::default());
        }
        let mut found = Stalls::default();
        if begun < self.next_event {
            return Err(self.damaged("the event counter went back"));
        }
        let oldest = begun.saturating_sub(capacity);
        if self.next_event < oldest {
            found.lost += oldest - self.next_event;
            self.next_event = oldest;
        }
        let record_bytes = self.tables.event_bytes as usize;
        self.fill(self.tables.events_offset, capacity as usize * record_bytes)?;
        while self.next_event < begun && self.take_event(&mut found) {
            self.next_event += 1;
        }
        Ok(found)
    }

    /// Takes the next record from the buffer; false to wait for its writer.
    fn take_event(&mut self, found: &mut Stalls) -> bool {
        let number = self.next_event;
        let record_bytes = self.tables.event_bytes as usize;
        let place = (number % u64::from(self.tables.events_capacity)) as usize * record_bytes;
        let bytes = self
            .buffer
            .get(place..place + record_bytes)
            .unwrap_or_default();
        match decode_event(bytes, number) {
            EventRead::Whole(event) => found.events.push(event),
            EventRead::OtherKind => {}
            EventRead::Lost => found.lost += 1,
            EventRead::Pending if self.pending == Some(number) => found.lost += 1,
            EventRead::Pending => {
                self.pending = Some(number);
                return false;
            }
        }
        true
    }

    fn read_counters(&mut self) -> Result<(Counters, u64), ReadError> {
        let first = offset_of!(Header, loops_used);
        let length = offset_of!(Header, service_length) - first;
        self.fill(first as u64, length)?;
        let at = |offset: usize| u64_at(&self.buffer, offset - first).unwrap_or(0);
        let status = at(offset_of!(Header, exit_status));
        let counters = Counters {
            loops_dropped: at(offset_of!(Header, loops_dropped)),
            events_dropped: at(offset_of!(Header, events_dropped)),
            events_begun: at(offset_of!(Header, events_begun)),
            ended_nanos: Some(at(offset_of!(Header, ended_nanos))).filter(|nanos| *nanos != 0),
            exit_status: status
                .checked_sub(1)
                .and_then(|code| i32::try_from(code).ok()),
        };
        Ok((counters, at(offset_of!(Header, loops_used))))
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

enum EventRead {
    Whole(StallEvent),
    OtherKind,
    Pending,
    Lost,
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

fn decode_header(
    bytes: &[u8],
    file_bytes: u64,
    path: &Path,
) -> Result<(Description, Tables), ReadError> {
    let damaged = |reason| ReadError::Damaged {
        reason,
        path: path.into(),
    };
    if is_unfinished(bytes) {
        return Err(ReadError::Unfinished { path: path.into() });
    }
    if u64_at(bytes, offset_of!(Header, magic)) != Some(MAGIC) {
        return Err(damaged("no magic"));
    }
    let version = u32_at(bytes, offset_of!(Header, version)).ok_or(damaged("no version"))?;
    if version == 0 {
        return Err(damaged("no version"));
    }
    if version > FORMAT_VERSION {
        return Err(ReadError::Newer {
            found: version,
            path: path.into(),
        });
    }
    let description = decode_description(bytes, version).ok_or(damaged("header cut short"))?;
    let tables = decode_tables(bytes).ok_or(damaged("header cut short"))?;
    tables.check(file_bytes).map_err(damaged)?;
    Ok((description, tables))
}

/// Whether the magic, which is written last, is still to come: also in a file that has no bytes yet.
fn is_unfinished(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .take(size_of_val(&MAGIC))
        .all(|byte| *byte == 0)
}

fn decode_description(bytes: &[u8], version: u32) -> Option<Description> {
    let word = |offset| u64_at(bytes, offset);
    let half = |offset| u32_at(bytes, offset);
    let boot = offset_of!(Header, boot_id);
    let executable_length = half(offset_of!(Header, executable_length))? as usize;
    let service_length = word(offset_of!(Header, service_length))? as usize;
    Some(Description {
        version,
        process: ProcessIdentity {
            pid: half(offset_of!(Header, pid))?,
            start_ticks: word(offset_of!(Header, start_ticks))?,
        },
        uid: half(offset_of!(Header, uid))?,
        image: half(offset_of!(Header, image))?,
        created_nanos: word(offset_of!(Header, created_nanos))?,
        created_unix_nanos: word(offset_of!(Header, created_unix_nanos))?,
        this_boot: [word(boot)?, word(boot + 8)?] == boot_id(),
        run_id: word(offset_of!(Header, run_id))?,
        stall_threshold_nanos: word(offset_of!(Header, stall_threshold_nanos))?,
        executable: text_at(
            bytes,
            offset_of!(Header, executable),
            executable_length.min(EXECUTABLE_BYTES),
        )?,
        service: text_at(
            bytes,
            offset_of!(Header, service),
            service_length.min(SERVICE_BYTES),
        )?,
        agent_version: text_at(bytes, offset_of!(Header, agent_version), 16)?,
        is_foreign: ![0, identity::pid_namespace()]
            .contains(&word(offset_of!(Header, pid_namespace))?),
    })
}

fn decode_tables(bytes: &[u8]) -> Option<Tables> {
    let half = |offset| u32_at(bytes, offset);
    Some(Tables {
        loops_offset: u64::from(half(offset_of!(Header, loops_offset))?),
        loops_capacity: half(offset_of!(Header, loops_capacity))?,
        loop_bytes: half(offset_of!(Header, loop_bytes))?,
        events_offset: u64::from(half(offset_of!(Header, events_offset))?),
        events_capacity: half(offset_of!(Header, events_capacity))?,
        event_bytes: half(offset_of!(Header, event_bytes))?,
    })
}

impl Tables {
    fn check(&self, file_bytes: u64) -> Result<(), &'static str> {
        if file_bytes > MOST_FILE_BYTES {
            return Err("larger than any recording");
        }
        if (self.loop_bytes as usize) < size_of::<LoopSlot>()
            || (self.event_bytes as usize) < size_of::<EventSlot>()
        {
            return Err("records smaller than their format");
        }
        if self.events_capacity == 0 {
            return Err("a ring with no room");
        }
        let loops_end =
            self.loops_offset + u64::from(self.loops_capacity) * u64::from(self.loop_bytes);
        let events_end =
            self.events_offset + u64::from(self.events_capacity) * u64::from(self.event_bytes);
        if loops_end > file_bytes || events_end > file_bytes {
            return Err("tables past the end of the file");
        }
        Ok(())
    }
}

fn decode_loop(bytes: &[u8], slot: u32) -> Option<LoopState> {
    let word = |offset| u64_at(bytes, offset);
    let state = word(offset_of!(LoopSlot, state))?;
    let low = state as u32;
    if low != SlotState::Live as u32 && low != SlotState::Ended as u32 {
        return None;
    }
    let mut histogram = [0; BUCKETS];
    for (index, count) in histogram.iter_mut().enumerate() {
        *count = word(offset_of!(LoopSlot, histogram) + index * 8)?;
    }
    let busy_since = word(offset_of!(LoopSlot, busy_since_nanos))?;
    Some(LoopState {
        slot,
        generation: (state >> 32) as u32,
        is_live: low == SlotState::Live as u32,
        kind: kind_of(u32_at(bytes, offset_of!(LoopSlot, kind))?),
        poll_key: word(offset_of!(LoopSlot, poll_key))?,
        thread_id: u32_at(bytes, offset_of!(LoopSlot, thread_id))?,
        thread_name: text_at(bytes, offset_of!(LoopSlot, thread_name), 16)?,
        created_nanos: word(offset_of!(LoopSlot, created_nanos))?,
        busy_since_nanos: Some(busy_since).filter(|nanos| *nanos != 0),
        iterations: word(offset_of!(LoopSlot, iterations))?,
        last_beat_nanos: word(offset_of!(LoopSlot, last_beat_nanos))?,
        busy_nanos: word(offset_of!(LoopSlot, busy_nanos))?,
        idle_nanos: word(offset_of!(LoopSlot, idle_nanos))?,
        longest_busy_nanos: word(offset_of!(LoopSlot, longest_busy_nanos))?,
        stalls: word(offset_of!(LoopSlot, stalls))?,
        stall_nanos: word(offset_of!(LoopSlot, stall_nanos))?,
        histogram,
    })
}

fn decode_event(bytes: &[u8], number: u64) -> EventRead {
    let word = |offset| u64_at(bytes, offset).unwrap_or(0);
    let finished = number.wrapping_mul(2).wrapping_add(2);
    let sequence = word(offset_of!(EventSlot, sequence));
    if sequence < finished {
        return EventRead::Pending;
    }
    let first = offset_of!(EventSlot, kind_and_slot);
    let words: [u64; EVENT_WORDS] = std::array::from_fn(|index| word(first + index * 8));
    let whole = word(offset_of!(EventSlot, checksum)) == checksum(finished, words);
    if sequence > finished || !whole {
        return EventRead::Lost;
    }
    if words[0] as u32 != EventKind::Stall as u32 {
        return EventRead::OtherKind;
    }
    EventRead::Whole(StallEvent {
        slot: (words[0] >> 32) as u32,
        generation: words[1] as u32,
        thread_id: (words[1] >> 32) as u32,
        started_nanos: words[2],
        ended_nanos: words[3],
        iteration: words[4],
    })
}

fn kind_of(value: u32) -> Option<PollKind> {
    [PollKind::Epoll, PollKind::Poll, PollKind::Select]
        .into_iter()
        .find(|kind| *kind as u32 == value)
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// A text of at most so many bytes: up to the first zero. Whatever is no UTF-8 is replaced, and so are
/// control characters: these texts end up on the terminal of a person who may be root.
fn text_at(bytes: &[u8], offset: usize, length: usize) -> Option<String> {
    let text = bytes.get(offset..offset + length)?;
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(length);
    let shown = String::from_utf8_lossy(&text[..end]);
    Some(shown.replace(char::is_control, "\u{fffd}"))
}
