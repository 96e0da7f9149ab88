//! The offset table that an interpreter from 3.13 on carries at the start of `_PyRuntime`.
//!
//! It begins with a cookie, the version and the free-threading flag; then come offsets as 64-bit
//! words in an order of their own for each minor version. What it says overrides the tables; what it
//! says is believed only within bounds, for it is read from the target like anything else.

use super::{
    CoroutineFrame, FrameOwner, GeneratorState, GilLayout, InnermostFrame, Instruction, Layout,
    PythonVersion, RunningLoop, StackTop, VariableNames,
};
use crate::dump::LayoutSource;

/// The first eight bytes of the table.
pub(crate) const COOKIE: &[u8; 8] = b"xdebugpy";

/// The bytes to read: cookie and the longest known table.
pub(crate) const TABLE_BYTES: usize = 8 * (1 + 110);

/// No field of a runtime structure lies farther in than this; `PyInterpreterState` has 0.2 MiB.
const MAX_OFFSET: u64 = 1 << 20;

/// What the table says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DebugOffsets {
    /// The interpreter's version.
    pub(crate) version: PythonVersion,
    /// Whether the interpreter was built without its lock.
    pub(crate) is_free_threaded: bool,
    words: Vec<u64>,
}

impl DebugOffsets {
    /// Reads the table from the bytes at `_PyRuntime`; `None` where there is none.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let words: Vec<u64> = bytes
            .strip_prefix(COOKIE.as_slice())?
            .as_chunks()
            .0
            .iter()
            .map(|word| u64::from_le_bytes(*word))
            .collect();
        let hex = u32::try_from(*words.first()?).ok()?;
        let is_free_threaded = *words.get(1)? != 0;
        Some(Self {
            version: PythonVersion::from_hex(hex),
            is_free_threaded,
            words,
        })
    }

    /// `layout` with the offsets that the table gives in place of its own; `None` where the table is
    /// of an unknown version or holds what cannot be an offset.
    pub(crate) fn apply(&self, mut layout: Layout) -> Option<Layout> {
        let names = match self.version.minor {
            13 => FIELDS_3_13,
            14 => FIELDS_3_14,
            15 => FIELDS_3_15,
            _ => return None,
        };
        let words = self.words.get(2..)?;
        let table = Fields { names, words };
        table.apply_runtime(&mut layout)?;
        table.apply_threads(&mut layout, self.version.minor)?;
        table.apply_frames(&mut layout)?;
        table.apply_generators(&mut layout)?;
        table.apply_objects(&mut layout)?;
        layout.source = LayoutSource::OwnTable;
        Some(layout)
    }
}

/// The table's words by their names.
struct Fields<'a> {
    names: &'static [&'static str],
    words: &'a [u64],
}

