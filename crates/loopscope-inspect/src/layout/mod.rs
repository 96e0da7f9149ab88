//! Where things are inside the interpreter: typed byte offsets for each supported minor version.
//!
//! A [`Layout`] is a table of constants ([`tables`]) that a 3.13+ interpreter's own offset table
//! ([`debug_offsets`]) overrides, and what `_asyncio` says of itself from 3.14 on ([`asyncio_debug`]).
//! Offsets of the interpreter are the same in all patch releases of one minor version; those of `_asyncio`
//! are not always, which is why [`crate::probe`] looks at live tasks before it believes them. The tables hold
//! for 64-bit Linux on x86-64 with the interpreter's lock (not free-threaded); the target step refuses anything
//! else. This module reads nothing itself.

pub(crate) mod asyncio_debug;
pub(crate) mod debug_offsets;
pub(crate) mod fixed;

mod asyncio;
mod generators;
mod tables;

#[cfg(test)]
mod tests;

pub(crate) use asyncio::{
    AwaitedBy, Flag, FutureLayout, STATE_CANCELLED, STATE_FINISHED, STATE_PENDING, TaskLayout,
    TaskLists, TaskRegistry,
};
pub(crate) use generators::{
    AwaitingTest, CoroutineFrame, GeneratorLayout, GeneratorPhase, GeneratorState, StackTop,
};

use crate::dump::LayoutSource;

/// The version of an interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PythonVersion {
    /// The 3 of 3.12.1.
    pub major: u8,
    /// The 12 of 3.12.1.
    pub minor: u8,
    /// The 1 of 3.12.1.
    pub patch: u8,
}

impl PythonVersion {
    /// From `PY_VERSION_HEX`.
    pub fn from_hex(hex: u32) -> Self {
        let [_, patch, minor, major] = hex.to_le_bytes();
        Self {
            major,
            minor,
            patch,
        }
    }
}

impl std::fmt::Display for PythonVersion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The offsets of one minor version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Where the offsets come from.
    pub(crate) source: LayoutSource,
    /// `_PyRuntimeState.interpreters.head`.
    pub(crate) interpreters_head: u64,
    /// `PyInterpreterState`.
    pub(crate) interpreter: InterpreterLayout,
    /// Where the interpreter's lock says who holds it.
    pub(crate) gil: GilLayout,
    /// `PyThreadState`.
    pub(crate) thread: ThreadLayout,
    /// Python frames.
    pub(crate) frame: FrameLayout,
    /// `PyCodeObject`.
    pub(crate) code: CodeLayout,
    /// `PyTypeObject`.
    pub(crate) type_object: TypeLayout,
    /// `PyASCIIObject` and `PyCompactUnicodeObject`.
    pub(crate) string: StringLayout,
    /// How `int` stores its size and sign.
    pub(crate) int: IntSize,
    /// `PyDictObject` and its keys.
    pub(crate) dict: DictLayout,
    /// How instances keep their attributes.
    pub(crate) attributes: AttributeStorage,
    /// Generators, coroutines and async generators.
    pub(crate) generator: GeneratorLayout,
    /// Tuples, lists and sets.
    pub(crate) containers: ContainerLayout,
    /// `PyFunctionObject`.
    pub(crate) function: FunctionLayout,
    /// `_asyncio.Future`.
    pub(crate) future: FutureLayout,
    /// `_asyncio.Task`.
    pub(crate) task: TaskLayout,
    /// Where asyncio keeps its tasks.
    pub(crate) task_registry: TaskRegistry,
}

/// `PyInterpreterState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InterpreterLayout {
    /// The next interpreter.
    pub(crate) next: u64,
    /// Its number, 0 for the main one.
    pub(crate) id: u64,
    /// The newest thread state.
    pub(crate) threads_head: u64,
    /// `sys.modules`.
    pub(crate) modules: u64,
}

/// Where the interpreter's lock says who holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GilLayout {
    /// Up to 3.11: `_PyRuntime` has the thread state that holds it, null where nobody does.
    RuntimePointer {
        /// `gilstate.tstate_current`.
        current: u64,
    },
    /// From 3.12 on: the interpreter points to the lock.
    InterpreterLock {
        /// `ceval.gil` in the interpreter.
        gil: u64,
        /// `last_holder` in the lock.
        last_holder: u64,
        /// `locked` in the lock.
        locked: u64,
    },
}

