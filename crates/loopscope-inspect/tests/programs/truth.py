"""What a program says of its own tasks, threads and loops from inside, for comparison with a dump.

A program registers each of its tasks with what it expects of it, and answers each line on its standard
input with one line of JSON. Everything must be at rest by then.
"""
import asyncio
import gc
import json
import sys
import threading
import types

#: Task -> what is expected of it.
expected = {}
#: Loops to tell of, beside those of the tasks.
loops = []
_names = {}


def expect(task, name=None, waits=None, primitive=None, detail=None, due=None, parents=(), orphan=None):
    """Keeps a task and says what a dump must find: parents and waits by names of tasks."""
    if name is not None:
        task.set_name(name)
    expected[task] = dict(
        waits=waits, primitive=primitive, detail=detail, due=due, parents=sorted(parents), orphan=orphan
    )
    return task


def function_name(code):
    return getattr(code, "co_qualname", code.co_name)


def frame_of(file_frame, code):
    return [code.co_filename, function_name(code), file_frame.f_lineno]


def inside(awaitable):
    """What stands behind an object that shows nothing of itself."""
    kinds = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)
    referents = gc.get_referents(awaitable)
    for referent in referents:
        if isinstance(referent, kinds):
            return referent
    for referent in referents:
        if type(referent).__name__ in ("async_generator_asend", "coroutine_wrapper"):
            return referent
    return None


def chain(awaitable):
    """The frames of an await chain, outermost first."""
    frames = []
    while awaitable is not None and not asyncio.isfuture(awaitable):
        for kind in ("cr", "gi", "ag"):
            if hasattr(awaitable, kind + "_frame"):
                frame = getattr(awaitable, kind + "_frame")
                if frame is None:
                    return frames
                frames.append(frame_of(frame, getattr(awaitable, kind + "_code")))
                following = "gi_yieldfrom" if kind == "gi" else kind + "_await"
                awaitable = getattr(awaitable, following)
                break
        else:
            awaitable = inside(awaitable)
    return frames


def task_state(task):
    if not task.done():
        return ["pending"]
    if task.cancelled():
        return ["cancelled"]
    error = task.exception()
    if error is None:
        return ["done"]
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    message = error.args[0] if error.args and isinstance(error.args[0], str) else None
    return ["failed", name, message]


def cancelling(task):
    if task.done():
        return False
    requests = task.cancelling() if hasattr(task, "cancelling") else 0
    return requests > 0 or bool(getattr(task, "_must_cancel", False))


def is_running(task):
    coroutine = task.get_coro()
    return bool(getattr(coroutine, "cr_running", False) or getattr(coroutine, "gi_running", False))


def task_truth(task):
    coroutine = task.get_coro()
    runs = is_running(task)
    return dict(
        address=id(task),
        name=task.get_name(),
        type_name=f"{type(task).__module__}.{type(task).__qualname__}",
        loop=id(task.get_loop()),
        state=task_state(task),
        running=runs,
        cancelling=cancelling(task),
        chain=[] if task.done() or runs else chain(coroutine),
        expected=expected.get(task),
    )


def thread_truth(thread, frames):
    found = []
    frame = frames.get(thread.ident)
    while frame is not None:
        found.append(frame_of(frame, frame.f_code))
        frame = frame.f_back
    return dict(tid=thread.native_id, name=thread.name, frames=found)


def loop_truth(loop):
    timers = getattr(loop, "_scheduled", None)
    due = [timer.when() for timer in timers or () if not timer.cancelled()]
    return dict(
        address=id(loop),
        type_name=f"{type(loop).__module__}.{type(loop).__qualname__}",
        running=loop.is_running(),
        closed=loop.is_closed(),
        ready=len(loop._ready) if hasattr(loop, "_ready") else None,
        timers=None if timers is None else len(timers),
        next_timer=min(due, default=None),
    )


def truth():
    tasks = set(expected)
    known_loops = {task.get_loop() for task in tasks} | set(loops)
    for loop in known_loops:
        tasks |= asyncio.all_tasks(loop)
    frames = sys._current_frames()
    own = threading.current_thread()
    return dict(
        tasks=[task_truth(task) for task in tasks],
        threads=[thread_truth(thread, frames) for thread in threading.enumerate() if thread is not own],
        loops=[loop_truth(loop) for loop in known_loops],
    )


def answer():
    """Says that all is at rest and answers questions until the input ends."""
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(truth()), flush=True)
