//! What the readers need to tell apart, and how a type's name and flags tell it.

pub(super) const FLAG_HEAP_TYPE: u64 = 1 << 9;
const FLAG_INT: u64 = 1 << 24;
const FLAG_LIST: u64 = 1 << 25;
const FLAG_TUPLE: u64 = 1 << 26;
const FLAG_STR: u64 = 1 << 28;
const FLAG_DICT: u64 = 1 << 29;

/// Types whose kind is remembered beside the map of all types.
const RECENT_TYPES: usize = 128;

/// What the readers need to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Str,
    Int,
    Float,
    Tuple,
    List,
    Set,
    Dict,
    None,
    Code,
    Deque,
    WeakReference,
    Cell,
    Function,
    Method,
    BuiltinMethod,
    Partial,
    /// A coroutine, a generator or an asynchronous generator.
    Generator,
    /// What `asend`, `athrow` and `aclose` of an asynchronous generator return.
    AsyncGeneratorStep,
    CoroutineWrapper,
    AnextAwaitable,
    /// A coroutine that Cython compiled.
    CythonCoroutine,
    FutureIterator,
    /// The C accelerator's callbacks that step or wake a task.
    TaskCallback,
    /// The C accelerator's future, laid out as the tables say, or a subclass of it.
    NativeFuture,
    NativeTask,
    /// The future that is written in Python, or a subclass of it.
    PythonFuture,
    PythonTask,
    Other,
}

impl Kind {
    /// Whether it is a task.
    pub(crate) fn is_task(self) -> bool {
        matches!(self, Self::NativeTask | Self::PythonTask)
    }

    /// Whether it is a future; a task is one.
    pub(crate) fn is_future(self) -> bool {
        self.is_task() || matches!(self, Self::NativeFuture | Self::PythonFuture)
    }
}

/// Subclasses of built-in types are told by flags, for they share the layout; the others by name, where
/// a class statement cannot have made them: it makes heap types, and gives them names without dots.
pub(super) fn kind_by_name(name: &str, flags: u64) -> Kind {
    match name {
        _ if flags & FLAG_STR != 0 => Kind::Str,
        _ if flags & FLAG_INT != 0 => Kind::Int,
        _ if flags & FLAG_DICT != 0 => Kind::Dict,
        _ if flags & FLAG_TUPLE != 0 => Kind::Tuple,
        _ if flags & FLAG_LIST != 0 => Kind::List,
        _ if flags & FLAG_HEAP_TYPE == 0 => kind_of_static_type(name),
        _ if name.contains('.') => kind_of_extension_type(name),
        _ => Kind::Other,
    }
}

fn kind_of_static_type(name: &str) -> Kind {
    match name {
        "NoneType" => Kind::None,
        "code" => Kind::Code,
        "float" => Kind::Float,
        "set" => Kind::Set,
        "weakref" | "weakref.ReferenceType" => Kind::WeakReference,
        "cell" => Kind::Cell,
        "function" => Kind::Function,
        "method" => Kind::Method,
        "builtin_function_or_method" => Kind::BuiltinMethod,
        "coroutine" | "generator" | "async_generator" => Kind::Generator,
        "async_generator_asend" | "async_generator_athrow" => Kind::AsyncGeneratorStep,
        "coroutine_wrapper" => Kind::CoroutineWrapper,
        "anext_awaitable" => Kind::AnextAwaitable,
        "TaskStepMethWrapper" | "TaskWakeupMethWrapper" => Kind::TaskCallback,
        _ => kind_of_extension_type(name),
    }
}

/// Types of extension modules, which became heap types one after the other.
fn kind_of_extension_type(name: &str) -> Kind {
    match name {
        "collections.deque" => Kind::Deque,
        "functools.partial" => Kind::Partial,
        "_asyncio.FutureIter" => Kind::FutureIterator,
        "_asyncio.TaskStepMethWrapper" | "_asyncio.TaskWakeupMethWrapper" => Kind::TaskCallback,
        // What stands in front of a tracked coroutine, laid out like the interpreter's own wrapper.
        "loopscope._native.TrackedCoroutine"
        | "loopscope._native.TrackedGenerator"
        | "loopscope._native.TrackedAsyncGenerator"
        | "loopscope._native.TrackedStep"
        | "loopscope._native.TrackedAwait" => Kind::CoroutineWrapper,
        _ if name.starts_with("_cython_") => kind_of_cython_type(name),
        _ => Kind::Other,
    }
}

/// Types that Cython makes for each of its versions: `_cython_3_1_2.coroutine`.
fn kind_of_cython_type(name: &str) -> Kind {
    match name.rsplit('.').next() {
        Some("coroutine" | "iterable_coroutine") => Kind::CythonCoroutine,
        // What awaiting one from Python code goes through; laid out like the interpreter's own.
        Some("coroutine_await" | "coroutine_wrapper") => Kind::CoroutineWrapper,
        _ => Kind::Other,
    }
}

/// The kinds of types that objects had of late, each at the place that its address says. A dump asks for
/// the kind of some dozens of objects for each task, and these have few types.
#[derive(Debug)]
pub(super) struct RecentKinds {
    /// The generation of pages that they were read from.
    generation: u64,
    kinds: Box<[(u64, Kind)]>,
}

impl RecentKinds {
    pub(super) fn new() -> Self {
        Self {
            generation: 0,
            kinds: vec![(0, Kind::Other); RECENT_TYPES].into_boxed_slice(),
        }
    }

    /// The kind of the type at an address, where it is remembered.
    #[inline]
    pub(super) fn get(&self, class: u64, generation: u64) -> Option<Kind> {
        let (known, kind) = self.kinds.get(place(class))?;
        (*known == class && self.generation == generation).then_some(*kind)
    }

    /// Remembers the kind of the type at an address.
    pub(super) fn insert(&mut self, class: u64, generation: u64, kind: Kind) {
        if self.generation != generation {
            self.forget();
            self.generation = generation;
        }
        if let Some(place) = self.kinds.get_mut(place(class)) {
            *place = (class, kind);
        }
    }

    /// Forgets all.
    pub(super) fn forget(&mut self) {
        self.kinds.fill((0, Kind::Other));
    }
}

/// Types are some hundred bytes apart.
fn place(class: u64) -> usize {
    (class >> 4 ^ class >> 11) as usize % RECENT_TYPES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_remembered_within_one_generation_of_pages() {
        let mut recent = RecentKinds::new();
        assert_eq!(recent.get(0, 0), Some(Kind::Other), "no type is at 0");
        recent.insert(4096, 1, Kind::Str);
        assert_eq!(recent.get(4096, 1), Some(Kind::Str));
        assert_eq!(recent.get(4096, 2), None);
        recent.insert(8192, 2, Kind::Int);
        assert_eq!(recent.get(4096, 2), None);
    }

    #[test]
    fn a_class_statement_cannot_make_what_only_c_code_has() {
        let heap_type = FLAG_HEAP_TYPE;
        assert_eq!(kind_by_name("coroutine", 0), Kind::Generator);
        assert_eq!(kind_by_name("coroutine", heap_type), Kind::Other);
        assert_eq!(kind_by_name("float", heap_type), Kind::Other);
        assert_eq!(kind_by_name("functools.partial", heap_type), Kind::Partial);
        let cython = kind_by_name("_cython_3_1_2.coroutine", heap_type);
        assert_eq!(cython, Kind::CythonCoroutine);
    }
}
