//! The writing side: creates a recording and stamps loops into it.
//!
//! Creation does system calls and allocates. [`LoopWriter::enter_poll`] and [`LoopWriter::leave_poll`],
//! the hot path, do neither: a handful of plain stores to memory that only this loop's thread writes.
//! Nothing here waits for anybody, and nothing panics: a recording that cannot be made is an error
//! value, and what finds no room is counted.
//!
//! One writer per process: after a fork the child must create a recording of its own and drop what it
//! inherited.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use thiserror::Error;

use crate::clock;
use crate::folder::RuntimeFolder;
use crate::identity::{self, ProcessIdentity, boot_id};
use crate::layout::{
    EVENT_CAPACITY, EVENT_WORDS, EVENTS_OFFSET, EventKind, EventSlot, FILE_BYTES, FORMAT_VERSION,
    Header, LOOP_CAPACITY, LOOPS_OFFSET, LoopSlot, MAGIC, PollKind, SlotState, bucket_of, checksum,
};
use crate::mapping;

/// Images of one process that are looked for before giving up: far beyond any chain of `exec`.
const MOST_IMAGES: u32 = 4096;

/// Signals that may cut in on the reservation, one after the other, before it is given up.
const MOST_INTERRUPTIONS: u32 = 1000;

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
}

/// The recording of this process. It lives as long as the process: hot paths keep plain references.
///
/// A handle: one word, copied freely.
#[derive(Clone, Copy)]
pub struct Recording(&'static Parts);

/// The three parts of a mapped recording.
pub(crate) struct Parts {
    pub(crate) header: &'static Header,
    pub(crate) loops: &'static [LoopSlot],
    pub(crate) events: &'static [EventSlot],
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
        let mapped = reserve(&file).and_then(|()| mapping::map_forever(&file));
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

    /// Takes a slot for a loop that the calling thread runs. `None`, and counted, when all are taken.
    ///
    /// May be called from any thread; costs a scan of the table.
    pub fn claim_loop(&self, loop_spec: &LoopSpec) -> Option<LoopWriter> {
        for (index, slot) in self.0.loops.iter().enumerate() {
            let state = slot.state.load(Relaxed);
            if !is_takeable(state) {
                continue;
            }
            let generation = generation_of(state).wrapping_add(u32::from(state != 0));
            let claimed = pack_state(generation, SlotState::Claimed);
            if slot
                .state
                .compare_exchange(state, claimed, Acquire, Relaxed)
                .is_err()
            {
                continue;
            }
            let loop_writer = LoopWriter {
                recording: *self,
                slot,
                index: index as u32,
                generation,
            };
            loop_writer.begin(loop_spec);
            self.0
                .header
                .loops_used
                .fetch_max(index as u64 + 1, Release);
            return Some(loop_writer);
        }
        self.0.header.loops_dropped.fetch_add(1, Relaxed);
        None
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

    fn push_event(&self, kind_and_slot: u64, generation_and_thread: u64, times: [u64; 3]) {
        let number = self.0.header.events_begun.fetch_add(1, Relaxed);
        let place = (number % u64::from(EVENT_CAPACITY)) as usize;
        let Some(record) = self.0.events.get(place) else {
            return;
        };
        let before = record.sequence.load(Relaxed);
        let writing = number.wrapping_mul(2).wrapping_add(1);
        // An odd number is a writer that was overtaken by a whole turn of the ring: leave it alone.
        let taken = before.is_multiple_of(2)
            && record
                .sequence
                .compare_exchange(before, writing, Acquire, Relaxed)
                .is_ok();
        if !taken {
            self.0.header.events_dropped.fetch_add(1, Relaxed);
            return;
        }
        fence(Release);
        let words = [
            kind_and_slot,
            generation_and_thread,
            times[0],
            times[1],
            times[2],
        ];
        let finished = writing.wrapping_add(1);
        record.store_words(words);
        record.checksum.store(checksum(finished, words), Relaxed);
        record.sequence.store(finished, Release);
    }
}

impl EventSlot {
    fn store_words(&self, words: [u64; EVENT_WORDS]) {
        self.kind_and_slot.store(words[0], Relaxed);
        self.generation_and_thread.store(words[1], Relaxed);
        self.started_nanos.store(words[2], Relaxed);
        self.ended_nanos.store(words[3], Relaxed);
        self.iteration.store(words[4], Relaxed);
    }
}

/// What is known of a loop when it is first seen.
#[derive(Clone, Debug)]
pub struct LoopSpec {
    /// How it polls.
    pub kind: PollKind,
    /// The epoll descriptor, or a hash of the polled set.
    pub poll_key: u64,
    /// The thread that runs it.
    pub thread_id: u32,
    /// The kernel's name of that thread.
    pub thread_name: String,
}

/// Stamps one loop. Only the loop's own thread may call the stamping methods.
#[derive(Clone, Copy)]
pub struct LoopWriter {
    recording: Recording,
    slot: &'static LoopSlot,
    index: u32,
    generation: u32,
}

impl LoopWriter {
    /// The loop is about to poll.
    ///
    /// Ends the busy period. A poll that cannot wait (`waits` false: time-out zero) begins the next
    /// period at once: the call itself is then work, not rest, and the second look at the clock is saved.
    #[inline]
    pub fn enter_poll(&self, now_nanos: u64, waits: bool) {
        let slot = self.slot;
        let busy_since = slot.busy_since_nanos.load(Relaxed);
        if busy_since != 0 {
            self.end_busy_period(busy_since, now_nanos);
        }
        slot.last_beat_nanos.store(now_nanos, Relaxed);
        slot.busy_since_nanos
            .store(if waits { 0 } else { now_nanos }, Release);
    }

    /// The poll returned.
    #[inline]
    pub fn leave_poll(&self, entered_nanos: u64, now_nanos: u64) {
        let slot = self.slot;
        add(&slot.idle_nanos, now_nanos.wrapping_sub(entered_nanos));
        slot.last_beat_nanos.store(now_nanos, Relaxed);
        slot.busy_since_nanos.store(now_nanos, Release);
    }

    /// The loop is over; its slot may be taken again.
    pub fn end(&self) {
        if self.slot.state.load(Relaxed) != pack_state(self.generation, SlotState::Live) {
            return;
        }
        self.slot.busy_since_nanos.store(0, Relaxed);
        self.slot
            .ended_nanos
            .store(clock::monotonic_nanos(), Relaxed);
        self.slot
            .state
            .store(pack_state(self.generation, SlotState::Ended), Release);
    }

    /// When the loop last touched its poll.
    pub fn last_beat_nanos(&self) -> u64 {
        self.slot.last_beat_nanos.load(Relaxed)
    }

    #[inline]
    fn end_busy_period(&self, busy_since: u64, now_nanos: u64) {
        let slot = self.slot;
        let busy = now_nanos.wrapping_sub(busy_since);
        add(&slot.iterations, 1);
        add(&slot.busy_nanos, busy);
        add(&slot.histogram[bucket_of(busy)], 1);
        if busy > slot.longest_busy_nanos.load(Relaxed) {
            slot.longest_busy_nanos.store(busy, Relaxed);
        }
        if busy >= self.recording.0.header.stall_threshold_nanos.load(Relaxed) {
            self.record_stall(busy_since, now_nanos);
        }
    }

    #[cold]
    fn record_stall(&self, started: u64, ended: u64) {
        let slot = self.slot;
        add(&slot.stalls, 1);
        add(&slot.stall_nanos, ended.wrapping_sub(started));
        let thread = slot.thread_id.load(Relaxed);
        self.recording.push_event(
            pack(EventKind::Stall as u32, self.index),
            pack(self.generation, thread),
            [started, ended, slot.iterations.load(Relaxed)],
        );
    }

    fn begin(&self, spec: &LoopSpec) {
        let slot = self.slot;
        let zeroed = [
            &slot.busy_since_nanos,
            &slot.iterations,
            &slot.last_beat_nanos,
            &slot.busy_nanos,
            &slot.idle_nanos,
            &slot.longest_busy_nanos,
            &slot.stalls,
            &slot.stall_nanos,
            &slot.ended_nanos,
        ];
        for word in zeroed.into_iter().chain(&slot.histogram) {
            word.store(0, Relaxed);
        }
        slot.thread_id.store(spec.thread_id, Relaxed);
        slot.kind.store(spec.kind as u32, Relaxed);
        slot.poll_key.store(spec.poll_key, Relaxed);
        store_text(&slot.thread_name, &spec.thread_name);
        slot.created_nanos.store(clock::monotonic_nanos(), Relaxed);
        slot.state
            .store(pack_state(self.generation, SlotState::Live), Release);
    }
}

/// Adds to a counter that only the calling thread writes: a load and a store, no locked instruction.
#[inline]
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(amount), Relaxed);
}

