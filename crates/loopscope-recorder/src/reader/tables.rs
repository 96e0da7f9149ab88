//! Task sites, calls, pools, executors and the collector: from their bytes.

use std::mem::offset_of;
use std::sync::Arc;

use super::bytes::{shown, text_at, u32_at, u64_at};
use super::states::{
    AdapterState, CallErrorState, CallName, CallState, ConnectionState, ExecutorState, GcState,
    HolderState, PoolName, PoolState, TaskSite, TaskSiteState,
};
use crate::layout::{
    ADAPTER_BYTES, BUCKETS, CALL_TEXT_BYTES, CallErrorSlot, CallKind, CallSlot, ConnectionSlot,
    Coverage, ERROR_TEXT_BYTES, ErrorText, ExecutorSlot, FILE_TEXT_BYTES, FUNCTION_TEXT_BYTES,
    GROUP_TEXT_BYTES, GcGauges, HOLDER_WORDS, Header, LoopOwner, NAME_TEXT_BYTES, PoolSlot,
    RecordState, SlotState, TASK_NAME_BYTES, TaskSiteSlot, WAITS, checksum,
};

/// The texts of a table's slots. They never change once a slot is ready, so they are decoded once.
#[derive(Debug)]
pub(super) struct Names<Name>(Vec<Option<Arc<Name>>>);

impl<Name> Default for Names<Name> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<Name> Names<Name> {
    /// The texts of a slot; `None` while it is not ready.
    fn of(
        &mut self,
        slot: usize,
        bytes: &[u8],
        decode: fn(&[u8]) -> Option<Name>,
    ) -> Option<Arc<Name>> {
        // The state is the first word of every slot.
        if u64_at(bytes, 0)? != RecordState::Ready as u64 {
            return None;
        }
        if self.0.len() <= slot {
            self.0.resize_with(slot + 1, || None);
        }
        let known = self.0.get_mut(slot)?;
        if known.is_none() {
            *known = decode(bytes).map(Arc::new);
        }
        known.clone()
    }
}

pub(super) fn decode_task_site(
    bytes: &[u8],
    slot: usize,
    names: &mut Names<TaskSite>,
) -> Option<TaskSiteState> {
    let word = |offset| u64_at(bytes, offset);
    Some(TaskSiteState {
        slot: slot as u32,
        site: names.of(slot, bytes, task_site_of)?,
        spawned: word(offset_of!(TaskSiteSlot, spawned))?,
        done: word(offset_of!(TaskSiteSlot, done))?,
        failed: word(offset_of!(TaskSiteSlot, failed))?,
        cancelled: word(offset_of!(TaskSiteSlot, cancelled))?,
        retrieved: word(offset_of!(TaskSiteSlot, retrieved))?,
        unretrieved: word(offset_of!(TaskSiteSlot, unretrieved))?,
        oldest_started_nanos: some_at(bytes, offset_of!(TaskSiteSlot, oldest_started_nanos)),
        oldest_address: some_at(bytes, offset_of!(TaskSiteSlot, oldest_address)),
        created_nanos: word(offset_of!(TaskSiteSlot, created_nanos))?,
    })
}

fn task_site_of(bytes: &[u8]) -> Option<TaskSite> {
    Some(TaskSite {
        owner: LoopOwner::unpacked(u64_at(bytes, offset_of!(TaskSiteSlot, owner))?),
        file: text_at(bytes, offset_of!(TaskSiteSlot, file), FILE_TEXT_BYTES)?,
        line: u32_at(bytes, offset_of!(TaskSiteSlot, line))?,
        function: text_at(
            bytes,
            offset_of!(TaskSiteSlot, function),
            FUNCTION_TEXT_BYTES,
        )?,
        coroutine: text_at(
            bytes,
            offset_of!(TaskSiteSlot, coroutine),
            FUNCTION_TEXT_BYTES,
        )?,
    })
}

pub(super) fn decode_call(
    bytes: &[u8],
    slot: usize,
    names: &mut Names<CallName>,
) -> Option<CallState> {
    let word = |offset| u64_at(bytes, offset);
    let mut histogram = [0; BUCKETS];
    for (index, count) in histogram.iter_mut().enumerate() {
        *count = word(offset_of!(CallSlot, histogram) + index * 8)?;
    }
    Some(CallState {
        slot: slot as u32,
        call: names.of(slot, bytes, call_of)?,
        started: word(offset_of!(CallSlot, started))?,
        finished: histogram
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count)),
        failed: word(offset_of!(CallSlot, failed))?,
        cancelled: word(offset_of!(CallSlot, cancelled))?,
        on_loop: word(offset_of!(CallSlot, on_loop))?,
        blocking: word(offset_of!(CallSlot, blocking))?,
        blocking_nanos: word(offset_of!(CallSlot, blocking_nanos))?,
        slow: word(offset_of!(CallSlot, slow))?,
        total_nanos: word(offset_of!(CallSlot, total_nanos))?,
        longest_nanos: word(offset_of!(CallSlot, longest_nanos))?,
        last_failed_nanos: some_at(bytes, offset_of!(CallSlot, last_failed_nanos)),
        last_error: error_at(bytes, offset_of!(CallSlot, last_error)),
        errors: Vec::new(),
        histogram,
    })
}

