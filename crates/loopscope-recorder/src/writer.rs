//! The writing side: creates a recording and stamps loops, tasks and calls into it.
//!
//! Creation does system calls and allocates. The hot paths do neither: [`LoopWriter::enter_poll`] and
//! [`LoopWriter::leave_poll`] are a handful of plain stores to memory that only this loop's thread writes,
//! [`TaskSiteWriter`], [`CallWriter`] and their like a few atomic adds. Nothing here waits for anybody,
//! and nothing panics: a recording that cannot be made is an error value, and what finds no room is
//! counted.
//!
//! Threads: every handle here is `Copy` and may be used from any thread, but for [`LoopWriter`].
//!
//! Fork: one recording per process. A forked child must drop the [`Recording`] that it inherited and every
//! handle taken from it, since these still write into its parent's file, and create one of its own.
//!
//! Two objects in one process, such as the pulse and an adapter, share one recording: the second takes it
//! by [`Recording::join`].

mod adapter;
mod calls;
mod connections;
mod counting;
mod executors;
mod facts;
mod file;
mod gc;
mod interning;
mod joining;
mod limiter;
mod loops;
mod pools;
mod ring;
mod tasks;
mod texts;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, Release};

use thiserror::Error;

use crate::clock;
use crate::folder::RuntimeFolder;
use crate::identity::{self, ProcessIdentity, boot_id};
use crate::layout::{
    CALL_CAPACITY, CALL_ERROR_CAPACITY, CALL_ERRORS_OFFSET, CALLS_OFFSET, CONNECTION_CAPACITY,
    CONNECTIONS_OFFSET, CallErrorSlot, CallSlot, ConnectionSlot, EVENT_CAPACITY, EVENTS_OFFSET,
    EXECUTOR_CAPACITY, EXECUTORS_OFFSET, EventSlot, ExecutorSlot, FACT_CAPACITY, FACTS_OFFSET,
    FILE_BYTES, FORMAT_VERSION, FactSlot, Header, LOOP_CAPACITY, LOOPS_OFFSET, LoopSlot, MAGIC,
    POOL_CAPACITY, POOLS_OFFSET, PoolSlot, TASK_SITE_CAPACITY, TASK_SITES_OFFSET, Table, TableHead,
    TaskSiteSlot,
};
use crate::mapping;

pub use adapter::AdapterSpec;
pub use calls::{CallEnd, CallOutcome, CallSpec, CallWriter};
pub use connections::{ConnectionWriter, HolderSpec};
pub use counting::{Exclusive, Shared, Sharing};
pub use executors::{ExecutorGauges, ExecutorWriter};
pub use facts::{FactFrame, FactRecord};
pub use gc::GcWriter;
pub use joining::JoinError;
pub use limiter::Limiter;
pub use loops::{LoopSpec, LoopWriter, ToldLoop};
pub use pools::{PoolGauges, PoolSpec, PoolWriter};
pub use tasks::{TaskOutcome, TaskSiteSpec, TaskSiteWriter};

use file::{create_file, failure, reserve};
use texts::{store_text, tail};

/// Why a recording cannot be made.
#[derive(Debug, Error)]
pub enum CreateError {
    /// The kernel does not tell who we are.
    #[error("cannot read /proc/self/stat")]
    NoIdentity,
    /// The file could not be created or mapped.
    #[error("cannot create the recording {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no room for it.
    #[error("no room for a recording of {FILE_BYTES} bytes: {path}")]
    NoRoom {
        /// Which.
        path: PathBuf,
    },
}

/// What a new recording says of its process.
#[derive(Clone, Debug, Default)]
pub struct RecordingSpec {
    /// The run that it belongs to, 0 for none.
    pub run_id: u64,
    /// The service's name.
    pub service: String,
    /// Busy periods from this length on go to the ring.
    pub stall_threshold_nanos: u64,
    /// Tracked calls from this length on count as slow.
    pub slow_threshold_nanos: u64,
}