fn is_takeable(state: u64) -> bool {
    let low = state as u32;
    low == SlotState::Free as u32 || low == SlotState::Ended as u32
}

fn generation_of(state: u64) -> u32 {
    (state >> 32) as u32
}

fn pack_state(generation: u32, state: SlotState) -> u64 {
    pack(state as u32, generation)
}

fn pack(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// Stores as much of a text as fits, at a character's border, the rest zero. Returns the bytes kept.
fn store_text(words: &[AtomicU64], text: &str) -> usize {
    let kept = &text[..text.floor_char_boundary(words.len() * 8)];
    for (index, word) in words.iter().enumerate() {
        let mut bytes = [0u8; 8];
        let part = kept.as_bytes().get(index * 8..).unwrap_or_default();
        for (to, from) in bytes.iter_mut().zip(part) {
            *to = *from;
        }
        word.store(u64::from_ne_bytes(bytes), Relaxed);
    }
    kept.len()
}

/// The end of a text that fits into so many bytes.
fn tail(text: &str, most: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(most))..]
}

fn create_file(
    folder: &RuntimeFolder,
    process: ProcessIdentity,
) -> Result<(File, PathBuf, u32), CreateError> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true).mode(0o600);
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    // Never a number that was used before: a reader may have seen that file and deleted it.
    let first = folder.next_image(process);
    for image in first..first.saturating_add(MOST_IMAGES) {
        let path = folder.recording_path(process, image);
        match options.open(&path) {
            Ok(file) => return Ok((file, path, image)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(failure(&path, source)),
        }
    }
    Err(failure(folder.path(), io::ErrorKind::AlreadyExists.into()))
}