impl Fields<'_> {
    /// Puts a field's offset into `slot`, which stays as it is where the version's table has no such field.
    /// `None` where the table holds what cannot be an offset.
    fn put(&self, name: &str, slot: &mut u64) -> Option<()> {
        if let Some(index) = self.names.iter().position(|known| *known == name) {
            let offset = self.words.get(index).copied();
            *slot = offset.filter(|offset| *offset < MAX_OFFSET)?;
        }
        Some(())
    }

    fn apply_runtime(&self, layout: &mut Layout) -> Option<()> {
        self.put(
            "runtime_state.interpreters_head",
            &mut layout.interpreters_head,
        )?;
        let interpreter = &mut layout.interpreter;
        self.put("interpreter_state.id", &mut interpreter.id)?;
        self.put("interpreter_state.next", &mut interpreter.next)?;
        self.put(
            "interpreter_state.threads_head",
            &mut interpreter.threads_head,
        )?;
        self.put(
            "interpreter_state.imports_modules",
            &mut interpreter.modules,
        )?;
        if let GilLayout::InterpreterLock { gil, .. } = &mut layout.gil {
            self.put("interpreter_state.ceval_gil", gil)?;
        }
        Some(())
    }

    fn apply_threads(&self, layout: &mut Layout, minor: u8) -> Option<()> {
        let thread = &mut layout.thread;
        self.put("thread_state.next", &mut thread.next)?;
        self.put("thread_state.thread_id", &mut thread.ident)?;
        if let InnermostFrame::Direct { frame } = &mut thread.innermost {
            self.put("thread_state.current_frame", frame)?;
        }
        if let Some(native_id) = &mut thread.native_id {
            self.put("thread_state.native_thread_id", native_id)?;
        }
        if minor == 13
            && let RunningLoop::ThreadField { running_loop } = &mut thread.running_loop
        {
            // In 3.13 the loop is the first field behind the public part of the thread state.
            self.put("thread_state.size", running_loop)?;
        }
        Some(())
    }

    fn apply_frames(&self, layout: &mut Layout) -> Option<()> {
        let frame = &mut layout.frame;
        self.put("interpreter_frame.previous", &mut frame.previous)?;
        self.put("interpreter_frame.executable", &mut frame.code)?;
        self.put("interpreter_frame.localsplus", &mut frame.locals)?;
        if let Instruction::Pointer { offset } = &mut frame.instruction {
            self.put("interpreter_frame.instr_ptr", offset)?;
        }
        if let Some(FrameOwner { offset, .. }) = &mut frame.owner {
            self.put("interpreter_frame.owner", offset)?;
        }
        let code = &mut layout.code;
        self.put("code_object.filename", &mut code.filename)?;
        self.put("code_object.qualname", &mut code.function)?;
        self.put("code_object.firstlineno", &mut code.first_line)?;
        self.put("code_object.linetable", &mut code.line_table)?;
        if let VariableNames::Joined { names } = &mut code.variables {
            self.put("code_object.localsplusnames", names)?;
        }
        if let Some(instructions) = &mut code.instructions {
            self.put("code_object.co_code_adaptive", instructions)?;
        }
        Some(())
    }

    fn apply_generators(&self, layout: &mut Layout) -> Option<()> {
        let generator = &mut layout.generator;
        self.put("gen_object.gi_name", &mut generator.name)?;
        if let CoroutineFrame::Embedded { offset } = &mut generator.frame {
            self.put("gen_object.gi_iframe", offset)?;
        }
        if let GeneratorState::InGenerator { offset, .. } = &mut generator.state {
            self.put("gen_object.gi_frame_state", offset)?;
        }
        if let StackTop::Pointer { offset, .. } = &mut generator.stack_top {
            self.put("interpreter_frame.stackpointer", offset)?;
        }
        Some(())
    }

    fn apply_objects(&self, layout: &mut Layout) -> Option<()> {
        let class = &mut layout.type_object;
        self.put("type_object.tp_name", &mut class.name)?;
        self.put("type_object.tp_flags", &mut class.flags)?;
        self.put("type_object.tp_basicsize", &mut class.basic_size)?;
        self.put("type_object.tp_dictoffset", &mut class.dict_offset)?;
        self.put("heap_type_object.ht_cached_keys", &mut class.cached_keys)?;
        let string = &mut layout.string;
        self.put("unicode_object.length", &mut string.length)?;
        self.put("unicode_object.state", &mut string.state)?;
        self.put("unicode_object.asciiobject_size", &mut string.ascii_data)?;
        self.put(
            "unicode_object.compactunicodeobject_size",
            &mut string.compact_data,
        )?;
        self.put("dict_object.ma_keys", &mut layout.dict.keys)?;
        self.put("dict_object.ma_values", &mut layout.dict.values)?;
        let containers = &mut layout.containers;
        self.put("tuple_object.ob_item", &mut containers.tuple_items)?;
        self.put("list_object.ob_item", &mut containers.list_items)?;
        self.put("set_object.used", &mut containers.set_used)?;
        self.put("set_object.mask", &mut containers.set_mask)?;
        self.put("set_object.table", &mut containers.set_table)
    }
}

/// The table's words after version and flag, in the order of 3.13.
#[rustfmt::skip]
const FIELDS_3_13: &[&str] = &[
    "runtime_state.size", "runtime_state.finalizing", "runtime_state.interpreters_head",
    "interpreter_state.size", "interpreter_state.id", "interpreter_state.next",
    "interpreter_state.threads_head", "interpreter_state.gc", "interpreter_state.imports_modules",
    "interpreter_state.sysdict", "interpreter_state.builtins", "interpreter_state.ceval_gil",
    "interpreter_state.gil_runtime_state", "interpreter_state.gil_runtime_state_enabled",
    "interpreter_state.gil_runtime_state_locked", "interpreter_state.gil_runtime_state_holder",
    "thread_state.size", "thread_state.prev", "thread_state.next", "thread_state.interp",
    "thread_state.current_frame", "thread_state.thread_id", "thread_state.native_thread_id",
    "thread_state.datastack_chunk", "thread_state.status", "interpreter_frame.size",
    "interpreter_frame.previous", "interpreter_frame.executable", "interpreter_frame.instr_ptr",
    "interpreter_frame.localsplus", "interpreter_frame.owner", "code_object.size",
    "code_object.filename", "code_object.name", "code_object.qualname", "code_object.linetable",
    "code_object.firstlineno", "code_object.argcount", "code_object.localsplusnames",
    "code_object.localspluskinds", "code_object.co_code_adaptive", "pyobject.size",
    "pyobject.ob_type", "type_object.size", "type_object.tp_name", "type_object.tp_repr",
    "type_object.tp_flags", "tuple_object.size", "tuple_object.ob_item", "tuple_object.ob_size",
    "list_object.size", "list_object.ob_item", "list_object.ob_size", "dict_object.size",
    "dict_object.ma_keys", "dict_object.ma_values", "float_object.size", "float_object.ob_fval",
    "long_object.size", "long_object.lv_tag", "long_object.ob_digit", "bytes_object.size",
    "bytes_object.ob_size", "bytes_object.ob_sval", "unicode_object.size", "unicode_object.state",
    "unicode_object.length", "unicode_object.asciiobject_size", "gc.size", "gc.collecting",
];

