//! A made-up memory for tests whose objects have real types, so that readers believe them, and hold
//! anything.

use proptest::collection::vec;
use proptest::prelude::*;

use super::fake::FakeMemory;
use crate::layout::{CoroutineFrame, Layout};

/// Where the objects begin.
pub(crate) const BASE: u64 = 0x10_0000;

/// Words that objects are made of.
pub(crate) const WORDS: usize = 1024;

/// Where the types begin.
const TYPES: u64 = 0x20_0000;

/// The room of a type.
const TYPE_BYTES: u64 = 0x800;

/// Where the types' names begin.
const NAMES: u64 = 0x40_0000;

/// The room of a name.
const NAME_BYTES: u64 = 64;

const FLAG_HEAP_TYPE: u64 = 1 << 9;
const FLAG_TYPE: u64 = 1 << 31;

/// Names and flags of the types.
const KINDS: &[(&str, u64)] = &[
    ("str", 1 << 28),
    ("int", 1 << 24),
    ("dict", 1 << 29),
    ("list", 1 << 25),
    ("tuple", 1 << 26),
    ("set", 0),
    ("float", 0),
    ("NoneType", 0),
    ("code", 0),
    ("cell", 0),
    ("weakref", 0),
    ("function", 0),
    ("method", 0),
    ("builtin_function_or_method", 0),
    ("coroutine", 0),
    ("async_generator_asend", 0),
    ("coroutine_wrapper", 0),
    ("anext_awaitable", 0),
    ("collections.deque", FLAG_HEAP_TYPE),
    ("functools.partial", FLAG_HEAP_TYPE),
    ("_asyncio.FutureIter", FLAG_HEAP_TYPE),
    ("_asyncio.TaskStepMethWrapper", FLAG_HEAP_TYPE),
    ("_asyncio.Future", FLAG_HEAP_TYPE),
    ("_asyncio.Task", FLAG_HEAP_TYPE),
    ("_cython_3_1_2.coroutine", FLAG_HEAP_TYPE),
    ("WeakSet", FLAG_HEAP_TYPE),
    ("TimerHandle", FLAG_HEAP_TYPE | 1 << 4 | 1 << 2),
];

/// A word of an object: often a type, since every second word of a small object is one, or a neighbour.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => (0..KINDS.len() as u64).prop_map(type_address),
        6 => (0..WORDS as u64).prop_map(|index| BASE + 8 * index),
        3 => 0_u64..8,
        1 => 0_u64..4096,
        1 => any::<u64>(),
    ]
}

/// The words of all objects.
pub(crate) fn words() -> impl Strategy<Value = Vec<u64>> {
    vec(word(), WORDS)
}

/// The memory with these words, and types as a layout has them.
pub(crate) fn memory(words: &[u64], layout: &Layout) -> FakeMemory {
    let mut memory = FakeMemory::default();
    for (index, word) in words.iter().enumerate() {
        memory.put_word(BASE + 8 * index as u64, *word);
    }
    for (index, (name, flags)) in KINDS.iter().enumerate() {
        put_type(&mut memory, layout, index as u64, name, *flags);
    }
    memory
}

fn put_type(memory: &mut FakeMemory, layout: &Layout, index: u64, name: &str, flags: u64) {
    let fields = layout.type_object;
    let (class, text) = (type_address(index), NAMES + NAME_BYTES * index);
    let basic_size = match name {
        "_asyncio.Future" => layout.future.size,
        "_asyncio.Task" => layout.task.size,
        "coroutine" => match layout.generator.frame {
            CoroutineFrame::Pointer { .. } => 96,
            CoroutineFrame::Embedded { offset } => offset + layout.frame.locals,
        },
        _ => 256,
    };
    let words = [
        (8, METATYPE),
        (fields.name, text),
        (fields.basic_size, basic_size),
        (fields.flags, flags),
        (fields.members, BASE),
        (fields.mro, BASE + 512),
        (fields.dict, BASE + 1024),
        (fields.cached_keys, BASE + 2048),
    ];
    for (offset, word) in words {
        memory.put_word(class + offset, word);
    }
    memory.put(text, name.as_bytes());
    memory.put(text + name.len() as u64, &[0]);
    memory.put_word(METATYPE + 8, METATYPE);
    memory.put_word(METATYPE + fields.flags, FLAG_TYPE);
}

/// The type of the types.
const METATYPE: u64 = 0x30_0000;

fn type_address(index: u64) -> u64 {
    TYPES + TYPE_BYTES * index
}
