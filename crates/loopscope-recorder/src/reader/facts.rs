//! Facts, as they stand in their ring.

use std::mem::offset_of;

use super::bytes::{shown, u64_at};
use super::ring::RingRead;
use crate::layout::{
    FACT_NUMBERS, FACT_TEXT_BYTES, FACT_WORDS, FactKind, FactSlot, LoopOwner, checksum,
};

/// A fact from the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactEvent {
    /// Its number in the recording.
    pub number: u64,
    /// What happened.
    pub kind: FactKind,
    /// The loop that it happened on.
    pub owner: LoopOwner,
    /// The slot that it is about, in the table that goes with the kind.
    pub subject: Option<u32>,
    /// The native id of the thread; 0 where it is not known.
    pub thread_id: u32,
    /// What joins facts about one thing.
    pub identity: u64,
    /// How many such things this stands for.
    pub count: u32,
    /// When it began.
    pub started_nanos: u64,
    /// When it ended, or was seen; `None` while it lasts.
    pub ended_nanos: Option<u64>,
    /// The name that goes with the kind.
    pub name: String,
    /// The type of the error; empty where there is none.
    pub error_type: String,
    /// The error's message.
    pub message: String,
    /// Where, innermost first.
    pub frames: Vec<FrameState>,
    /// Outer frames that found no room.
    pub frames_left_out: u32,
}

/// One frame of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameState {
    /// The source file.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The function.
    pub function: String,
}

/// What [`super::RecordingReader::read_facts`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whole records in the order of their numbers.
    pub events: Vec<FactEvent>,
    /// Records overwritten before they were read, or torn.
    pub lost: u64,
}

pub(super) fn decode_fact(bytes: &[u8], number: u64) -> RingRead<FactEvent> {
    let word = |offset| u64_at(bytes, offset).unwrap_or(0);
    let finished = number.wrapping_mul(2).wrapping_add(2);
    let sequence = word(offset_of!(FactSlot, sequence));
    if sequence < finished {
        return RingRead::Pending;
    }
    let first = offset_of!(FactSlot, words);
    let words: [u64; FACT_WORDS] = std::array::from_fn(|index| word(first + index * 8));
    let whole = word(offset_of!(FactSlot, checksum)) == checksum(finished, &words);
    if sequence > finished || !whole {
        return RingRead::Lost;
    }
    let kind = FactKind::ALL
        .into_iter()
        .find(|kind| *kind as u32 == words[0] as u32);
    let texts = bytes.get(first + FACT_NUMBERS * 8..first + FACT_WORDS * 8);
    match kind {
        Some(kind) => RingRead::Whole(fact_of(number, kind, &words, texts.unwrap_or_default())),
        None => RingRead::OtherKind,
    }
}

fn fact_of(number: u64, kind: FactKind, words: &[u64; FACT_WORDS], texts: &[u8]) -> FactEvent {
    let used = (words[7] as usize).min(FACT_TEXT_BYTES);
    let mut texts = Texts(texts.get(..used).unwrap_or_default());
    let [name, error_type, message] = [(); 3].map(|()| texts.take().unwrap_or_default());
    let frames = (0..words[6] as u32).map_while(|_| texts.take_frame());
    FactEvent {
        number,
        kind,
        owner: LoopOwner::unpacked(words[1]),
        subject: (words[2] as u32).checked_sub(1),
        thread_id: (words[2] >> 32) as u32,
        identity: words[3],
        count: ((words[0] >> 32) as u32).max(1),
        started_nanos: words[4],
        ended_nanos: Some(words[5]).filter(|nanos| *nanos != 0),
        name,
        error_type,
        message,
        frames: frames.collect(),
        frames_left_out: (words[6] >> 32) as u32,
    }
}

/// Texts one after the other, each behind its length.
struct Texts<'a>(&'a [u8]);

impl Texts<'_> {
    fn take(&mut self) -> Option<String> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (text, rest) = rest.split_at_checked(u16::from_ne_bytes(*length).into())?;
        self.0 = rest;
        Some(shown(text))
    }

    fn take_frame(&mut self) -> Option<FrameState> {
        let (line, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(FrameState {
            line: u32::from_ne_bytes(*line),
            file: self.take()?,
            function: self.take()?,
        })
    }
}