/// The place of a call among the calls, and its failures with one type of error.
pub(super) fn decode_call_error(
    bytes: &[u8],
    slot: usize,
    names: &mut Names<String>,
) -> Option<(u64, CallErrorState)> {
    let error_type = names.of(slot, bytes, |bytes| {
        text_at(
            bytes,
            offset_of!(CallErrorSlot, error_type),
            ERROR_TEXT_BYTES,
        )
    })?;
    let failed = u64_at(bytes, offset_of!(CallErrorSlot, failed))?;
    let call = u64_at(bytes, offset_of!(CallErrorSlot, call))?;
    Some((call, CallErrorState { error_type, failed }))
}

/// Gives each call its errors.
pub(super) fn add_errors(calls: &mut [CallState], errors: Vec<(u64, CallErrorState)>) {
    for (call, error) in errors {
        let known = calls.iter_mut().find(|known| u64::from(known.slot) == call);
        if let Some(known) = known {
            known.errors.push(error);
        }
    }
}

fn call_of(bytes: &[u8]) -> Option<CallName> {
    let kind = u64_at(bytes, offset_of!(CallSlot, kind))?;
    Some(CallName {
        kind: CALL_KINDS.into_iter().find(|known| *known as u64 == kind),
        group: text_at(bytes, offset_of!(CallSlot, group), GROUP_TEXT_BYTES)?,
        name: text_at(bytes, offset_of!(CallSlot, name), CALL_TEXT_BYTES)?,
    })
}

const CALL_KINDS: [CallKind; 5] = [
    CallKind::Call,
    CallKind::Request,
    CallKind::Query,
    CallKind::Connect,
    CallKind::Acquire,
];

pub(super) fn decode_pool(
    bytes: &[u8],
    slot: usize,
    names: &mut Names<PoolName>,
) -> Option<PoolState> {
    let word = |offset| u64_at(bytes, offset);
    Some(PoolState {
        slot: slot as u32,
        pool: names.of(slot, bytes, pool_of)?,
        size: word(offset_of!(PoolSlot, size))?,
        smallest: word(offset_of!(PoolSlot, smallest))?,
        largest: word(offset_of!(PoolSlot, largest))?,
        in_use: word(offset_of!(PoolSlot, in_use))?,
        idle: word(offset_of!(PoolSlot, idle))?,
        waiting: word(offset_of!(PoolSlot, waiting))?,
        waiting_since_nanos: some_at(bytes, offset_of!(PoolSlot, waiting_since_nanos)),
        acquires: word(offset_of!(PoolSlot, acquires))?,
        acquire_nanos: word(offset_of!(PoolSlot, acquire_nanos))?,
        longest_acquire_nanos: word(offset_of!(PoolSlot, longest_acquire_nanos))?,
        timeouts: word(offset_of!(PoolSlot, timeouts))?,
        opened: word(offset_of!(PoolSlot, opened))?,
        open_failed: word(offset_of!(PoolSlot, open_failed))?,
        closed: word(offset_of!(PoolSlot, closed))?,
        leaked: word(offset_of!(PoolSlot, leaked))?,
        lifetime_nanos: word(offset_of!(PoolSlot, lifetime_nanos))?,
        releases: word(offset_of!(PoolSlot, releases))?,
        use_nanos: word(offset_of!(PoolSlot, use_nanos))?,
        longest_use_nanos: word(offset_of!(PoolSlot, longest_use_nanos))?,
        last_error: error_at(bytes, offset_of!(PoolSlot, last_error)),
    })
}

fn pool_of(bytes: &[u8]) -> Option<PoolName> {
    Some(PoolName {
        name: text_at(bytes, offset_of!(PoolSlot, name), NAME_TEXT_BYTES)?,
        driver: text_at(bytes, offset_of!(PoolSlot, driver), GROUP_TEXT_BYTES)?,
        server: text_at(bytes, offset_of!(PoolSlot, server), NAME_TEXT_BYTES)?,
    })
}

pub(super) fn decode_executor(
    bytes: &[u8],
    slot: usize,
    names: &mut Names<String>,
) -> Option<ExecutorState> {
    let word = |offset| u64_at(bytes, offset);
    Some(ExecutorState {
        slot: slot as u32,
        name: names.of(slot, bytes, |bytes| {
            text_at(bytes, offset_of!(ExecutorSlot, name), NAME_TEXT_BYTES)
        })?,
        max_workers: word(offset_of!(ExecutorSlot, max_workers))?,
        workers: word(offset_of!(ExecutorSlot, workers))?,
        busy: word(offset_of!(ExecutorSlot, busy))?,
        queued: word(offset_of!(ExecutorSlot, queued))?,
        submitted: word(offset_of!(ExecutorSlot, submitted))?,
        completed: word(offset_of!(ExecutorSlot, completed))?,
        failed: word(offset_of!(ExecutorSlot, failed))?,
        cancelled: word(offset_of!(ExecutorSlot, cancelled))?,
        wait_nanos: word(offset_of!(ExecutorSlot, wait_nanos))?,
        longest_wait_nanos: word(offset_of!(ExecutorSlot, longest_wait_nanos))?,
        oldest_queued_nanos: some_at(bytes, offset_of!(ExecutorSlot, oldest_queued_nanos)),
        saturated_since_nanos: some_at(bytes, offset_of!(ExecutorSlot, saturated_since_nanos)),
        run_nanos: word(offset_of!(ExecutorSlot, run_nanos))?,
        ended_nanos: some_at(bytes, offset_of!(ExecutorSlot, ended_nanos)),
    })
}