/// The table's words after version and flag, in the order of 3.14.
#[rustfmt::skip]
const FIELDS_3_14: &[&str] = &[
    "runtime_state.size", "runtime_state.finalizing", "runtime_state.interpreters_head",
    "interpreter_state.size", "interpreter_state.id", "interpreter_state.next",
    "interpreter_state.threads_head", "interpreter_state.threads_main", "interpreter_state.gc",
    "interpreter_state.imports_modules", "interpreter_state.sysdict",
    "interpreter_state.builtins", "interpreter_state.ceval_gil",
    "interpreter_state.gil_runtime_state", "interpreter_state.gil_runtime_state_enabled",
    "interpreter_state.gil_runtime_state_locked", "interpreter_state.gil_runtime_state_holder",
    "interpreter_state.code_object_generation", "interpreter_state.tlbc_generation",
    "thread_state.size", "thread_state.prev", "thread_state.next", "thread_state.interp",
    "thread_state.current_frame", "thread_state.thread_id", "thread_state.native_thread_id",
    "thread_state.datastack_chunk", "thread_state.status", "interpreter_frame.size",
    "interpreter_frame.previous", "interpreter_frame.executable", "interpreter_frame.instr_ptr",
    "interpreter_frame.localsplus", "interpreter_frame.owner", "interpreter_frame.stackpointer",
    "interpreter_frame.tlbc_index", "code_object.size", "code_object.filename",
    "code_object.name", "code_object.qualname", "code_object.linetable",
    "code_object.firstlineno", "code_object.argcount", "code_object.localsplusnames",
    "code_object.localspluskinds", "code_object.co_code_adaptive", "code_object.co_tlbc",
    "pyobject.size", "pyobject.ob_type", "type_object.size", "type_object.tp_name",
    "type_object.tp_repr", "type_object.tp_flags", "tuple_object.size", "tuple_object.ob_item",
    "tuple_object.ob_size", "list_object.size", "list_object.ob_item", "list_object.ob_size",
    "set_object.size", "set_object.used", "set_object.table", "set_object.mask",
    "dict_object.size", "dict_object.ma_keys", "dict_object.ma_values", "float_object.size",
    "float_object.ob_fval", "long_object.size", "long_object.lv_tag", "long_object.ob_digit",
    "bytes_object.size", "bytes_object.ob_size", "bytes_object.ob_sval", "unicode_object.size",
    "unicode_object.state", "unicode_object.length", "unicode_object.asciiobject_size", "gc.size",
    "gc.collecting", "gen_object.size", "gen_object.gi_name", "gen_object.gi_iframe",
    "gen_object.gi_frame_state", "llist_node.next", "llist_node.prev",
    "debugger_support.eval_breaker", "debugger_support.remote_debugger_support",
    "debugger_support.remote_debugging_enabled", "debugger_support.debugger_pending_call",
    "debugger_support.debugger_script_path", "debugger_support.debugger_script_path_size",
];