/// `PyThreadState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadLayout {
    /// The next older thread state.
    pub(crate) next: u64,
    /// Where the innermost frame hangs.
    pub(crate) innermost: InnermostFrame,
    /// What `threading.get_ident()` returns.
    pub(crate) ident: u64,
    /// The kernel's thread id; `None` up to 3.10.
    pub(crate) native_id: Option<u64>,
    /// The dictionary of per-thread values.
    pub(crate) dict: u64,
    /// Where the running asyncio loop is kept.
    pub(crate) running_loop: RunningLoop,
    /// The task that the thread's loop is stepping, from 3.14 on.
    pub(crate) running_task: Option<u64>,
}

/// Where a thread's innermost frame hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InnermostFrame {
    /// A field of the thread state.
    Direct {
        /// In the thread state.
        frame: u64,
    },
    /// 3.11 and 3.12: in a structure on the C stack.
    ThroughCFrame {
        /// In the thread state.
        cframe: u64,
        /// In that structure.
        current_frame: u64,
        /// The structure of the call before, in that structure.
        previous: u64,
        /// What marks the frame with which such a structure begins.
        entry: EntryMark,
    },
}

/// The byte of a frame that marks it as the first of a call from C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryMark {
    /// In the frame.
    pub(crate) offset: u64,
    /// What it holds in such a frame.
    pub(crate) value: u8,
}

/// Where the running asyncio loop of a thread is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunningLoop {
    /// Up to 3.11: in the thread's dictionary, inside a holder with the pid that set it.
    DictHolder {
        /// The loop in the holder.
        running_loop: u64,
        /// The pid in the holder.
        pid: u64,
    },
    /// 3.12: in the thread's dictionary.
    DictValue,
    /// From 3.13 on: a field of the thread state.
    ThreadField {
        /// In the thread state.
        running_loop: u64,
    },
}

/// Python frames: `PyFrameObject` up to 3.10, `_PyInterpreterFrame` after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameLayout {
    /// The caller's frame.
    pub(crate) previous: u64,
    /// The code object.
    pub(crate) code: u64,
    /// Where the frame stands.
    pub(crate) instruction: Instruction,
    /// Who owns the frame, from 3.11 on.
    pub(crate) owner: Option<FrameOwner>,
    /// The first local variable, inside the frame. From 3.14 on the words there carry the interpreter's own
    /// marks in their low bits.
    pub(crate) locals: u64,
}

/// The field that says who owns a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameOwner {
    /// Its offset.
    pub(crate) offset: u64,
    /// Frames with this owner or a higher one mark an entry from C and hold no Python code.
    pub(crate) first_without_code: u8,
    /// No owner is higher than this.
    pub(crate) highest: u8,
}

/// Where a frame stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// 3.9: `f_lasti`, in bytes.
    ByteIndex {
        /// In the frame.
        offset: u64,
    },
    /// 3.10: `f_lasti`, in units of two bytes.
    UnitIndex {
        /// In the frame.
        offset: u64,
    },
    /// From 3.11 on: a pointer into the code object.
    Pointer {
        /// In the frame.
        offset: u64,
    },
}

/// `PyCodeObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CodeLayout {
    /// The file's name.
    pub(crate) filename: u64,
    /// The function's name: the qualified one where there is one.
    pub(crate) function: u64,
    /// The first line.
    pub(crate) first_line: u64,
    /// The flags.
    pub(crate) flags: u64,
    /// The line table.
    pub(crate) line_table: u64,
    /// How the line table is encoded.
    pub(crate) line_format: LineFormat,
    /// The first instruction inside the code object; `None` where frames count from 0.
    pub(crate) instructions: Option<u64>,
    /// The names of local variables.
    pub(crate) variables: VariableNames,
}

/// Where a code object has the names of its frames' variables, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VariableNames {
    /// Up to 3.10: tuples that follow each other, of locals, of cells and of free variables. An argument
    /// that an inner function uses stands in both of the first two, and only its cell has the value.
    Separate {
        /// `co_varnames`.
        locals: u64,
        /// `co_cellvars`.
        cells: u64,
        /// `co_freevars`.
        free: u64,
    },
    /// From 3.11 on: one tuple. A variable that an inner function uses has its cell in its one place.
    Joined {
        /// `co_localsplusnames`.
        names: u64,
    },
}

