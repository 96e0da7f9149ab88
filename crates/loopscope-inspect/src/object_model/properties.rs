//! The object model and all that builds on it, over memory that nobody made sense of.
//!
//! Whatever the bytes are, a read ends with a value or an error: no panic, no endless list, no large
//! allocation. The memory's words are mostly pointers into itself, so that reads get far.

use proptest::collection::vec;
use proptest::prelude::*;

use super::fake::FakeMemory;
use super::{typed, *};
use crate::asyncio::{AwaitChain, DueTimes, FoundTasks, KnownListeners, QueueOffsets};
use crate::codes::CodeCache;
use crate::frames;
use crate::layout::PythonVersion;
use crate::sampler::Sampler;
use crate::threads::{PythonThread, ThreadIds};

const BASE: u64 = 0x10_0000;
const WORDS: usize = 1024;

/// The flags that make a type a type, a string, an integer and a dictionary at once.
const TEMPTING_FLAGS: u64 = 1 << 31 | 1 << 28 | 1 << 24 | 1 << 29 | 1 << 4 | 1 << 2;

pub(crate) fn layouts() -> Vec<Layout> {
    (9..=15)
        .filter_map(|minor| {
            Layout::for_version(PythonVersion {
                major: 3,
                minor,
                patch: 0,
            })
        })
        .collect()
}

fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => (0..WORDS as u64).prop_map(|index| BASE + 8 * index),
        2 => 0_u64..64,
        1 => Just(TEMPTING_FLAGS),
        1 => Just(u64::from_le_bytes(*b"dict\0str")),
        1 => any::<u64>(),
    ]
}

fn memory() -> impl Strategy<Value = FakeMemory> {
    vec(word(), WORDS).prop_map(|words| {
        let mut memory = FakeMemory::default();
        for (index, word) in words.into_iter().enumerate() {
            memory.put_word(BASE + 8 * index as u64, word);
        }
        memory
    })
}

/// Each reader on one address.
fn read_everything(memory: &FakeMemory, layout: Layout, address: u64) {
    let mut reader = ObjectReader::new(memory, layout);
    let thread = PythonThread {
        state: address,
        interpreter: address,
        ident: address,
    };
    let _ = reader
        .type_of(address)
        .and_then(|class| reader.qualified_type_name(&class));
    let _ = reader.string(address);
    let _ = reader.unsigned(address);
    let _ = reader.dict_get(address, "key");
    let _ = reader.attribute(address, "_ready");
    let _ = reader.deque_left_position(address);
    let _ = reader.python_threads(address);
    let _ = reader.gil_holder(address, address);
    let _ = reader.running_loop(&thread, 1);
    let _ = reader.current_task(&thread, address);
    let _ = reader.task_name(address);
    read_containers(&mut reader, address);
    read_asyncio(&mut reader, address);
    let _ = reader.task_frame(address);
    let _ = reader.fit_tasks(&[address, address + 8]);
    let _ = reader.thread_name(&thread);
    let _ = reader.callback_position(address, &mut QueueOffsets::default());
    let mut codes = CodeCache::default();
    for offset in [-1, 0, 7, i64::MAX] {
        let _ = codes.frame(&mut reader, address, offset);
    }
    if let Ok(outline) = reader.outline(address) {
        let _ = frames::resolve(&mut reader, &mut codes, &outline);
    }
}

fn read_containers(reader: &mut ObjectReader<&FakeMemory>, address: u64) {
    let _ = reader.dict_items(address);
    let _ = reader.list_items(address);
    let _ = reader.set_items(address);
    let _ = reader.set_length(address);
    let _ = reader.tuple_items(address);
    let _ = reader.tuple_item(address, 1);
    let _ = reader.weak_set_items(address, &mut Vec::new());
    let _ = reader.deque_length(address);
    let _ = reader.deque_first(address);
    let _ = reader.float(address);
    let _ = reader.truth(address);
    let _ = reader.exception_message(address);
    let _ = reader.slot_place(address, "_when");
    let _ = reader.pointers(address, [8, 4088, 16]);
}

