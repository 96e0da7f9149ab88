//! What is found in an object's tables, and that nothing in them leads out of it.

use proptest::prelude::*;

use crate::elf::Import;
use crate::image::{
    CODE, DATA_RELOCATIONS, DYNAMIC, Image, JUMP_RELOCATIONS, NAMES, OPEN_SLOT, SEALED_SLOT,
    STRINGS, SYMBOLS,
};

fn imports(image: &Image) -> Vec<Import> {
    let mut found = Vec::new();
    image.object().imports(&NAMES, |import| found.push(import));
    found
}

fn expected(image: &Image) -> Vec<Import> {
    let import = |slot, name, is_jump| Import {
        slot: image.base + slot,
        name,
        is_jump,
    };
    vec![import(SEALED_SLOT, 0, false), import(OPEN_SLOT, 1, true)]
}

#[test]
fn imported_functions_of_the_wanted_names_are_found_and_nothing_else() {
    let image = Image::new();
    assert_eq!(imports(&image), expected(&image));
}

#[test]
fn tables_are_found_too_where_the_loader_left_their_addresses_as_they_were() {
    let image = Image::new();
    for (index, tag, start) in [
        (0, 6, SYMBOLS),
        (1, 5, STRINGS),
        (4, 7, DATA_RELOCATIONS),
        (8, 23, JUMP_RELOCATIONS),
    ] {
        image.put_dynamic(index, tag, start as u64);
    }
    assert_eq!(imports(&image), expected(&image));
}

#[test]
fn what_lies_where_is_told_by_the_headers() {
    let image = Image::new();
    let (object, base) = (image.object(), image.base);
    assert!(object.holds(base) && !object.holds(base - 1) && !object.holds(base + 4 * CODE));
    assert!(object.holds_code(base + CODE) && !object.holds_code(base + DYNAMIC));
    assert!(object.seals(base + SEALED_SLOT) && !object.seals(base + OPEN_SLOT));
}

#[test]
fn a_range_that_ends_within_a_page_leaves_that_page_open() {
    let mut image = Image::new();
    image.headers[4].p_memsz += 0x20;
    assert!(!image.object().seals(image.base + OPEN_SLOT));
}

#[test]
fn a_table_of_relocations_of_another_kind_is_passed_over() {
    let image = Image::new();
    image.put_dynamic(7, 20, 17);
    assert_eq!(imports(&image), expected(&image)[..1]);
    image.put_dynamic(6, 9, 16);
    assert!(imports(&image).is_empty());
}

#[test]
fn a_slot_that_is_not_writable_or_not_aligned_is_passed_over() {
    let image = Image::new();
    for slot in [CODE, OPEN_SLOT + 1, 4 * CODE, usize::MAX - 7] {
        image.put_relocation(JUMP_RELOCATIONS, 0, (slot, 2, 7));
        assert_eq!(imports(&image), expected(&image)[..1], "{slot:#x}");
    }
}

#[test]
fn an_object_without_a_dynamic_section_imports_nothing() {
    let mut image = Image::new();
    image.headers.remove(3);
    assert!(imports(&image).is_empty());
}

/// Numbers that tend to break bounds.
fn hostile() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0..0x5000u64,
        (0..64u64).prop_map(|low| u64::MAX - low),
        (0..64u64).prop_map(|low| (1 << 63) + low),
    ]
}

proptest! {
    /// The memory that is read says where anything else is asked for.
    #[test]
    fn no_table_leads_out_of_its_object(
        entries in prop::collection::vec((0..16usize, 0..26u64, hostile(), any::<bool>()), 0..12),
        words in prop::collection::vec((0..0x200usize, hostile()), 0..40),
    ) {
        let image = Image::new();
        for (index, tag, value, is_moved) in entries {
            let value = if is_moved { value.wrapping_add(image.base as u64) } else { value };
            image.put_dynamic(index.min(10), tag, value);
        }
        for (place, value) in words {
            image.put(place * 8, &value.to_ne_bytes());
        }
        for import in imports(&image) {
            let offset = import.slot - image.base;
            prop_assert!((DYNAMIC..DYNAMIC + 0x2000).contains(&offset) && offset.is_multiple_of(8));
            prop_assert!(import.name < NAMES.len());
        }
    }
}
