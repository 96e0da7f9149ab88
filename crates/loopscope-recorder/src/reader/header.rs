//! The header: whose recording it is, and where its tables stand.

use std::mem::{offset_of, size_of};
use std::path::Path;

use super::MOST_FILE_BYTES;
use super::bytes::{text_at, u32_at, u64_at};
use super::error::ReadError;
use crate::identity::{self, ProcessIdentity, boot_id};
use crate::layout::{
    CallErrorSlot, CallSlot, ConnectionSlot, EXECUTABLE_BYTES, EventSlot, ExecutorSlot,
    FORMAT_VERSION, FactSlot, Header, LoopSlot, MAGIC, PoolSlot, SERVICE_BYTES, TABLES, Table,
    TableHead, TaskSiteSlot,
};

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
    /// Tracked calls from this length on count as slow; 0 where version 1 knows of none.
    pub slow_threshold_nanos: u64,
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

pub(super) fn decode_header(
    bytes: &[u8],
    file_bytes: u64,
    path: &Path,
) -> Result<(Description, Places), ReadError> {
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
    let places = decode_places(bytes, version).ok_or(damaged("header cut short"))?;
    places.check(file_bytes).map_err(damaged)?;
    Ok((description, places))
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
        slow_threshold_nanos: match version {
            1 => 0,
            _ => word(offset_of!(Header, slow_threshold_nanos))?,
        },
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

/// Where a table stands in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) capacity: u32,
    pub(super) record_bytes: u32,
}

/// Where the tables stand in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) loops: Place,
    pub(super) events: Place,
    /// Those that version 1 does not have.
    pub(super) later: Option<[Place; TABLES]>,
    /// The open connections and the errors of calls, which versions 1 and 2 do not have.
    pub(super) latest: Option<[Place; 2]>,
}

/// The smallest records of the later tables, in their order.
const LATER_BYTES: [usize; TABLES] = [
    size_of::<TaskSiteSlot>(),
    size_of::<CallSlot>(),
    size_of::<PoolSlot>(),
    size_of::<ExecutorSlot>(),
    size_of::<FactSlot>(),
];

fn decode_places(bytes: &[u8], version: u32) -> Option<Places> {
    let place = |[offset, capacity, record_bytes]: [usize; 3]| {
        Some(Place {
            offset: u64::from(u32_at(bytes, offset)?),
            capacity: u32_at(bytes, capacity)?,
            record_bytes: u32_at(bytes, record_bytes)?,
        })
    };
    let later = |index| {
        let head = head_offset(index);
        place([
            head + offset_of!(TableHead, offset),
            head + offset_of!(TableHead, capacity),
            head + offset_of!(TableHead, record_bytes),
        ])
    };
    let loops = [
        offset_of!(Header, loops_offset),
        offset_of!(Header, loops_capacity),
        offset_of!(Header, loop_bytes),
    ];
    let events = [
        offset_of!(Header, events_offset),
        offset_of!(Header, events_capacity),
        offset_of!(Header, event_bytes),
    ];
    Some(Places {
        loops: place(loops)?,
        events: place(events)?,
        later: match version {
            1 => None,
            _ => Some([later(0)?, later(1)?, later(2)?, later(3)?, later(4)?]),
        },
        latest: match version {
            1 | 2 => None,
            _ => Some([
                later(Table::Connections as usize)?,
                later(Table::CallErrors as usize)?,
            ]),
        },
    })
}

const CONNECTIONS: usize = Table::Connections as usize;
const CALL_ERRORS: usize = Table::CallErrors as usize;

/// Where the head of a table stands in the header.
pub(super) fn head_offset(table: usize) -> usize {
    match table {
        CONNECTIONS => offset_of!(Header, connections),
        CALL_ERRORS => offset_of!(Header, call_errors),
        _ => offset_of!(Header, tables) + table * size_of::<TableHead>(),
    }
}

impl Places {
    fn check(&self, file_bytes: u64) -> Result<(), &'static str> {
        if file_bytes > MOST_FILE_BYTES {
            return Err("larger than any recording");
        }
        self.loops.check(size_of::<LoopSlot>(), file_bytes)?;
        self.events.check(size_of::<EventSlot>(), file_bytes)?;
        let later = self.later.iter().flatten();
        for (place, smallest) in later.clone().zip(LATER_BYTES) {
            place.check(smallest, file_bytes)?;
        }
        if let Some([connections, call_errors]) = self.latest {
            connections.check(size_of::<ConnectionSlot>(), file_bytes)?;
            call_errors.check(size_of::<CallErrorSlot>(), file_bytes)?;
        }
        let facts = self.later.map(|later| later[Table::Facts as usize]);
        if self.events.capacity == 0 || facts.is_some_and(|facts| facts.capacity == 0) {
            return Err("a ring with no room");
        }
        Ok(())
    }
}

impl Place {
    fn check(&self, smallest: usize, file_bytes: u64) -> Result<(), &'static str> {
        if (self.record_bytes as usize) < smallest {
            return Err("records smaller than their format");
        }
        let bytes = u64::from(self.capacity) * u64::from(self.record_bytes);
        if self.offset + bytes > file_bytes {
            return Err("tables past the end of the file");
        }
        Ok(())
    }
}