fn read_asyncio(reader: &mut ObjectReader<&FakeMemory>, address: u64) {
    let mut found = FoundTasks::default();
    let mut known = KnownListeners::default();
    let thread = PythonThread {
        state: address,
        interpreter: address,
        ident: address,
    };
    let _ = reader.find_tasks(address, &[thread], &mut found);
    let _ = reader.task_words(address);
    let _ = reader.future_state(address);
    let _ = reader.future_loop(address);
    let _ = reader.callbacks(address, usize::MAX);
    let _ = reader.listener(address, &mut known);
    let _ = reader.awaiters(address, usize::MAX);
    let _ = reader.parents(address);
    let _ = reader.live_generator(address);
    let _ = reader.follow_chain(address, &mut AwaitChain::default());
    let _ = reader.primitive_detail(address);
    let _ = reader.first_variable(address);
    let _ = reader.is_method_code(address);
    let _ = reader.function_name(address);
    let _ = reader.closure(address);
    let _ = reader.bound_method(address);
    let _ = reader.partial_arguments(address);
    let _ = reader.timers(address);
    let _ = reader.timer_due(address, &mut None, &mut DueTimes::default());
    let _ = reader.ready_count(address, &mut QueueOffsets::default());
    let _ = reader.is_loop_closed(address);
    let _ = reader.thread_names(address);
    let _ = reader.fit_tasks(&[address]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_end_in_a_value_or_an_error(memory in memory(), index in 0..WORDS as u64) {
        for layout in layouts() {
            read_everything(&memory, layout, BASE + 8 * index);
        }
    }

    #[test]
    fn objects_that_are_what_they_say_and_hold_anything_end_in_a_value_or_an_error(
        words in typed::words(),
        index in 0..typed::WORDS as u64,
    ) {
        for layout in layouts() {
            let memory = typed::memory(&words, &layout);
            read_everything(&memory, layout, typed::BASE + 8 * index);
        }
    }

    #[test]
    fn a_look_at_any_bytes_ends(memory in memory(), index in 0..WORDS as u64) {
        let pid = std::process::id();
        for layout in layouts() {
            let runtime = BASE + 8 * index;
            let mut sampler = Sampler::new(&memory, layout, runtime, ThreadIds::new(pid));
            let _ = sampler.validate();
            let _ = sampler.sample(pid);
        }
    }
}

/// A type, its metatype and an object of it, as 3.12 lays them out, so that a look-alike can be made.
fn memory_with_object(flags: u64) -> (FakeMemory, u64) {
    let (metatype, class, name, object) = (BASE, BASE + 0x400, BASE + 0x800, BASE + 0xc00);
    let layout = layouts()[3].type_object;
    let mut memory = FakeMemory::default();
    memory.put_word(metatype + TYPE_POINTER, metatype);
    memory.put_word(metatype + layout.flags, 1 << 31);
    memory.put_word(class + TYPE_POINTER, metatype);
    memory.put_word(class + layout.flags, flags);
    memory.put_word(class + layout.name, name);
    memory.put(name, b"thing\0");
    memory.put_word(object + TYPE_POINTER, class);
    (memory, object)
}

#[test]
fn an_object_is_what_its_types_flags_say() {
    let kind = |flags| {
        let (memory, object) = memory_with_object(flags);
        ObjectReader::new(&memory, layouts()[3])
            .type_of(object)
            .map(|class| class.kind)
    };
    assert_eq!(kind(1 << 28), Ok(Kind::Str));
    assert_eq!(kind(1 << 24), Ok(Kind::Int));
    assert_eq!(kind(1 << 29), Ok(Kind::Dict));
    assert_eq!(kind(0), Ok(Kind::Other));
}

#[test]
fn a_pointer_whose_type_has_no_metatype_is_no_object() {
    let (mut memory, object) = memory_with_object(0);
    memory.put_word(BASE + layouts()[3].type_object.flags, 0);
    let outcome = ObjectReader::new(&memory, layouts()[3]).type_of(object);
    assert!(
        matches!(outcome, Err(ReadError::Unexpected { .. })),
        "{outcome:?}"
    );
}

#[test]
fn a_string_that_claims_a_huge_length_is_refused() {
    let (mut memory, object) = memory_with_object(1 << 28);
    memory.put_word(object + layouts()[3].string.length, u64::MAX / 2);
    let outcome = ObjectReader::new(&memory, layouts()[3]).string(object);
    assert!(
        matches!(outcome, Err(ReadError::Unexpected { .. })),
        "{outcome:?}"
    );
}

#[test]
fn a_ring_of_frames_ends() {
    let layout = layouts()[1];
    let mut memory = FakeMemory::default();
    memory.put_word(BASE + 24, BASE + 0x200);
    memory.put_word(BASE + 0x200 + layout.frame.previous, BASE + 0x200);
    let outline = ObjectReader::new(&memory, layout).outline(BASE).unwrap();
    assert_eq!(outline.frames.len(), 2048);
}

#[test]
fn a_ring_of_threads_is_an_error() {
    let layout = layouts()[1];
    let mut memory = FakeMemory::default();
    memory.put_word(BASE + layout.interpreters_head, BASE + 0x400);
    memory.put_word(BASE + 0x400 + layout.interpreter.threads_head, BASE + 0x800);
    memory.put_word(BASE + 0x800 + layout.thread.next, BASE + 0x800);
    let outcome = ObjectReader::new(&memory, layout).python_threads(BASE);
    assert!(
        matches!(outcome, Err(ReadError::Unexpected { .. })),
        "{outcome:?}"
    );
}
