//! A thousand writers, killed at any moment: what each left behind can be read.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use loopscope_recorder::environment::RUNTIME_DIR;
use loopscope_recorder::folder::recordings_in;
use loopscope_recorder::layout::EVENT_CAPACITY;
use loopscope_recorder::reader::{ReadError, RecordingReader};

use crate::child::{self, LOOPS, declared_nanos};
use crate::everything::{Everything, read_everything};
use crate::scratch;

const KILLS: u32 = 1000;

/// Numbers without a pattern, the same in every run: the moment itself differs enough.
struct Scatter(u64);

impl Scatter {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What became of the recordings.
#[derive(Default, Debug)]
struct Tally {
    without: u32,
    unfinished: u32,
    without_events: u32,
    with_events: u32,
    overwritten: u32,
}

#[test]
fn a_thousand_killed_writers_leave_recordings_that_read_wholly_or_are_unfinished() {
    let mut scatter = Scatter(0x2545_f491_4f6c_dd1d);
    let mut tally = Tally::default();
    for round in 0..KILLS {
        let folder = scratch();
        // Every other one dies while it creates its recording, or soon after.
        let stalls = if round % 2 == 0 {
            0
        } else {
            scatter.below(300)
        };
        let further = Duration::from_micros(scatter.below(400));
        kill_after(folder.path(), stalls, further);
        examine(folder.path(), &mut tally);
    }
    println!("{tally:?}");
    assert!(tally.with_events > KILLS / 4, "{tally:?}");
    let early = tally.without + tally.unfinished + tally.without_events;
    assert!(early > 0, "{tally:?}");
}

/// Starts a writer and kills it a little after it has told of so many stalls: the time only scatters the
/// moment, nothing waits for it.
fn kill_after(folder: &Path, stalls: u64, further: Duration) {
    let program = std::env::current_exe().unwrap();
    let mut writer = child::command(&program, "writes_until_it_is_killed");
    let mut writer = writer.env(RUNTIME_DIR, folder).spawn().unwrap();
    let mut said = BufReader::new(writer.stdout.take().unwrap());
    said.skip_until(child::BEGINS).unwrap();
    let read = said.by_ref().take(stalls).read_to_end(&mut Vec::new());
    assert_eq!(read.unwrap() as u64, stalls, "the writer ended by itself");
    let read_at = Instant::now();
    while read_at.elapsed() < further {
        std::hint::spin_loop();
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
}

fn examine(folder: &Path, tally: &mut Tally) {
    let Some(path) = recordings_in(folder).pop() else {
        tally.without += 1;
        return;
    };
    let found = match read_everything(&path) {
        Ok(found) => found,
        Err(ReadError::Unfinished { .. }) => return tally.unfinished += 1,
        Err(error) => panic!("{error}"),
    };
    let reader = RecordingReader::open(&path).unwrap();
    assert!(
        !reader.description().is_live(),
        "it was killed and waited for"
    );
    assert_eq!(found.counters.ended_nanos, None);
    assert_whole(&found);
    match found.counters.events_begun {
        0 => tally.without_events += 1,
        begun => {
            tally.with_events += 1;
            tally.overwritten += u32::from(begun > u64::from(EVENT_CAPACITY));
        }
    }
}

fn assert_whole(found: &Everything) {
    let begun = found.counters.events_begun;
    assert_eq!(found.stalls.len() as u64 + found.lost, begun);
    // All but those that each thread was just writing, or gave up because another was.
    let kept = begun.min(u64::from(EVENT_CAPACITY));
    let missing = LOOPS + found.counters.events_dropped;
    assert!(found.stalls.len() as u64 + missing >= kept, "{found:?}");
    for stall in &found.stalls {
        // One that was killed while it took its slot is not among them.
        let mut loops = found.loops.iter();
        let state = loops.find(|state| state.slot == stall.slot).unwrap();
        let length = stall.ended_nanos - stall.started_nanos;
        assert_eq!(length, declared_nanos(state.poll_key), "{stall:?}");
        assert_eq!(stall.ended_nanos, 1 + stall.iteration * length);
    }
    assert_whole_tables(found);
}

fn assert_whole_tables(found: &Everything) {
    for fact in &found.facts {
        let subject = fact.subject.unwrap();
        let message = child::declared_message(subject.into(), fact.identity);
        assert_eq!(fact.message, message, "a torn fact");
    }
    for site in &found.tables.task_sites {
        assert!(site.site.coroutine.starts_with("work_"), "{site:?}");
        // Each thread may have been between the two counters.
        assert!(site.alive() <= LOOPS, "{site:?}");
    }
}
