//! The offsets of each minor version, as the debug information and the headers of its releases give them.
//!
//! Each table is the one before it with what changed. From 3.13 on most of it is overridden by the
//! interpreter's own table; what stands here then serves the fields that it leaves out.

use super::asyncio::{
    FUTURE_3_9, FUTURE_3_10, FUTURE_3_11, FUTURE_3_13, FUTURE_3_14, REGISTRY_3_14, REGISTRY_3_15,
    TASK_3_9, TASK_3_10, TASK_3_11, TASK_3_13, TASK_3_14,
};
use super::generators::{
    GENERATOR_3_9, GENERATOR_3_10, GENERATOR_3_11, GENERATOR_3_12, GENERATOR_3_13, GENERATOR_3_14,
    GENERATOR_3_15,
};
use super::{
    AttributeStorage, CodeLayout, ContainerLayout, DictLayout, EntryMark, FrameLayout, FrameOwner,
    FunctionLayout, GilLayout, InnermostFrame, Instruction, IntSize, InterpreterLayout, KeysLayout,
    Layout, LineFormat, RunningLoop, StringLayout, TaskRegistry, ThreadLayout, TypeLayout,
    VariableNames,
};
use crate::dump::LayoutSource;

pub(super) const PY_3_9: Layout = Layout {
    source: LayoutSource::VersionTable,
    interpreters_head: 32,
    interpreter: InterpreterLayout {
        next: 0,
        id: 24,
        threads_head: 8,
        modules: 856,
    },
    gil: GilLayout::RuntimePointer { current: 568 },
    thread: ThreadLayout {
        next: 8,
        innermost: InnermostFrame::Direct { frame: 24 },
        ident: 176,
        native_id: None,
        dict: 152,
        running_loop: RunningLoop::DictHolder {
            running_loop: 16,
            pid: 24,
        },
        running_task: None,
    },
    frame: FrameLayout {
        previous: 24,
        code: 32,
        instruction: Instruction::ByteIndex { offset: 104 },
        owner: None,
        locals: 360,
    },
    code: CodeLayout {
        filename: 104,
        function: 112,
        first_line: 40,
        flags: 36,
        line_table: 120,
        line_format: LineFormat::Lnotab,
        instructions: None,
        variables: VariableNames::Separate {
            locals: 72,
            cells: 88,
            free: 80,
        },
    },
    type_object: TypeLayout {
        name: 24,
        basic_size: 32,
        flags: 168,
        base: 256,
        dict: 264,
        dict_offset: 288,
        weak_list_offset: 208,
        members: 240,
        mro: 344,
        cached_keys: 864,
    },
    string: StringLayout {
        length: 16,
        state: 32,
        ascii_data: 48,
        compact_data: 72,
    },
    int: IntSize::Signed,
    dict: DictLayout {
        keys: 32,
        values: 40,
        first_value: 0,
        keys_object: KeysLayout::Sized,
    },
    attributes: AttributeStorage::Dict,
    generator: GENERATOR_3_9,
    containers: ContainerLayout {
        tuple_items: 24,
        list_items: 24,
        set_fill: 16,
        set_used: 24,
        set_mask: 32,
        set_table: 40,
    },
    function: FunctionLayout {
        code: 16,
        closure: 48,
        qualified_name: 104,
    },
    future: FUTURE_3_9,
    task: TASK_3_9,
    task_registry: TaskRegistry::AllTasks,
};

pub(super) const PY_3_10: Layout = Layout {
    frame: FrameLayout {
        instruction: Instruction::UnitIndex { offset: 96 },
        locals: 352,
        ..PY_3_9.frame
    },
    code: CodeLayout {
        line_format: LineFormat::Pairs,
        ..PY_3_9.code
    },
    type_object: TypeLayout {
        cached_keys: 872,
        ..PY_3_9.type_object
    },
    generator: GENERATOR_3_10,
    function: FunctionLayout {
        code: 48,
        closure: 72,
        qualified_name: 40,
    },
    future: FUTURE_3_10,
    task: TASK_3_10,
    ..PY_3_9
};

pub(super) const PY_3_11: Layout = Layout {
    interpreters_head: 40,
    interpreter: InterpreterLayout {
        next: 0,
        id: 48,
        threads_head: 16,
        modules: 888,
    },
    gil: GilLayout::RuntimePointer { current: 576 },
    thread: ThreadLayout {
        innermost: InnermostFrame::ThroughCFrame {
            cframe: 56,
            current_frame: 8,
            previous: 16,
            // `is_entry`.
            entry: EntryMark {
                offset: 68,
                value: 1,
            },
        },
        ident: 152,
        native_id: Some(160),
        dict: 128,
        ..PY_3_10.thread
    },
    frame: FrameLayout {
        previous: 48,
        code: 32,
        instruction: Instruction::Pointer { offset: 56 },
        owner: Some(FrameOwner {
            offset: 69,
            first_without_code: 3,
            highest: 2,
        }),
        locals: 72,
    },
    code: CodeLayout {
        filename: 112,
        function: 128,
        first_line: 72,
        flags: 48,
        line_table: 136,
        line_format: LineFormat::Locations,
        instructions: Some(184),
        variables: VariableNames::Joined { names: 96 },
    },
    dict: DictLayout {
        keys_object: KeysLayout::Logarithmic,
        ..PY_3_10.dict
    },
    attributes: AttributeStorage::ValuesOrDict,
    generator: GENERATOR_3_11,
    future: FUTURE_3_11,
    task: TASK_3_11,
    ..PY_3_10
};

