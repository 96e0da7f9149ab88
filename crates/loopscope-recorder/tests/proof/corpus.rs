//! The fuzzer's seeds and finds, replayed.

use std::fs;
use std::mem::offset_of;
use std::path::{Path, PathBuf};

use loopscope_recorder::layout::{
    CALL_ERRORS_OFFSET, CALLS_OFFSET, CONNECTIONS_OFFSET, CallErrorSlot, CallSlot, ConnectionSlot,
    EVENTS_OFFSET, EXECUTABLE_BYTES, EXECUTORS_OFFSET, EventSlot, ExecutorSlot, FACTS_OFFSET,
    FactSlot, Header, LOOPS_OFFSET, LoopSlot, POOLS_OFFSET, PoolSlot, TASK_SITES_OFFSET, Table,
    TableHead, TaskSiteSlot,
};

use crate::everything::read_everything;
use crate::filled::fill;
use crate::{create, loop_spec, scratch};

fn seeds() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut seeds: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    seeds.sort();
    seeds
}

/// The name's first word says what a reader makes of the file.
#[test]
fn each_seed_reads_as_its_name_says() {
    let seeds = seeds();
    assert!(seeds.len() >= 10, "the corpus is gone");
    for seed in seeds {
        let name = seed.file_name().unwrap().to_string_lossy().into_owned();
        let found = read_everything(&seed);
        match name.split('-').next() {
            Some("whole") => assert!(found.is_ok(), "{name}: {found:?}"),
            Some("refused") => assert!(found.is_err(), "{name}: {found:?}"),
            _ => panic!("a seed's name begins with `whole-` or `refused-`: {name}"),
        }
    }
}

/// A recording with the fewest records that hold everything: the fuzzer changes small files faster.
struct Seed(Vec<u8>);

const HEADER_BYTES: usize = 1536;

impl Seed {
    fn new() -> Self {
        let folder = scratch();
        let (recording, path) = create(&folder);
        recording.claim_loop(&loop_spec(5)).unwrap();
        fill(&recording);
        let whole = fs::read(path).unwrap();
        let mut seed = Self(whole[..HEADER_BYTES].to_vec());
        seed.put(offset_of!(Header, executable), &[0; EXECUTABLE_BYTES]);
        seed.put(offset_of!(Header, executable), b"/usr/bin/python3.11");
        let [offset, capacity] = [
            offset_of!(Header, loops_offset),
            offset_of!(Header, loops_capacity),
        ];
        seed.keep(
            &whole,
            [offset, capacity],
            LOOPS_OFFSET,
            size_of::<LoopSlot>(),
        );
        let [offset, capacity] = [
            offset_of!(Header, events_offset),
            offset_of!(Header, events_capacity),
        ];
        seed.keep(
            &whole,
            [offset, capacity],
            EVENTS_OFFSET,
            size_of::<EventSlot>(),
        );
        for (table, from, bytes) in [
            (
                Table::TaskSites,
                TASK_SITES_OFFSET,
                2 * size_of::<TaskSiteSlot>(),
            ),
            (Table::Calls, CALLS_OFFSET, 2 * size_of::<CallSlot>()),
            (Table::Pools, POOLS_OFFSET, size_of::<PoolSlot>()),
            (
                Table::Executors,
                EXECUTORS_OFFSET,
                size_of::<ExecutorSlot>(),
            ),
            (Table::Facts, FACTS_OFFSET, 4 * size_of::<FactSlot>()),
            (
                Table::Connections,
                CONNECTIONS_OFFSET,
                2 * size_of::<ConnectionSlot>(),
            ),
            (
                Table::CallErrors,
                CALL_ERRORS_OFFSET,
                2 * size_of::<CallErrorSlot>(),
            ),
        ] {
            let head = head_at(table);
            let [offset, capacity] = [
                head + offset_of!(TableHead, offset),
                head + offset_of!(TableHead, capacity),
            ];
            seed.keep(&whole, [offset, capacity], from, bytes);
        }
        seed
    }

    /// Takes over some bytes of the whole file and says in the header where they are now. How many
    /// records they are follows from the size of one, which stands behind the capacity.
    fn keep(&mut self, whole: &[u8], [offset, capacity]: [usize; 2], from: usize, bytes: usize) {
        let at = self.0.len() as u32;
        let record = &whole[capacity + 4..capacity + 8];
        let record_bytes = u32::from_ne_bytes(record.try_into().unwrap());
        self.put(offset, &at.to_ne_bytes());
        self.put(capacity, &(bytes as u32 / record_bytes).to_ne_bytes());
        self.0.extend(&whole[from..from + bytes]);
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Where a table's records begin in this file.
    fn table(&self, table: Table) -> usize {
        let at = head_at(table) + offset_of!(TableHead, offset);
        u32::from_ne_bytes(self.0[at..at + 4].try_into().unwrap()) as usize
    }

    fn with(mut self, at: impl FnOnce(&Self) -> usize, bytes: &[u8]) -> Self {
        let at = at(&self);
        self.put(at, bytes);
        self
    }

    fn save(self, name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
        fs::write(folder.join(name), self.0).unwrap();
    }
}

fn head_at(table: Table) -> usize {
    match table {
        Table::Connections => offset_of!(Header, connections),
        Table::CallErrors => offset_of!(Header, call_errors),
        _ => offset_of!(Header, tables) + table as usize * size_of::<TableHead>(),
    }
}

/// How the seeds of version 3 were made; those of the others were made by the programs of their time.
#[test]
#[ignore = "writes tests/corpus anew"]
fn writes_the_seeds_of_version_3() {
    let huge = u64::MAX.to_ne_bytes();
    let head = |offset| move |_: &Seed| head_at(Table::Connections) + offset;
    let first = |offset| move |seed: &Seed| seed.table(Table::Connections) + offset;
    let holder = offset_of!(ConnectionSlot, holder);
    Seed::new().save("whole-3-small");
    Seed::new()
        .with(head(offset_of!(TableHead, used)), &huge)
        .save("whole-3-connections-used-huge");
    Seed::new()
        .with(first(holder + 24), b"torn")
        .save("whole-3-holder-torn");
    Seed::new()
        .with(first(offset_of!(ConnectionSlot, taken_nanos)), &huge)
        .save("whole-3-holder-of-another-time");
    Seed::new()
        .with(first(offset_of!(ConnectionSlot, state)), &huge)
        .save("whole-3-connection-in-unknown-state");
    let error = |seed: &Seed| seed.table(Table::CallErrors) + offset_of!(CallErrorSlot, call);
    Seed::new()
        .with(error, &huge)
        .save("whole-3-error-of-unknown-call");
    Seed::new()
        .with(head(offset_of!(TableHead, capacity)), &huge[..4])
        .save("refused-3-connections-huge");
    Seed::new()
        .with(head(offset_of!(TableHead, record_bytes)), &[0; 4])
        .save("refused-3-connections-without-size");
}