/// The table's words after version and flag, in the order of 3.15.
#[rustfmt::skip]
const FIELDS_3_15: &[&str] = &[
    "runtime_state.size", "runtime_state.finalizing", "runtime_state.interpreters_head",
    "interpreter_state.size", "interpreter_state.id", "interpreter_state.next",
    "interpreter_state.threads_head", "interpreter_state.threads_main", "interpreter_state.gc",
    "interpreter_state.imports_modules", "interpreter_state.sysdict", "interpreter_state.builtins",
    "interpreter_state.ceval_gil", "interpreter_state.gil_runtime_state",
    "interpreter_state.gil_runtime_state_enabled", "interpreter_state.gil_runtime_state_locked",
    "interpreter_state.gil_runtime_state_holder", "interpreter_state.code_object_generation",
    "interpreter_state.tlbc_generation", "thread_state.size", "thread_state.prev",
    "thread_state.next", "thread_state.interp", "thread_state.current_frame",
    "thread_state.base_frame", "thread_state.last_profiled_frame",
    "thread_state.last_profiled_frame_seq", "thread_state.thread_id",
    "thread_state.native_thread_id", "thread_state.datastack_chunk", "thread_state.status",
    "thread_state.holds_gil", "thread_state.gil_requested", "thread_state.current_exception",
    "thread_state.exc_state", "err_stackitem.exc_value", "interpreter_frame.size",
    "interpreter_frame.previous", "interpreter_frame.executable", "interpreter_frame.instr_ptr",
    "interpreter_frame.localsplus", "interpreter_frame.owner", "interpreter_frame.stackpointer",
    "interpreter_frame.tlbc_index", "code_object.size", "code_object.filename", "code_object.name",
    "code_object.qualname", "code_object.linetable", "code_object.firstlineno",
    "code_object.argcount", "code_object.localsplusnames", "code_object.localspluskinds",
    "code_object.co_code_adaptive", "code_object.co_tlbc", "pyobject.size", "pyobject.ob_type",
    "type_object.size", "type_object.tp_name", "type_object.tp_repr", "type_object.tp_flags",
    "type_object.tp_basicsize", "type_object.tp_dictoffset", "heap_type_object.size",
    "heap_type_object.ht_cached_keys", "tuple_object.size", "tuple_object.ob_item",
    "tuple_object.ob_size", "list_object.size", "list_object.ob_item", "list_object.ob_size",
    "set_object.size", "set_object.used", "set_object.table", "set_object.mask", "dict_object.size",
    "dict_object.ma_keys", "dict_object.ma_values", "float_object.size", "float_object.ob_fval",
    "long_object.size", "long_object.lv_tag", "long_object.ob_digit", "bytes_object.size",
    "bytes_object.ob_size", "bytes_object.ob_sval", "unicode_object.size", "unicode_object.state",
    "unicode_object.length", "unicode_object.asciiobject_size",
    "unicode_object.compactunicodeobject_size", "gc.size", "gc.collecting", "gc.frame",
    "gc.generation_stats_size", "gc.generation_stats", "gen_object.size", "gen_object.gi_name",
    "gen_object.gi_iframe", "gen_object.gi_frame_state", "llist_node.next", "llist_node.prev",
    "debugger_support.eval_breaker", "debugger_support.remote_debugger_support",
    "debugger_support.remote_debugging_enabled", "debugger_support.debugger_pending_call",
    "debugger_support.debugger_script_path", "debugger_support.debugger_script_path_size",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn table(hex: u64, free_threaded: u64, offset: u64) -> Vec<u8> {
        let mut bytes = COOKIE.to_vec();
        bytes.extend(hex.to_le_bytes());
        bytes.extend(free_threaded.to_le_bytes());
        for _ in 0..FIELDS_3_15.len() {
            bytes.extend(offset.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn a_runtime_without_the_cookie_has_no_table() {
        assert_eq!(DebugOffsets::parse(&[0; TABLE_BYTES]), None);
        assert_eq!(DebugOffsets::parse(b"xdebugpy"), None);
    }

    #[test]
    fn the_table_overrides_what_it_names_and_leaves_the_rest() {
        let offsets = DebugOffsets::parse(&table(0x030d_00f0, 0, 640)).unwrap();
        assert_eq!(
            offsets.version,
            PythonVersion {
                major: 3,
                minor: 13,
                patch: 0
            }
        );
        assert!(!offsets.is_free_threaded);
        let base = Layout::for_version(offsets.version).unwrap();
        let layout = offsets.apply(base).unwrap();
        assert_eq!(layout.interpreter.modules, 640);
        assert_eq!(
            layout.thread.running_loop,
            RunningLoop::ThreadField { running_loop: 640 }
        );
        assert_eq!(layout.task, base.task);
    }

    #[test]
    fn a_table_that_holds_no_offsets_is_refused() {
        let offsets = DebugOffsets::parse(&table(0x030d_00f0, 0, u64::MAX)).unwrap();
        assert_eq!(
            offsets.apply(Layout::for_version(offsets.version).unwrap()),
            None
        );
    }

    #[test]
    fn a_build_without_the_lock_is_recognised() {
        assert!(
            DebugOffsets::parse(&table(0x030e_00f0, 1, 0))
                .unwrap()
                .is_free_threaded
        );
    }

    #[test]
    fn the_longest_table_fits_what_is_read() {
        let fields = [FIELDS_3_13, FIELDS_3_14, FIELDS_3_15].map(<[_]>::len);
        let words = 2 + fields.into_iter().max().unwrap();
        assert_eq!(TABLE_BYTES, 8 * (1 + words));
    }
}