/// Reserves every block. File systems without the call get the zeros written instead.
fn reserve(file: &File) -> io::Result<()> {
    if !is_allowed_by_limit() {
        return Err(Errno::FBIG.into());
    }
    match reserve_despite_signals(file) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(file),
        result => result.map_err(io::Error::from),
    }
}

/// Whether the process may make files of this size. Trying it against `RLIMIT_FSIZE` does not only fail:
/// it raises SIGXFSZ, which would end the process that we observe.
fn is_allowed_by_limit() -> bool {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize);
    limit.current.is_none_or(|most| most >= FILE_BYTES as u64)
}

/// The call is allowed to give up where a signal is pending, and the memory file system of many kernels
/// does, whether or not the program asked for calls to be restarted. Under a profiler's timer signals
/// come all the time.
fn reserve_despite_signals(file: &File) -> Result<(), Errno> {
    for _ in 0..MOST_INTERRUPTIONS {
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, FILE_BYTES as u64) {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
    Err(Errno::INTR)
}

/// Every byte is written out before this returns: one that is not would be a hole.
fn write_zeros(mut file: &File) -> io::Result<()> {
    let zeros = [0; 4096];
    let mut left = FILE_BYTES;
    while left > 0 {
        let part = left.min(zeros.len());
        file.write_all(&zeros[..part])?;
        left -= part;
    }
    Ok(())
}

fn failure(path: &Path, source: io::Error) -> CreateError {
    let path = path.to_path_buf();
    match source.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => CreateError::NoRoom { path },
        _ => CreateError::File { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_that_cannot_reserve_gets_every_byte_written() {
        let path = std::env::temp_dir().join(format!("ls-zeros-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        write_zeros(&file).unwrap();
        assert_eq!(fs::read(&path).unwrap(), vec![0; FILE_BYTES]);
        let _ = fs::remove_file(&path);
    }

    #[test]
    fn what_does_not_fit_is_told_from_what_is_refused() {
        let of = |errno: Errno| failure(Path::new("/x"), errno.into());
        assert!(matches!(of(Errno::NOSPC), CreateError::NoRoom { .. }));
        assert!(matches!(of(Errno::FBIG), CreateError::NoRoom { .. }));
        assert!(matches!(of(Errno::ACCESS), CreateError::File { .. }));
    }

    #[test]
    fn a_long_path_keeps_its_end_at_a_character() {
        assert_eq!(tail("/opt/äb", 2), "b");
        assert_eq!(tail("/opt/äb", 3), "äb");
        assert_eq!(tail("ab", 4), "ab");
    }
}
