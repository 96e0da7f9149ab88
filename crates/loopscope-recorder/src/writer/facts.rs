//! Writes facts with texts into their ring.

use std::sync::atomic::Ordering::{Relaxed, Release};

use super::Recording;
use super::ring::take_record;
use super::texts::{head, tail};
use crate::layout::{
    FACT_CAPACITY, FACT_NAME_BYTES, FACT_NUMBERS, FACT_TEXT_BYTES, FACT_WORDS, FILE_TEXT_BYTES,
    FUNCTION_TEXT_BYTES, FactKind, LoopOwner, MESSAGE_BYTES, Table, checksum,
};

/// Something that happened once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactRecord<'a> {
    /// What.
    pub kind: FactKind,
    /// The loop that it happened on.
    pub owner: LoopOwner,
    /// The slot that it is about, in the table that goes with the kind.
    pub subject: Option<u32>,
    /// The native id of the thread; 0 where it is not known.
    pub thread_id: u32,
    /// What joins facts about one thing: a failure and that it was retrieved.
    pub identity: u64,
    /// How many such things this stands for, where a writer limits their rate; 1 for one.
    pub count: u32,
    /// When it began.
    pub started_nanos: u64,
    /// When it ended, or was seen; 0 while it lasts.
    pub ended_nanos: u64,
    /// The name that goes with the kind.
    pub name: &'a str,
    /// The type of the error.
    pub error_type: &'a str,
    /// The error's message.
    pub message: &'a str,
    /// Where, innermost first. As many as fit are kept.
    pub frames: &'a [FactFrame<'a>],
}

/// One frame of a fact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FactFrame<'a> {
    /// The source file.
    pub file: &'a str,
    /// The line.
    pub line: u32,
    /// The function.
    pub function: &'a str,
}

impl FactRecord<'_> {
    /// A fact of this kind of which nothing is known yet, to be filled in by `..`.
    pub const fn new(kind: FactKind) -> Self {
        Self {
            kind,
            owner: LoopOwner::Nobody,
            subject: None,
            thread_id: 0,
            identity: 0,
            count: 1,
            started_nanos: 0,
            ended_nanos: 0,
            name: "",
            error_type: "",
            message: "",
            frames: &[],
        }
    }
}

impl Recording {
    /// Writes a fact over the oldest one. False, and counted, where another writer holds that record.
    ///
    /// Threads: any. A few microseconds; 4 KiB of stack, no allocation, no system call. Fork: see
    /// [`super`].
    pub fn push_fact(&self, fact: &FactRecord<'_>) -> bool {
        let words = words_of(fact);
        let table = self.head(Table::Facts);
        let number = table.used.fetch_add(1, Relaxed);
        let place = (number % u64::from(FACT_CAPACITY)) as usize;
        let Some(record) = self.0.facts.get(place) else {
            return false;
        };
        let Some(finished) = take_record(&record.sequence, number) else {
            table.dropped.fetch_add(1, Relaxed);
            return false;
        };
        for (place, word) in record.words.iter().zip(words) {
            place.store(word, Relaxed);
        }
        record.checksum.store(checksum(finished, &words), Relaxed);
        record.sequence.store(finished, Release);
        true
    }
}

fn words_of(fact: &FactRecord<'_>) -> [u64; FACT_WORDS] {
    let mut texts = Texts::new();
    for (text, most) in [
        (fact.name, FACT_NAME_BYTES),
        (fact.error_type, FACT_NAME_BYTES),
        (fact.message, MESSAGE_BYTES),
    ] {
        texts.put(head(text, most));
    }
    let frames = fact.frames.iter();
    let kept = frames.take_while(|frame| texts.put_frame(frame)).count() as u32;
    let left_out = fact.frames.len() as u32 - kept;
    let numbers: [u64; FACT_NUMBERS] = [
        pack(fact.kind as u32, fact.count),
        fact.owner.packed(),
        pack(
            fact.subject.map_or(0, |slot| slot.wrapping_add(1)),
            fact.thread_id,
        ),
        fact.identity,
        fact.started_nanos,
        fact.ended_nanos,
        pack(kept, left_out),
        texts.used as u64,
    ];
    std::array::from_fn(|index| match numbers.get(index) {
        Some(number) => *number,
        None => texts.word(index - FACT_NUMBERS),
    })
}

fn pack(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// Texts one after the other, each behind its length.
struct Texts {
    bytes: [u8; FACT_TEXT_BYTES],
    used: usize,
}

impl Texts {
    const fn new() -> Self {
        Self {
            bytes: [0; FACT_TEXT_BYTES],
            used: 0,
        }
    }

    fn put_frame(&mut self, frame: &FactFrame<'_>) -> bool {
        let file = tail(frame.file, FILE_TEXT_BYTES);
        let function = head(frame.function, FUNCTION_TEXT_BYTES);
        let needed = 4 + 2 + file.len() + 2 + function.len();
        if needed > FACT_TEXT_BYTES - self.used {
            return false;
        }
        self.put_bytes(&frame.line.to_ne_bytes());
        self.put(file);
        self.put(function);
        true
    }

    /// Nothing is put of what does not fit.
    fn put(&mut self, text: &str) {
        if 2 + text.len() <= FACT_TEXT_BYTES - self.used {
            self.put_bytes(&(text.len() as u16).to_ne_bytes());
            self.put_bytes(text.as_bytes());
        }
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        let end = self.used + bytes.len();
        if let Some(place) = self.bytes.get_mut(self.used..end) {
            place.copy_from_slice(bytes);
            self.used = end;
        }
    }

    fn word(&self, index: usize) -> u64 {
        let bytes = self
            .bytes
            .get(index * 8..)
            .and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_fixed_texts_leave_room_for_frames() {
        const { assert!(FACT_TEXT_BYTES > 3 * 2 + 2 * FACT_NAME_BYTES + MESSAGE_BYTES + 512) }
    }

    #[test]
    fn frames_that_do_not_fit_are_counted_as_left_out() {
        let long = "f".repeat(300);
        let frame = FactFrame {
            file: &long,
            line: 7,
            function: &long,
        };
        let frames = [frame; 20];
        let fact = FactRecord {
            frames: &frames,
            ..FactRecord::new(FactKind::TaskFailed)
        };
        let words = words_of(&fact);
        let (kept, left_out) = (words[6] as u32, (words[6] >> 32) as u32);
        assert_eq!((kept, left_out), (8, 12));
    }
}
