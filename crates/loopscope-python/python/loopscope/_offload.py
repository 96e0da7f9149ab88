"""Blocking calls off the event loop."""

import asyncio
import contextvars
import functools
import inspect
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Dict, Optional, TypeVar, overload

from ._calls import _name_of

if TYPE_CHECKING:
    from typing_extensions import ParamSpec, Protocol

    _Parameters = ParamSpec("_Parameters")

    class _Decorator(Protocol):
        def __call__(
            self, function: Callable[_Parameters, "_Result"]
        ) -> Callable[_Parameters, Awaitable["_Result"]]: ...


_Result = TypeVar("_Result")

_WORKERS = 8

_pools: Dict[str, ThreadPoolExecutor] = {}
_pools_lock = threading.Lock()


@overload
def offload(
    function: "Callable[_Parameters, _Result]", *, workers: int = ..., name: Optional[str] = ...
) -> "Callable[_Parameters, Awaitable[_Result]]": ...


@overload
def offload(function: None = None, *, workers: int = ..., name: Optional[str] = ...) -> "_Decorator": ...


def offload(function: Any = None, *, workers: int = _WORKERS, name: Optional[str] = None) -> Any:
    """Makes an awaitable of a blocking function: it runs on a thread, and the event loop goes on.

    >>> import asyncio, time
    >>> @offload
    ... def compute(number: int) -> int:
    ...     time.sleep(0.01)
    ...     return number + 1
    >>> asyncio.run(compute(1))
    2

    Also for what is at hand, ``await loopscope.offload(agent.run)(prompt)``, and with limits,
    ``@loopscope.offload(workers=2)``.

    Each function has threads of its own, ``workers`` of them at most (8), made when they are needed: a slow one
    never takes the threads of another, nor those of the loop's own executor. Calls beyond that wait in order of
    arrival. The report shows them as an executor, ``offload`` and the function's name, with its queue and its
    waiting times. Functions that are given the same ``name`` share their threads; the first says how many.

    *Context variables* of the caller are seen by the function; what it sets, nobody sees.
    *Cancellation*: a call that still waits for a thread never begins. One that runs cannot be interrupted: the
    caller goes on at once, and the function ends on its thread, which it keeps for as long; its result and its
    exception are dropped. So a time-out (``asyncio.wait_for``) bounds the caller's time, not the thread's.
    *Exceptions* are raised in the caller; ``StopIteration`` as a ``RuntimeError``, as in any coroutine.
    *Fork*: a child has threads of its own from its first call on. *Exit*: the interpreter waits for functions
    that still run, as for any thread pool.

    A call costs some 100 to 150 microseconds under ``loopscope run``; what takes less than a millisecond had better
    stay on the loop.
    """
    if function is None:
        return functools.partial(offload, workers=workers, name=name)
    if _is_asynchronous(function) or _is_asynchronous(getattr(function, "__call__", None)):
        raise TypeError(f"{_name_of(function)} is asynchronous: await it, it blocks nothing")
    if inspect.isgeneratorfunction(function):
        raise TypeError(f"{_name_of(function)} is a generator: offload what consumes it")
    if not callable(function):
        raise TypeError(f"{function!r} cannot be called")
    if workers < 1:
        raise ValueError(f"at least one worker is needed, not {workers}")
    pool = name or _name_of(function)

    async def offloaded(*args: Any, **kwargs: Any) -> Any:
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        call = functools.partial(context.run, _call, function, args, kwargs)
        return await loop.run_in_executor(_pool(pool, workers), call)

    try:
        functools.update_wrapper(offloaded, function)
    except (AttributeError, TypeError):
        # A callable that hides what it is still works.
        pass
    return offloaded


def _is_asynchronous(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _call(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    except StopIteration as error:
        # A future cannot hold one: whoever awaits it would wait for ever.
        raise RuntimeError("an offloaded function raised StopIteration") from error


def _pool(name: str, workers: int) -> ThreadPoolExecutor:
    with _pools_lock:
        pool = _pools.get(name)
        if pool is None:
            pool = _pools[name] = ThreadPoolExecutor(workers, thread_name_prefix=f"offload {name}")
        return pool


def _begin_anew() -> None:
    """In a child: the threads stayed with its parent, and so did whoever held the lock."""
    global _pools_lock
    _pools_lock = threading.Lock()
    _pools.clear()


os.register_at_fork(after_in_child=_begin_anew)
