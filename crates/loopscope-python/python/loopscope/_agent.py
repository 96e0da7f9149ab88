"""Begins to watch this interpreter."""

import functools
import importlib
import os
import sys
import weakref
from types import ModuleType
from typing import Any, Callable, List, Optional, Set, Tuple

from . import _imports, _native

# Names of libraries that are not to be tracked, with commas between them; `all` for all of them.
UNTRACKED = "LOOPSCOPE_UNTRACKED"

# Set where faults may be brought into this process on purpose.
DRILLS = "LOOPSCOPE_ALLOW_DRILL"

# What is watched already.
_watched: Set[str] = set()


def begin() -> None:
    """Watches what can be watched by now: calls at once, others when their packages have been imported.

    Does nothing where the process has no recording. May be called any number of times.
    """
    if not _native.begin():
        return
    _once("calls", _native.watch_calls)
    _once("the collector", _watch_collector)
    threads = _imported("concurrent.futures.thread", "ThreadPoolExecutor")
    if threads is not None:
        _once("executors", lambda: _watch_executors(threads))
    asyncio = _imported("asyncio", "run")
    if asyncio is not None:
        loop_type = asyncio.base_events.BaseEventLoop
        _once("tasks", _watch_tasks)
        _once("calls on loops", _watch_calls_on_loops)
        _once("handlers of asyncio", lambda: _watch_handler(loop_type))
        if DRILLS in os.environ:
            _once("drills", _serve_drills)
    uvloop = _imported("uvloop", "Loop")
    if uvloop is not None:
        # It polls by itself. Looking through all modules takes its time: not for those that do not.
        _once("polls of uvloop", _native.hook)
        _once("handlers of uvloop", lambda: _watch_handler(uvloop.Loop))
    for name, (has, switch, ours) in _imports.LIBRARIES.items():
        library = _imported(name, has)
        if library is not None and not _is_untracked(switch):
            _once(name, functools.partial(_watch_library, library, ours))


def _imported(name: str, has: str) -> Optional[ModuleType]:
    """A module that has been imported; one that is still being imported lacks what it has at its end."""
    module = sys.modules.get(name)
    return module if getattr(module, has, None) is not None else None


def _is_untracked(switch: str) -> bool:
    names = {name.strip() for name in os.environ.get(UNTRACKED, "").split(",")}
    return switch in names or "all" in names


def _serve_drills() -> None:
    from . import _drill

    _drill.serve()


def _watch_library(library: ModuleType, ours: str) -> None:
    importlib.import_module(f"loopscope.{ours}").watch(library)


def _once(what: str, watch: Callable[[], object]) -> None:
    """Watches this unless it is watched already. One that fails keeps no other from being watched."""
    if what in _watched:
        return
    _watched.add(what)
    try:
        watch()
    except Exception:
        _native.count_fault()


def _watch_calls_on_loops() -> None:
    import asyncio

    _native.watch_calls(asyncio._get_running_loop, asyncio.current_task, asyncio.CancelledError)


def _watch_collector() -> None:
    import gc

    gc.callbacks.append(_native.collector_callback)
    _native.watch_collector()


def _watch_executors(threads: ModuleType) -> None:
    from . import _executors

    _executors.watch(threads)
    _native.watch_executors()


def _watch_handler(loop_type: Any) -> None:
    """Sees what is told to the exception handlers of these loops."""
    loop_type.call_exception_handler = _native.watch_handler(loop_type.call_exception_handler)


def _watch_tasks() -> None:
    import asyncio

    implementation: Any = sys.modules["_asyncio"]
    loop = _Loop()
    coroutine, step, wake = _steps(implementation, loop)
    folder = asyncio.__file__.rpartition("/")[0]
    samples = [*_samples(implementation.Future, loop), coroutine]
    if _native.watch_tasks(implementation.Task, step, wake, samples, folder):
        _quicken_registry(implementation)
    # They lead back to the task, which would be there for all to see until the collector comes.
    loop.callbacks.clear()


def _quicken_registry(implementation: Any) -> None:
    """Pays for what watching tasks costs, where tasks are kept in a set that is written in Python."""
    tasks = getattr(implementation, "_scheduled_tasks", getattr(implementation, "_all_tasks", None))
    if sys.version_info < (3, 14) and type(tasks) is weakref.WeakSet:
        _native.quicken_registry(tasks)


class _Loop:
    """As much of a loop as a future needs that nobody waits for."""

    def __init__(self) -> None:
        self.callbacks: List[Any] = []

    def get_debug(self) -> bool:
        return False

    def call_soon(self, callback: Any, *arguments: Any, context: Any = None) -> None:
        self.callbacks.append((callback, arguments))

    def call_exception_handler(self, context: Any) -> None:
        pass


def _steps(implementation: Any, loop: _Loop) -> Tuple[Any, Any, Any]:
    """A coroutine that has begun, what steps a task, and what wakes it up."""

    async def wait(future: Any) -> None:
        await future

    running = implementation._get_running_loop()
    stepped = None
    if sys.version_info >= (3, 14):
        # The thread has one loop and one task, and may be in the middle of both.
        if running is not None:
            stepped = implementation._swap_current_task(running, None)
        implementation._set_running_loop(loop)
    try:
        future = implementation.Future(loop=loop)
        # A name of its own, since the next number is the program's.
        coroutine = wait(future)
        task = implementation.Task(coroutine, loop=loop, name="loopscope")
        step, _ = loop.callbacks.pop()
        step()
        wake = future._callbacks[0][0]
        future.set_result(None)
        wake(future)
        assert task.done()
    finally:
        if sys.version_info >= (3, 14):
            implementation._set_running_loop(running)
            if running is not None:
                implementation._swap_current_task(running, stepped)
    return coroutine, step, wake


def _samples(future_type: Any, loop: _Loop) -> Tuple[Any, ...]:
    """Futures in known states, and the exception of the last one."""
    pending, cancelled, returned, failed = (future_type(loop=loop) for _ in range(4))
    cancelled.cancel()
    returned.set_result(None)
    exception = Exception()
    failed.set_exception(exception)
    failed.exception()
    return pending, cancelled, returned, failed, exception
