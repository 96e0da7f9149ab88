//! Offsets that have been the same in every supported version, each inside the object that it names.

/// `_PyAsyncGenASend` and `_PyAsyncGenAThrow`: the async generator.
pub(crate) const ASYNC_GENERATOR_STEP_GENERATOR: u64 = 16;

/// `coroutine_wrapper`, what a coroutine's `__await__` returns: the coroutine.
pub(crate) const COROUTINE_WRAPPER_COROUTINE: u64 = 16;

/// `anext_awaitable` (from 3.10 on): what it wraps.
pub(crate) const ANEXT_AWAITABLE_WRAPPED: u64 = 16;

/// `_asyncio.FutureIter`, what a future's `__await__` returns: the future, null once it has ended.
pub(crate) const FUTURE_ITERATOR_FUTURE: u64 = 16;

/// `TaskWakeupMethWrapper` of `_asyncio`, where a build has one: the task. Elsewhere a task is woken
/// through a built-in method whose [`BUILTIN_SELF`] is the task.
pub(crate) const TASK_WAKEUP_TASK: u64 = 16;

/// A weak reference: the object, `None` where it is gone.
pub(crate) const WEAK_REFERENCE_OBJECT: u64 = 16;

/// A cell: its value, null where it has none.
pub(crate) const CELL_VALUE: u64 = 16;

/// A bound method: the function.
pub(crate) const METHOD_FUNCTION: u64 = 16;

/// A bound method: the object that it is bound to.
pub(crate) const METHOD_SELF: u64 = 24;

/// A function or method of C code: the object that it is bound to, or its module.
pub(crate) const BUILTIN_SELF: u64 = 24;

/// `functools.partial` of C code: the function.
pub(crate) const PARTIAL_FUNCTION: u64 = 16;

/// `functools.partial` of C code: the tuple of arguments.
pub(crate) const PARTIAL_ARGUMENTS: u64 = 24;

/// A float: its value, eight bytes.
pub(crate) const FLOAT_VALUE: u64 = 16;

/// A module: its dictionary.
pub(crate) const MODULE_DICT: u64 = 16;

/// An exception: the tuple of arguments.
pub(crate) const EXCEPTION_ARGUMENTS: u64 = 24;

/// A `bytes` object: its bytes.
pub(crate) const BYTES_DATA: u64 = 32;

/// An entry of a set's table: the key and its hash. It is in use where the key is not null and the hash
/// is not -1.
pub(crate) const SET_ENTRY_BYTES: u64 = 16;

/// `PyMemberDef`, of which a type has an array that ends with a null name: the name.
pub(crate) const MEMBER_NAME: u64 = 0;

/// `PyMemberDef`: where instances have the member.
pub(crate) const MEMBER_OFFSET: u64 = 16;

/// The size of a `PyMemberDef`.
pub(crate) const MEMBER_BYTES: u64 = 40;
