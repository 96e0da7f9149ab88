//! Slots are exchanged, and the pages that they lie on are left as they were.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use crate::image::{CODE, Image, NAMES, OPEN_SLOT, SEALED_SLOT};
use crate::mappings::{Access, Mappings};
use crate::slots::{Changes, Direction, Function, change};

const POLL: Function = Function {
    own: 0x1110,
    real: 0x1118,
};
const CLOSE: Function = Function {
    own: 0x2220,
    real: 0x2228,
};
const FUNCTIONS: [Function; 3] = [POLL, CLOSE, Function { own: 1, real: 0 }];

fn mappings() -> Mappings {
    let mut mappings = Mappings::with_room().unwrap();
    mappings.read();
    mappings
}

fn turn(image: &Image, direction: Direction) -> u32 {
    turned(image, direction).changed
}

fn turned(image: &Image, direction: Direction) -> Changes {
    change(&image.object(), &NAMES, &FUNCTIONS, &mappings(), direction)
}

/// An image whose loading is complete: each slot holds the real function.
fn loaded() -> Image {
    let image = Image::new();
    image.put_word(SEALED_SLOT, POLL.real);
    image.put_word(OPEN_SLOT, CLOSE.real);
    image.seal();
    image
}

fn held(image: &Image) -> (usize, usize) {
    (image.word(SEALED_SLOT), image.word(OPEN_SLOT))
}

#[test]
fn slots_are_changed_once_and_put_back_once() {
    let image = loaded();
    assert_eq!(turn(&image, Direction::In), 2);
    assert_eq!(held(&image), (POLL.own, CLOSE.own));
    assert_eq!(turn(&image, Direction::In), 0);
    assert_eq!(turn(&image, Direction::Out), 2);
    assert_eq!(held(&image), (POLL.real, CLOSE.real));
    assert_eq!(turn(&image, Direction::Out), 0);
}

#[test]
fn a_page_that_was_read_only_is_read_only_again() {
    let image = loaded();
    turn(&image, Direction::In);
    let after = mappings();
    assert_eq!(after.access(image.base + SEALED_SLOT), Some(Access::Read));
    assert_eq!(after.access(image.base + OPEN_SLOT), Some(Access::Write));
}

#[test]
fn a_page_that_the_loader_has_yet_to_seal_is_left_alone() {
    let image = Image::new();
    image.put_word(SEALED_SLOT, POLL.real);
    image.put_word(OPEN_SLOT, CLOSE.real);
    assert_eq!(turn(&image, Direction::In), 1);
    assert_eq!(held(&image), (POLL.real, CLOSE.own));
}

#[test]
fn a_slot_that_was_never_called_through_is_changed_and_one_of_data_is_not() {
    let image = loaded();
    let stub = image.base + CODE + 6;
    image.put_word(OPEN_SLOT, stub);
    assert_eq!(turn(&image, Direction::In), 2);
    assert_eq!(held(&image).1, CLOSE.own);
    let other = Image::new();
    other.put_word(SEALED_SLOT, other.base + CODE + 6);
    other.seal();
    assert_eq!(turn(&other, Direction::In), 0);
}

#[test]
fn a_slot_with_somebody_elses_function_keeps_it() {
    let image = loaded();
    image.put_word(OPEN_SLOT, 0x3330);
    assert_eq!(turn(&image, Direction::In), 1);
    assert_eq!(turn(&image, Direction::Out), 1);
    assert_eq!(held(&image), (POLL.real, 0x3330));
}

#[test]
fn a_function_that_the_process_does_not_have_is_not_stood_in_for() {
    let image = loaded();
    image.put_word(OPEN_SLOT, 0);
    let functions = [POLL, Function { own: 9, real: 0 }, CLOSE];
    let changed = change(
        &image.object(),
        &NAMES,
        &functions,
        &mappings(),
        Direction::In,
    );
    assert_eq!((changed.changed, held(&image).1), (1, 0));
}

#[test]
fn what_may_look_different_next_time_is_told() {
    let pending = |image: &Image| turned(image, Direction::In).is_pending;
    let image = loaded();
    assert!(!pending(&image) && !pending(&image));
    image.put_word(OPEN_SLOT, 0x3330_0000_3330);
    assert!(!pending(&image), "somebody else's stays");
    for unsettled in [0, CODE + 6, image.base + CODE + 6] {
        image.put_word(OPEN_SLOT, unsettled);
        assert!(pending(&image), "{unsettled:#x}");
    }
    assert!(pending(&Image::new()), "a page that is yet to be sealed");
}

#[test]
fn whoever_reads_meanwhile_finds_one_function_or_the_other() {
    let image = loaded();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                let (poll, close) = held(&image);
                assert!(poll == POLL.own || poll == POLL.real);
                assert!(close == CLOSE.own || close == CLOSE.real);
            }
        });
        for _ in 0..300 {
            assert_eq!(turn(&image, Direction::In), 2);
            assert_eq!(turn(&image, Direction::Out), 2);
        }
        is_over.store(true, Relaxed);
    });
}

#[test]
fn mappings_are_read_by_their_access() {
    let text = "1000-2000 r--p 00000000 00:00 0 /lib/a\n\
         2000-3000 rw-p 00000000 00:00 0\n\
         4000-5000 r-xp 00000000 00:00 0 /lib/a\n\
         5000-6000 rw-s 00000000 00:00 0 /dev/shm/x\n\
         no mapping at all\n\
         6000-7000 rw-p 0000";
    let mut mappings = Mappings::with_room_for(text.into());
    mappings.parse(text.len());
    let access = |address| mappings.access(address);
    assert_eq!((access(0xfff), access(0x3000)), (None, None));
    assert_eq!(access(0x1fff), Some(Access::Read));
    assert_eq!(access(0x2000), Some(Access::Write));
    assert_eq!(access(0x4800), Some(Access::Other));
    assert_eq!(access(0x5000), Some(Access::Other));
    assert_eq!(access(0x6000), None, "a line that was cut is not believed");
}
