//! Everything that a reader does with a file; the fuzzer drives this very function too.

use std::path::Path;

use loopscope_recorder::reader::{
    Counters, FactEvent, LoopState, ReadError, RecordingReader, StallEvent, TableStates,
};

/// What was in a readable recording.
#[derive(Debug)]
pub(crate) struct Everything {
    /// The header's counters.
    pub(crate) counters: Counters,
    /// Every slot that was ever taken.
    pub(crate) loops: Vec<LoopState>,
    /// Every whole event.
    pub(crate) stalls: Vec<StallEvent>,
    /// Stalls that were not to be had.
    pub(crate) lost: u64,
    /// The later tables.
    pub(crate) tables: TableStates,
    /// Every whole fact.
    pub(crate) facts: Vec<FactEvent>,
    /// Facts that were not to be had.
    pub(crate) facts_lost: u64,
}

/// Reads until nothing is left to come: a record that looks half-written is given up at the second look,
/// and no record is waited for behind more than a ring of such.
///
/// # Errors
/// As the reader's.
pub(crate) fn read_everything(path: &Path) -> Result<Everything, ReadError> {
    let mut reader = RecordingReader::open(path)?;
    let (counters, loops) = reader.read_loops()?;
    let mut found = Everything {
        counters,
        loops,
        stalls: Vec::new(),
        lost: 0,
        tables: reader.read_tables()?,
        facts: Vec::new(),
        facts_lost: 0,
    };
    let mut idle_reads = 0;
    while idle_reads < 2 {
        let stalls = reader.read_stalls()?;
        let facts = reader.read_facts()?;
        let is_idle = stalls.events.is_empty()
            && stalls.lost == 0
            && facts.events.is_empty()
            && facts.lost == 0;
        idle_reads = if is_idle { idle_reads + 1 } else { 0 };
        found.stalls.extend(stalls.events);
        found.lost = found.lost.saturating_add(stalls.lost);
        found.facts.extend(facts.events);
        found.facts_lost = found.facts_lost.saturating_add(facts.lost);
    }
    Ok(found)
}