/// How a code object's line table is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineFormat {
    /// 3.9: `co_lnotab`.
    Lnotab,
    /// 3.10: `co_linetable` of pairs.
    Pairs,
    /// From 3.11 on: the location table.
    Locations,
}

/// `PyTypeObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeLayout {
    /// The name.
    pub(crate) name: u64,
    /// The size of instances.
    pub(crate) basic_size: u64,
    /// The flags.
    pub(crate) flags: u64,
    /// The base.
    pub(crate) base: u64,
    /// The type's own dictionary.
    pub(crate) dict: u64,
    /// Where instances have their dictionary, 0 where they have none.
    pub(crate) dict_offset: u64,
    /// Where instances have their list of weak references; 0 where they have none, negative where it is in
    /// front of them.
    pub(crate) weak_list_offset: u64,
    /// The array of members, null where it has none; where `__slots__` are.
    pub(crate) members: u64,
    /// The tuple of bases in the order of method resolution, itself first.
    pub(crate) mro: u64,
    /// The keys that instances share.
    pub(crate) cached_keys: u64,
}

/// `PyASCIIObject` and `PyCompactUnicodeObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StringLayout {
    /// The number of characters.
    pub(crate) length: u64,
    /// The bits that say how they are stored.
    pub(crate) state: u64,
    /// The characters of an ASCII string.
    pub(crate) ascii_data: u64,
    /// The characters of any other string.
    pub(crate) compact_data: u64,
}

/// How `int` stores its size and sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntSize {
    /// Up to 3.11: digits, negative for a negative number.
    Signed,
    /// From 3.12 on: digits above three bits of sign and flags.
    Tagged,
}

/// `PyDictObject` and its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DictLayout {
    /// The keys.
    pub(crate) keys: u64,
    /// The values of a dictionary that shares its keys.
    pub(crate) values: u64,
    /// The first of those values inside their array.
    pub(crate) first_value: u64,
    /// `PyDictKeysObject`.
    pub(crate) keys_object: KeysLayout,
}

/// `PyDictKeysObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeysLayout {
    /// Up to 3.10: the number of index slots in full, one kind of entry.
    Sized,
    /// From 3.11 on: logarithms, and smaller entries where all keys are strings.
    Logarithmic,
}

/// How instances keep their attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttributeStorage {
    /// Up to 3.10: a dictionary at the type's `tp_dictoffset`.
    Dict,
    /// 3.11: values, or a dictionary, in front of the object.
    ValuesOrDict,
    /// 3.12: one of both in front of the object, told apart by the lowest bit.
    TaggedValuesOrDict,
    /// From 3.13 on: values behind the object, a dictionary in front of it.
    InlineValues,
}

/// Tuples, lists and sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContainerLayout {
    /// The first item, inside the tuple.
    pub(crate) tuple_items: u64,
    /// The pointer to a list's items.
    pub(crate) list_items: u64,
    /// A set's number of entries that are or were in use.
    pub(crate) set_fill: u64,
    /// A set's number of entries in use.
    pub(crate) set_used: u64,
    /// The number of a set's entries, less one.
    pub(crate) set_mask: u64,
    /// The pointer to a set's entries.
    pub(crate) set_table: u64,
}

/// `PyFunctionObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FunctionLayout {
    /// The code object.
    pub(crate) code: u64,
    /// The tuple of cells, null where it closes over nothing.
    pub(crate) closure: u64,
    /// The qualified name.
    pub(crate) qualified_name: u64,
}

impl Layout {
    /// The table for a version; `None` where it is not supported.
    pub(crate) fn for_version(version: PythonVersion) -> Option<Self> {
        match (version.major, version.minor) {
            (3, 9) => Some(tables::PY_3_9),
            (3, 10) => Some(tables::PY_3_10),
            (3, 11) => Some(tables::PY_3_11),
            (3, 12) => Some(tables::PY_3_12),
            (3, 13) => Some(tables::PY_3_13),
            (3, 14) => Some(tables::PY_3_14),
            (3, 15) => Some(tables::PY_3_15),
            _ => None,
        }
    }
}
