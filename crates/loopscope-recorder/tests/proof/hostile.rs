//! Files that nobody should trust: any bytes, and recordings with something changed.
//!
//! Whatever is in the file, reading it ends, does not panic, and takes no more memory than the largest
//! file that the reader accepts.
#![expect(unsafe_code, reason = "an allocator that notes the largest request")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use loopscope_recorder::layout::{
    EVENTS_OFFSET, EventSlot, FACTS_OFFSET, FILE_BYTES, FactSlot, Header, TASK_SITES_OFFSET,
};
use loopscope_recorder::reader::ReadError;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::everything::read_everything;
use crate::filled::fill;
use crate::{MILLIS, create, loop_spec, scratch};

/// Twice the reader's own limit: what it decodes may stand beside what it read.
const MOST_REQUEST_BYTES: usize = 8 << 20;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

struct Noting;

#[global_allocator]
static ALLOCATOR: Noting = Noting;

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.with(|largest| largest.set(largest.get().max(layout.size())));
        // SAFETY: by the caller's word.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        // SAFETY: by the caller's word.
        unsafe { System.dealloc(address, layout) }
    }
}

/// Reads the file; its content may be anything.
fn assert_withstands(path: &Path) -> Result<(), ReadError> {
    LARGEST.set(0);
    let found = read_everything(path);
    let largest = LARGEST.get();
    assert!(largest <= MOST_REQUEST_BYTES, "asked for {largest} bytes");
    if let Err(error) = &found {
        assert!(error.to_string().ends_with(&path.display().to_string()));
        assert!(!error.hint().is_empty());
    }
    found.map(drop)
}

/// A valid recording with everything in it.
fn sample() -> Vec<u8> {
    let folder = scratch();
    let (recording, path) = create(&folder);
    for key in 1..=5 {
        let stamps = recording.claim_loop(&loop_spec(key)).unwrap();
        for turn in 1..=30 * key {
            stamps.leave_poll(turn * 300 * MILLIS, turn * 300 * MILLIS + 1);
            stamps.enter_poll(turn * 300 * MILLIS + key * 50 * MILLIS, true);
        }
    }
    fill(&recording);
    recording.close(Some(3));
    fs::read(path).unwrap()
}

#[test]
fn each_word_of_the_header_at_each_extreme_is_withstood() {
    let (folder, bytes) = (scratch(), sample());
    let path = folder.path().join("extreme.loopscope");
    fs::write(&path, &bytes).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    let extremes = [0, 1, 2, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, u32::MAX];
    let limit = FILE_BYTES as u32;
    for at in (0..size_of::<Header>()).step_by(4) {
        for value in extremes.into_iter().chain([limit - 1, limit, limit + 1]) {
            file.write_all_at(&value.to_ne_bytes(), at as u64).unwrap();
            let _ = assert_withstands(&path);
        }
        file.write_all_at(&bytes[at..at + 4], at as u64).unwrap();
    }
    assert!(assert_withstands(&path).is_ok(), "everything was put back");
}

#[test]
fn a_recording_cut_anywhere_is_damaged_or_unfinished_or_says_what_is_left() {
    let (folder, bytes) = (scratch(), sample());
    let path = folder.path().join("cut.loopscope");
    let lengths = (0..600).chain((600..bytes.len()).step_by(7919));
    for length in lengths {
        fs::write(&path, &bytes[..length]).unwrap();
        let found = assert_withstands(&path);
        let expected = match length {
            0 => matches!(found, Err(ReadError::Unfinished { .. })),
            _ => matches!(found, Err(ReadError::Damaged { .. })),
        };
        assert!(expected, "{length} bytes: {found:?}");
    }
}

#[test]
fn a_file_larger_than_any_recording_is_not_read() {
    let (folder, bytes) = (scratch(), sample());
    let path = folder.path().join("huge.loopscope");
    fs::write(&path, &bytes).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    let error = assert_withstands(&path).unwrap_err();
    assert!(error.to_string().contains("larger than any"), "{error}");
}

#[test]
fn a_torn_record_is_counted_and_not_told() {
    let (folder, bytes) = (scratch(), sample());
    let path = folder.path().join("torn.loopscope");
    fs::write(&path, &bytes).unwrap();
    let whole = read_everything(&path).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    for word in 2..7 {
        let at = EVENTS_OFFSET + 5 * size_of::<EventSlot>() + word * 8;
        file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
        let torn = read_everything(&path).unwrap();
        file.write_all_at(&[bytes[at]], at as u64).unwrap();
        let mut rest = whole.stalls.clone();
        rest.remove(5);
        assert_eq!((torn.stalls, torn.lost), (rest, whole.lost + 1));
    }
}

#[test]
fn a_torn_fact_is_counted_and_not_told() {
    let (folder, bytes) = (scratch(), sample());
    let path = folder.path().join("torn-fact.loopscope");
    fs::write(&path, &bytes).unwrap();
    let whole = read_everything(&path).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    for word in 2..size_of::<FactSlot>() / 8 {
        let at = FACTS_OFFSET + size_of::<FactSlot>() + word * 8;
        file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
        let torn = read_everything(&path).unwrap();
        file.write_all_at(&[bytes[at]], at as u64).unwrap();
        let mut rest = whole.facts.clone();
        rest.remove(1);
        assert_eq!((torn.facts, torn.facts_lost), (rest, 1), "word {word}");
    }
}

#[test]
fn control_characters_do_not_reach_a_terminal() {
    let (folder, mut bytes) = (scratch(), sample());
    let path = folder.path().join("colourful.loopscope");
    let at = std::mem::offset_of!(Header, executable);
    bytes[at..at + 4].copy_from_slice(b"\x1b[2J");
    fs::write(&path, &bytes).unwrap();
    let reader = loopscope_recorder::reader::RecordingReader::open(&path).unwrap();
    let executable = &reader.description().executable;
    assert!(executable.starts_with("\u{fffd}[2J"), "{executable:?}");
}

/// Places where something stands, or anywhere.
fn flipped_place() -> impl Strategy<Value = usize> {
    let within = |offset: usize| offset..offset + 8192;
    prop_oneof![
        0..1024usize,
        within(TASK_SITES_OFFSET),
        within(FACTS_OFFSET),
        0..FILE_BYTES,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_withstood(bytes in vec(any::<u8>(), 0..5000)) {
        let folder = scratch();
        let path = folder.path().join("any.loopscope");
        fs::write(&path, &bytes).unwrap();
        let _ = assert_withstands(&path);
    }

    #[test]
    fn a_recording_with_flipped_bits_is_withstood(
        flips in vec((flipped_place(), 0..8u32), 1..40),
    ) {
        let folder = scratch();
        let path = folder.path().join("flipped.loopscope");
        let mut bytes = SAMPLE.clone();
        for (at, bit) in flips {
            bytes[at] ^= 1 << bit;
        }
        fs::write(&path, &bytes).unwrap();
        let _ = assert_withstands(&path);
    }
}

static SAMPLE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(sample);
