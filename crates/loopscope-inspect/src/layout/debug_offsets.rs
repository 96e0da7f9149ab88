//! The offset table that an interpreter from 3.13 on carries at the start of `_PyRuntime`.
//!
//! It begins with a cookie, the version and the free-threading flag; then come offsets as 64-bit
//! words in an order of their own for each minor version. What it says overrides the tables; what it
//! says is believed only within bounds, for it is read from the target like anything else.

use super::{
    FrameOwner, GilLayout, InnermostFrame, Instruction, Layout, PythonVersion, RunningLoop,
};

/// The first eight bytes of the table.
pub(crate) const COOKIE: &[u8; 8] = b"xdebugpy";

/// The bytes to read: cookie and the longest known table.
pub(crate) const TABLE_BYTES: usize = 8 * (1 + 94);

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
            _ => return None,
        };
        let field = |name: &str| {
            let index = names.iter().position(|known| *known == name)?;
            self.words
                .get(index + 2)
                .copied()
                .filter(|offset| *offset < MAX_OFFSET)
        };
        self.apply_runtime(&mut layout, &field)?;
        apply_frames(&mut layout, &field)?;
        apply_objects(&mut layout, &field)?;
        Some(layout)
    }

    fn apply_runtime(
        &self,
        layout: &mut Layout,
        field: &impl Fn(&str) -> Option<u64>,
    ) -> Option<()> {
        layout.interpreters_head = field("runtime_state.interpreters_head")?;
        layout.interpreter.id = field("interpreter_state.id")?;
        layout.interpreter.next = field("interpreter_state.next")?;
        layout.interpreter.threads_head = field("interpreter_state.threads_head")?;
        layout.interpreter.modules = field("interpreter_state.imports_modules")?;
        if let GilLayout::InterpreterLock { gil, .. } = &mut layout.gil {
            *gil = field("interpreter_state.ceval_gil")?;
        }
        layout.thread.next = field("thread_state.next")?;
        layout.thread.innermost = InnermostFrame::Direct {
            frame: field("thread_state.current_frame")?,
        };
        layout.thread.ident = field("thread_state.thread_id")?;
        layout.thread.native_id = Some(field("thread_state.native_thread_id")?);
        if self.version.minor == 13 {
            // In 3.13 the loop is the first field behind the public part of the thread state.
            let running_loop = field("thread_state.size")?;
            layout.thread.running_loop = RunningLoop::ThreadField { running_loop };
        }
        Some(())
    }
}

fn apply_frames(layout: &mut Layout, field: &impl Fn(&str) -> Option<u64>) -> Option<()> {
    layout.frame.previous = field("interpreter_frame.previous")?;
    layout.frame.code = field("interpreter_frame.executable")?;
    layout.frame.instruction = Instruction::Pointer {
        offset: field("interpreter_frame.instr_ptr")?,
    };
    if let Some(FrameOwner { offset, .. }) = &mut layout.frame.owner {
        *offset = field("interpreter_frame.owner")?;
    }
    layout.code.filename = field("code_object.filename")?;
    layout.code.function = field("code_object.qualname")?;
    layout.code.first_line = field("code_object.firstlineno")?;
    layout.code.line_table = field("code_object.linetable")?;
    layout.code.instructions = Some(field("code_object.co_code_adaptive")?);
    Some(())
}

fn apply_objects(layout: &mut Layout, field: &impl Fn(&str) -> Option<u64>) -> Option<()> {
    layout.type_object.name = field("type_object.tp_name")?;
    layout.type_object.flags = field("type_object.tp_flags")?;
    layout.string.length = field("unicode_object.length")?;
    layout.string.state = field("unicode_object.state")?;
    layout.string.ascii_data = field("unicode_object.asciiobject_size")?;
    layout.dict.keys = field("dict_object.ma_keys")?;
    layout.dict.values = field("dict_object.ma_values")?;
    Some(())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn table(hex: u64, free_threaded: u64, offset: u64) -> Vec<u8> {
        let mut bytes = COOKIE.to_vec();
        bytes.extend(hex.to_le_bytes());
        bytes.extend(free_threaded.to_le_bytes());
        for _ in 0..92 {
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
        let words = 2 + FIELDS_3_13.len().max(FIELDS_3_14.len());
        assert_eq!(TABLE_BYTES, 8 * (1 + words));
    }
}