/// `None` for a slot that holds no open connection.
pub(super) fn decode_connection(bytes: &[u8], slot: usize) -> Option<ConnectionState> {
    let word = |offset| u64_at(bytes, offset);
    let state = word(offset_of!(ConnectionSlot, state))?;
    if state as u32 != SlotState::Live as u32 {
        return None;
    }
    let taken_nanos = some_at(bytes, offset_of!(ConnectionSlot, taken_nanos));
    let pool = u32_at(bytes, offset_of!(ConnectionSlot, pool))?;
    Some(ConnectionState {
        slot: slot as u32,
        generation: (state >> 32) as u32,
        pool: pool & !WAITS,
        waits: pool & WAITS != 0,
        backend: u32_at(bytes, offset_of!(ConnectionSlot, backend)).filter(|id| *id != 0),
        opened_nanos: word(offset_of!(ConnectionSlot, opened_nanos))?,
        taken_nanos,
        holder: taken_nanos.and_then(|since| holder_at(bytes, since)),
    })
}

/// Who has had a connection since then, where that is whole.
fn holder_at(bytes: &[u8], since_nanos: u64) -> Option<HolderState> {
    let first = offset_of!(ConnectionSlot, holder);
    let sequence = some_at(bytes, offset_of!(ConnectionSlot, sequence))?;
    let mut words = [0; HOLDER_WORDS];
    for (index, word) in words.iter_mut().enumerate() {
        *word = u64_at(bytes, first + index * 8)?;
    }
    let told = u64_at(bytes, offset_of!(ConnectionSlot, checksum))?;
    let [since, thread_and_line, task, ..] = words;
    if told != checksum(sequence, &words) || since != since_nanos {
        return None;
    }
    let texts = first + 3 * 8;
    let task_name = texts + FILE_TEXT_BYTES + FUNCTION_TEXT_BYTES;
    Some(HolderState {
        thread_id: thread_and_line as u32,
        task: Some(task).filter(|task| *task != 0),
        file: text_at(bytes, texts, FILE_TEXT_BYTES)?,
        line: (thread_and_line >> 32) as u32,
        function: text_at(bytes, texts + FILE_TEXT_BYTES, FUNCTION_TEXT_BYTES)?,
        task_name: text_at(bytes, task_name, TASK_NAME_BYTES)?,
    })
}

/// From a whole header.
pub(super) fn decode_gc(header: &[u8]) -> GcState {
    let at = |offset| u64_at(header, offset_of!(Header, gc) + offset).unwrap_or(0);
    GcState {
        collections: at(offset_of!(GcGauges, collections)),
        pause_nanos: at(offset_of!(GcGauges, pause_nanos)),
        longest_pause_nanos: at(offset_of!(GcGauges, longest_pause_nanos)),
        pause_since_nanos: Some(at(offset_of!(GcGauges, pause_since_nanos))).filter(|at| *at != 0),
        generation: at(offset_of!(GcGauges, generation)) as u32,
        thread_id: at(offset_of!(GcGauges, thread_id)) as u32,
        collected: at(offset_of!(GcGauges, collected)),
        tracked: Some(at(offset_of!(GcGauges, tracked))).filter(|tracked| *tracked != 0),
    }
}

/// From a whole header.
pub(super) fn decode_adapter(header: &[u8]) -> Option<AdapterState> {
    Some(AdapterState {
        since_nanos: some_at(header, offset_of!(Header, adapter_since_nanos))?,
        coverage: Coverage(u64_at(header, offset_of!(Header, adapter_coverage))?),
        faults: u64_at(header, offset_of!(Header, adapter_faults))?,
        name: text_at(header, offset_of!(Header, adapter), ADAPTER_BYTES)?,
    })
}

fn some_at(bytes: &[u8], offset: usize) -> Option<u64> {
    u64_at(bytes, offset).filter(|value| *value != 0)
}

/// A text that changes, where it is whole.
fn error_at(bytes: &[u8], offset: usize) -> Option<String> {
    let first = offset + offset_of!(ErrorText, words);
    let sequence = some_at(bytes, offset + offset_of!(ErrorText, sequence))?;
    let mut words = [0; ERROR_TEXT_BYTES / 8];
    for (index, word) in words.iter_mut().enumerate() {
        *word = u64_at(bytes, first + index * 8)?;
    }
    let told = u64_at(bytes, offset + offset_of!(ErrorText, checksum))?;
    let text = bytes.get(first..first + ERROR_TEXT_BYTES)?;
    let end = text
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(text.len());
    (told == checksum(sequence, &words)).then(|| shown(&text[..end]))
}
