"""What a process can see of its own coroutines, frames and exceptions, as JSON values.

Where an object has no attribute that leads on (an asynchronous generator's step, a coroutine's
`__await__`), the garbage collector knows what it refers to.
"""
import gc
import inspect
import sys
import types

COROUTINE_FLAGS = inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE | inspect.CO_ASYNC_GENERATOR
HAS_QUALIFIED_NAMES = sys.version_info >= (3, 11)

# Of each kind of coroutine: its frame, its code, what it waits for.
ATTRIBUTES = {
    types.CoroutineType: ("cr_frame", "cr_code", "cr_await"),
    types.GeneratorType: ("gi_frame", "gi_code", "gi_yieldfrom"),
    types.AsyncGeneratorType: ("ag_frame", "ag_code", "ag_await"),
}

# What stands between a coroutine and the one that it waits for.
WRAPPERS = {
    "async_generator_asend",
    "async_generator_athrow",
    "anext_awaitable",
    "coroutine_wrapper",
    # Cython's.
    "coroutine_await",
}

# The system calls in which the thread of a loop can wait: forms of `poll`, `select` and `nanosleep`,
# and those of epoll with the place of their time-out.
WAITS = {7: None, 23: None, 35: None, 230: None, 270: None, 271: None, 232: 4, 281: 4}


def frame(code, line):
    name = code.co_qualname if HAS_QUALIFIED_NAMES else code.co_name
    is_coroutine = bool(code.co_flags & COROUTINE_FLAGS)
    return {
        "file": code.co_filename,
        "line": line or 0,
        "function": name,
        "is_coroutine": is_coroutine,
    }


def thread_frames(innermost):
    """A thread's frames, innermost first."""
    frames = []
    while innermost is not None:
        frames.append(frame(innermost.f_code, innermost.f_lineno))
        innermost = innermost.f_back
    return frames


def suspended_chain(coroutine):
    """The frames of a coroutine that waits and of all that it waits in, outermost first."""
    chain = []
    for part in parts(coroutine):
        if is_compiled(part):
            chain.append(compiled_frame(part))
            continue
        frame_name, code_name, _ = ATTRIBUTES[type(part)]
        its_frame = getattr(part, frame_name)
        if its_frame is not None:
            chain.append(frame(getattr(part, code_name), its_frame.f_lineno))
    return chain


def parts(awaitable):
    while awaitable is not None:
        if type(awaitable) in ATTRIBUTES:
            yield awaitable
            awaitable = getattr(awaitable, ATTRIBUTES[type(awaitable)][2])
        elif is_compiled(awaitable):
            yield awaitable
            awaitable = awaitable.cr_await
        elif type(awaitable).__name__ in WRAPPERS:
            awaitable = inside_wrapper(awaitable)
        else:
            return


def is_compiled(awaitable):
    """Whether this is a coroutine that Cython made, which does not say where it stands."""
    return type(awaitable).__module__.startswith("_cython_") and hasattr(awaitable, "cr_await")


def compiled_frame(coroutine):
    return {
        "file": coroutine.__module__,
        "line": 0,
        "function": coroutine.__qualname__,
        "is_coroutine": True,
    }


def inside_wrapper(wrapper):
    return next((inner for inner in gc.get_referents(wrapper) if is_part(inner)), None)


def is_part(thing):
    return type(thing) in ATTRIBUTES or type(thing).__name__ in WRAPPERS or is_compiled(thing)


def running_chain(coroutine, innermost, of_others):
    """The coroutines among a thread's frames from a task's first one inward, outermost first. Further in may
    be another task, which the task steps itself."""
    firsts = [first_frame(other) for other in of_others]
    chain = []
    while innermost is not None:
        if innermost.f_code.co_flags & COROUTINE_FLAGS:
            chain.append(frame(innermost.f_code, innermost.f_lineno))
        if innermost is first_frame(coroutine):
            break
        if any(innermost is first for first in firsts):
            chain.clear()
        innermost = innermost.f_back
    return chain[::-1]


def first_frame(coroutine):
    return getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)


def is_running(coroutine):
    return getattr(coroutine, "cr_running", False) or getattr(coroutine, "gi_running", False)


def type_name(thing):
    kind = type(thing)
    return f"{kind.__module__}.{kind.__qualname__}"


def exception(error):
    name = type_name(error)
    if name.startswith("builtins."):
        name = type(error).__qualname__
    first = error.args[0] if error.args else None
    return {"type": name, "message": first if isinstance(first, str) else None}


def is_new(coroutine):
    """Whether a coroutine has not taken its first step."""
    if isinstance(coroutine, types.CoroutineType):
        return inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
    return inspect.getgeneratorstate(coroutine) == inspect.GEN_CREATED


def stands(native_id):
    """Whether a thread waits in a system call, and not just for what is ready now."""
    with open(f"/proc/self/task/{native_id}/syscall") as file:
        words = file.read().split()
    if not words[0].isdigit() or int(words[0]) not in WAITS:
        return False
    time_out = WAITS[int(words[0])]
    return time_out is None or int(words[time_out], 16) != 0