/// The recording of this process. It lives as long as the process: hot paths keep plain references.
///
/// A handle: one word, copied freely.
#[derive(Clone, Copy)]
pub struct Recording(&'static Parts);

/// The parts of a mapped recording.
pub(crate) struct Parts {
    pub(crate) path: PathBuf,
    pub(crate) header: &'static Header,
    pub(crate) loops: &'static [LoopSlot],
    pub(crate) events: &'static [EventSlot],
    pub(crate) keys: Keys,
    pub(crate) task_sites: &'static [TaskSiteSlot],
    pub(crate) calls: &'static [CallSlot],
    pub(crate) pools: &'static [PoolSlot],
    pub(crate) executors: &'static [ExecutorSlot],
    pub(crate) facts: &'static [FactSlot],
    pub(crate) connections: &'static [ConnectionSlot],
    pub(crate) call_errors: &'static [CallErrorSlot],
}

/// The keys of the interned tables.
pub(crate) struct Keys {
    pub(crate) task_sites: &'static [AtomicU64],
    pub(crate) calls: &'static [AtomicU64],
    pub(crate) pools: &'static [AtomicU64],
    pub(crate) executors: &'static [AtomicU64],
    pub(crate) call_errors: &'static [AtomicU64],
}

impl Keys {
    /// Divides the list of all keys among the tables.
    pub(crate) fn of_list(list: &'static [AtomicU64]) -> Self {
        let (task_sites, rest) = list.split_at(TASK_SITE_CAPACITY as usize);
        let (calls, rest) = rest.split_at(CALL_CAPACITY as usize);
        let (pools, rest) = rest.split_at(POOL_CAPACITY as usize);
        let (executors, call_errors) = rest.split_at(EXECUTOR_CAPACITY as usize);
        Self {
            task_sites,
            calls,
            pools,
            executors,
            call_errors,
        }
    }
}

impl Recording {
    /// Creates the recording of the calling process.
    ///
    /// The file's blocks are all reserved first: a write into a mapped hole on a full disk would be a
    /// fatal signal in the process that we observe.
    ///
    /// # Errors
    /// When the folder is not writable, the disk is full, or the file cannot be mapped.
    pub fn create(folder: &RuntimeFolder, spec: &RecordingSpec) -> Result<Self, CreateError> {
        let process = ProcessIdentity::own().ok_or(CreateError::NoIdentity)?;
        let (file, path, image) = create_file(folder, process)?;
        let mapped = reserve(&file).and_then(|()| mapping::map_forever(&file, &path));
        let recording = mapped.map_err(|source| {
            let _ = fs::remove_file(&path);
            failure(&path, source)
        })?;
        recording.describe(process, image, spec);
        Ok(recording)
    }

    /// Takes over a mapped file; for [`mapping`].
    pub(crate) fn of_parts(parts: Parts) -> Self {
        Self(Box::leak(Box::new(parts)))
    }

    /// The recording that another object of this process keeps mapped, by the address that the other's
    /// [`Self::address`] gave; see [`crate::handover`]. Unlike [`Self::join`] it needs no access to the file,
    /// which a process that has changed its user no longer has.
    ///
    /// `None` for null, and for a recording of another format than this writer's.
    ///
    /// # Safety
    /// Null, or the first byte of a whole recording that stays mapped for ever.
    #[expect(unsafe_code, reason = "the memory is known by its address only")]
    pub unsafe fn adopt(address: *const u8) -> Option<Self> {
        // SAFETY: by contract.
        unsafe { mapping::adopt(address) }
    }

    /// The first byte of the mapping.
    pub fn address(&self) -> *const u8 {
        std::ptr::from_ref(self.0.header).cast()
    }

    /// The file; empty for one that was adopted.
    pub fn path(&self) -> &'static Path {
        &self.0.path
    }

    fn head(&self, table: Table) -> &'static TableHead {
        let header = self.0.header;
        match table {
            Table::Connections => &header.connections,
            Table::CallErrors => &header.call_errors,
            earlier => &header.tables[earlier as usize],
        }
    }

    /// Says goodbye in order: a reader then knows that the process was not killed.
    pub fn close(&self, exit_status: Option<i32>) {
        if let Some(status) = exit_status {
            self.0
                .header
                .exit_status
                .store(u64::from(status as u8) + 1, Relaxed);
        }
        self.0
            .header
            .ended_nanos
            .store(clock::monotonic_nanos(), Release);
    }

    fn describe(&self, process: ProcessIdentity, image: u32, spec: &RecordingSpec) {
        let header = self.0.header;
        header.version.store(FORMAT_VERSION, Relaxed);
        header
            .header_bytes
            .store(size_of::<Header>() as u32, Relaxed);
        header.file_bytes.store(FILE_BYTES as u64, Relaxed);
        header.pid.store(process.pid, Relaxed);
        header.start_ticks.store(process.start_ticks, Relaxed);
        header
            .uid
            .store(rustix::process::getuid().as_raw(), Relaxed);
        header.image.store(image, Relaxed);
        header
            .created_nanos
            .store(clock::monotonic_nanos(), Relaxed);
        header
            .created_unix_nanos
            .store(clock::unix_nanos(), Relaxed);
        for (word, half) in header.boot_id.iter().zip(boot_id()) {
            word.store(half, Relaxed);
        }
        header
            .pid_namespace
            .store(identity::pid_namespace(), Relaxed);
        header.run_id.store(spec.run_id, Relaxed);
        header
            .stall_threshold_nanos
            .store(spec.stall_threshold_nanos, Relaxed);
        header
            .slow_threshold_nanos
            .store(spec.slow_threshold_nanos, Relaxed);
        self.describe_tables();
        self.describe_names(spec);
        header.magic.store(MAGIC, Release);
    }

    fn describe_tables(&self) {
        let header = self.0.header;
        header.loops_offset.store(LOOPS_OFFSET as u32, Relaxed);
        header.loops_capacity.store(LOOP_CAPACITY, Relaxed);
        header
            .loop_bytes
            .store(size_of::<LoopSlot>() as u32, Relaxed);
        header.events_offset.store(EVENTS_OFFSET as u32, Relaxed);
        header.events_capacity.store(EVENT_CAPACITY, Relaxed);
        header
            .event_bytes
            .store(size_of::<EventSlot>() as u32, Relaxed);
        self.describe_table::<TaskSiteSlot>(
            Table::TaskSites,
            TASK_SITES_OFFSET,
            TASK_SITE_CAPACITY,
        );
        self.describe_table::<CallSlot>(Table::Calls, CALLS_OFFSET, CALL_CAPACITY);
        self.describe_table::<PoolSlot>(Table::Pools, POOLS_OFFSET, POOL_CAPACITY);
        self.describe_table::<ExecutorSlot>(Table::Executors, EXECUTORS_OFFSET, EXECUTOR_CAPACITY);
        self.describe_table::<FactSlot>(Table::Facts, FACTS_OFFSET, FACT_CAPACITY);
        self.describe_table::<ConnectionSlot>(
            Table::Connections,
            CONNECTIONS_OFFSET,
            CONNECTION_CAPACITY,
        );
        self.describe_table::<CallErrorSlot>(
            Table::CallErrors,
            CALL_ERRORS_OFFSET,
            CALL_ERROR_CAPACITY,
        );
    }

    fn describe_table<Record>(&self, table: Table, offset: usize, capacity: u32) {
        let head = self.head(table);
        head.offset.store(offset as u32, Relaxed);
        head.capacity.store(capacity, Relaxed);
        head.record_bytes.store(size_of::<Record>() as u32, Relaxed);
    }

    fn describe_names(&self, spec: &RecordingSpec) {
        let header = self.0.header;
        let executable = fs::read_link("/proc/self/exe").unwrap_or_default();
        let executable = executable.to_string_lossy();
        let kept = store_text(
            &header.executable,
            tail(&executable, header.executable.len() * 8),
        );
        header.executable_length.store(kept as u32, Relaxed);
        let kept = store_text(&header.service, &spec.service);
        header.service_length.store(kept as u64, Relaxed);
        store_text(&header.agent_version, env!("CARGO_PKG_VERSION"));
    }
}