pub(super) const PY_3_12: Layout = Layout {
    interpreter: InterpreterLayout {
        next: 0,
        id: 8,
        threads_head: 72,
        modules: 944,
    },
    gil: GilLayout::InterpreterLock {
        gil: 384,
        last_holder: 8,
        locked: 16,
    },
    thread: ThreadLayout {
        innermost: InnermostFrame::ThroughCFrame {
            cframe: 56,
            current_frame: 0,
            previous: 8,
            // The owner: the C stack.
            entry: EntryMark {
                offset: 70,
                value: 3,
            },
        },
        ident: 136,
        native_id: Some(144),
        dict: 112,
        running_loop: RunningLoop::DictValue,
        ..PY_3_11.thread
    },
    frame: FrameLayout {
        previous: 8,
        code: 0,
        instruction: Instruction::Pointer { offset: 56 },
        owner: Some(FrameOwner {
            offset: 70,
            first_without_code: 3,
            highest: 3,
        }),
        locals: 72,
    },
    code: CodeLayout {
        first_line: 68,
        instructions: Some(192),
        ..PY_3_11.code
    },
    type_object: TypeLayout {
        cached_keys: 880,
        ..PY_3_11.type_object
    },
    string: StringLayout {
        ascii_data: 40,
        compact_data: 56,
        ..PY_3_11.string
    },
    int: IntSize::Tagged,
    attributes: AttributeStorage::TaggedValuesOrDict,
    generator: GENERATOR_3_12,
    task_registry: TaskRegistry::ScheduledAndEager,
    ..PY_3_11
};

pub(super) const PY_3_13: Layout = Layout {
    interpreters_head: 632,
    interpreter: InterpreterLayout {
        next: 7264,
        id: 7272,
        threads_head: 7344,
        modules: 7656,
    },
    gil: GilLayout::InterpreterLock {
        gil: 16,
        last_holder: 8,
        locked: 16,
    },
    thread: ThreadLayout {
        innermost: InnermostFrame::Direct { frame: 72 },
        ident: 152,
        native_id: Some(160),
        dict: 128,
        running_loop: RunningLoop::ThreadField { running_loop: 304 },
        ..PY_3_12.thread
    },
    code: CodeLayout {
        instructions: Some(200),
        ..PY_3_12.code
    },
    dict: DictLayout {
        first_value: 8,
        ..PY_3_12.dict
    },
    attributes: AttributeStorage::InlineValues,
    generator: GENERATOR_3_13,
    future: FUTURE_3_13,
    task: TASK_3_13,
    ..PY_3_12
};

pub(super) const PY_3_14: Layout = Layout {
    interpreters_head: 808,
    interpreter: InterpreterLayout {
        next: 7272,
        id: 7280,
        threads_head: 7344,
        modules: 7688,
    },
    thread: ThreadLayout {
        running_loop: RunningLoop::ThreadField { running_loop: 864 },
        running_task: Some(872),
        ..PY_3_13.thread
    },
    frame: FrameLayout {
        owner: Some(FrameOwner {
            offset: 74,
            first_without_code: 3,
            highest: 4,
        }),
        locals: 80,
        ..PY_3_13.frame
    },
    code: CodeLayout {
        instructions: Some(208),
        ..PY_3_13.code
    },
    generator: GENERATOR_3_14,
    containers: ContainerLayout {
        tuple_items: 32,
        ..PY_3_13.containers
    },
    future: FUTURE_3_14,
    task: TASK_3_14,
    task_registry: REGISTRY_3_14,
    ..PY_3_13
};

pub(super) const PY_3_15: Layout = Layout {
    interpreters_head: 936,
    interpreter: InterpreterLayout {
        next: 7264,
        id: 7272,
        threads_head: 7336,
        modules: 7592,
    },
    thread: ThreadLayout {
        ident: 176,
        native_id: Some(184),
        dict: 152,
        running_loop: RunningLoop::ThreadField { running_loop: 1024 },
        running_task: Some(1032),
        ..PY_3_14.thread
    },
    type_object: TypeLayout {
        cached_keys: 888,
        ..PY_3_14.type_object
    },
    generator: GENERATOR_3_15,
    task_registry: REGISTRY_3_15,
    ..PY_3_14
};
