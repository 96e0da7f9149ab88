//! Any order of claims, stamps and ends reads back as a plain model of them says.

use loopscope_recorder::layout::{BUCKETS, bucket_limit_nanos};
use loopscope_recorder::reader::LoopState;
use loopscope_recorder::writer::LoopWriter;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::everything::read_everything;
use crate::{MILLIS, STALL_NANOS, create, loop_spec, scratch};

/// One call. `which` picks among the loops that were ever claimed, ended ones too.
#[derive(Clone, Debug)]
enum Call {
    Claim,
    Enter { which: usize, waits: bool },
    Leave { which: usize },
    End { which: usize },
}

fn any_call() -> impl Strategy<Value = (Call, u64)> {
    let which = 0..8usize;
    let call = prop_oneof![
        1 => Just(Call::Claim),
        6 => (which.clone(), any::<bool>()).prop_map(|(which, waits)| Call::Enter { which, waits }),
        6 => which.clone().prop_map(|which| Call::Leave { which }),
        1 => which.prop_map(|which| Call::End { which }),
    ];
    let elapsed = prop_oneof![0..2000u64, 0..50 * MILLIS, STALL_NANOS - 2..STALL_NANOS + 2];
    (call, elapsed)
}

/// A slot as it should be.
#[derive(Clone, Default, PartialEq, Debug)]
struct Slot {
    generation: u32,
    is_live: bool,
    poll_key: u64,
    busy_since: u64,
    entered: u64,
    last_beat: u64,
    idle: u64,
    busy: Vec<u64>,
}

impl Slot {
    fn enter(&mut self, now: u64, waits: bool) -> Option<(u64, u64)> {
        let began = self.busy_since;
        self.busy_since = if waits { 0 } else { now };
        self.last_beat = now;
        self.entered = now;
        (began != 0).then(|| {
            self.busy.push(now - began);
            (began, now)
        })
    }

    fn leave(&mut self, now: u64) {
        self.idle += now - self.entered;
        self.busy_since = now;
        self.last_beat = now;
    }

    fn assert_is(&self, read: &LoopState) {
        let stalls = self.busy.iter().filter(|busy| **busy >= STALL_NANOS);
        assert_eq!(read.generation, self.generation);
        assert_eq!((read.is_live, read.poll_key), (self.is_live, self.poll_key));
        assert_eq!(read.busy_since_nanos.unwrap_or(0), self.busy_since);
        assert_eq!(read.last_beat_nanos, self.last_beat);
        assert_eq!(read.idle_nanos, self.idle);
        assert_eq!(read.iterations, self.busy.len() as u64);
        assert_eq!(read.busy_nanos, self.busy.iter().sum::<u64>());
        let longest = self.busy.iter().max().copied().unwrap_or(0);
        assert_eq!(read.longest_busy_nanos, longest);
        assert_eq!(read.stalls, stalls.clone().count() as u64);
        assert_eq!(read.stall_nanos, stalls.sum::<u64>());
        assert_eq!(read.histogram, self.histogram());
    }

    /// Counted the slow way: by the buckets' limits.
    fn histogram(&self) -> [u64; BUCKETS] {
        let is_under = |bucket, busy| bucket_limit_nanos(bucket).is_none_or(|limit| busy < limit);
        let mut counts = [0; BUCKETS];
        for busy in &self.busy {
            let bucket = (0..BUCKETS)
                .find(|bucket| is_under(*bucket, *busy))
                .unwrap();
            counts[bucket] += 1;
        }
        counts
    }
}

/// The model, and beside it what is under test.
#[derive(Default)]
struct Both {
    slots: Vec<Slot>,
    writers: Vec<(usize, u32, LoopWriter)>,
    stalls: Vec<(u32, u32, u64, u64)>,
}

impl Both {
    fn claim(&mut self, writer: LoopWriter, poll_key: u64) {
        let free = self.slots.iter().position(|slot| !slot.is_live);
        let place = free.unwrap_or(self.slots.len());
        let generation = self.slots.get(place).map_or(0, |slot| slot.generation + 1);
        let fresh = Slot {
            generation,
            is_live: true,
            poll_key,
            ..Slot::default()
        };
        if place == self.slots.len() {
            self.slots.push(fresh);
        } else {
            self.slots[place] = fresh;
        }
        self.writers.push((place, generation, writer));
    }

    /// The picked loop, if it still lives: stamping an ended one is not allowed.
    fn living(&self, which: usize) -> Option<(usize, u32, LoopWriter)> {
        let picked = *self.writers.get(which)?;
        let slot = &self.slots[picked.0];
        (slot.is_live && slot.generation == picked.1).then_some(picked)
    }

    fn enter(&mut self, which: usize, waits: bool, now: u64) {
        let Some((place, generation, writer)) = self.living(which) else {
            return;
        };
        writer.enter_poll(now, waits);
        let ended = self.slots[place].enter(now, waits);
        let stall = ended.filter(|(began, until)| until - began >= STALL_NANOS);
        let stall = stall.map(|(began, until)| (place as u32, generation, began, until));
        self.stalls.extend(stall);
    }

    fn leave(&mut self, which: usize, now: u64) {
        if let Some((place, _, writer)) = self.living(which) {
            writer.leave_poll(self.slots[place].entered, now);
            self.slots[place].leave(now);
        }
    }

    fn end(&mut self, which: usize) {
        let Some((place, generation, writer)) = self.writers.get(which).copied() else {
            return;
        };
        writer.end();
        let slot = &mut self.slots[place];
        if slot.generation == generation && slot.is_live {
            (slot.is_live, slot.busy_since) = (false, 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_calls_reads_back_as_the_model_says(calls in vec(any_call(), 1..250)) {
        let folder = scratch();
        let (recording, path) = create(&folder);
        let mut both = Both::default();
        let mut now = 1;
        for (call, elapsed) in calls {
            now += elapsed;
            match call {
                Call::Claim => both.claim(recording.claim_loop(&loop_spec(now)).unwrap(), now),
                Call::Enter { which, waits } => both.enter(which, waits, now),
                Call::Leave { which } => both.leave(which, now),
                Call::End { which } => both.end(which),
            }
        }
        let found = read_everything(&path).unwrap();
        prop_assert_eq!(found.loops.len(), both.slots.len());
        for (slot, read) in both.slots.iter().zip(&found.loops) {
            slot.assert_is(read);
        }
        let told = found.stalls.iter();
        let told: Vec<_> = told
            .map(|stall| (stall.slot, stall.generation, stall.started_nanos, stall.ended_nanos))
            .collect();
        prop_assert_eq!((told, found.lost), (both.stalls, 0));
    }
}
