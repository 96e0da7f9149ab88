"""Tracked calls: decorators and context managers."""

import functools
import sys
from types import TracebackType
from typing import Any, Callable, List, Optional, Type, TypeVar, Union, overload

from . import _native

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Kinds of call, as the recording numbers them.
_CALL = 1
_QUERY = 3

# What a code object says of its function, as the `inspect` module knows it.
_GENERATOR = 0x20
_COROUTINE = 0x80
_ITERABLE_COROUTINE = 0x100
_ASYNC_GENERATOR = 0x200


class CallTracker:
    """Counts calls under one group: as a decorator, or around a block of code.

    Functions, methods, coroutines, generators and asynchronous generators can be decorated. What is decorated
    keeps its name, its signature, its results and its exceptions.

    >>> tracker = CallTracker("billing", "refund")
    >>> with tracker:
    ...     pass
    """

    def __init__(self, group: str, name: Optional[str] = None, *, kind: int = _CALL) -> None:
        self._group = group
        self._name = name
        self._kind = kind
        self._site: Optional[_native.CallSite] = None
        self._running: List[_native.RunningCall] = []

    def __call__(self, function: _Function) -> _Function:
        tracked: _Function = _tracked(function, self)
        return tracked

    def __enter__(self) -> "CallTracker":
        self._running.append(self._block().begin())
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if not self._running:
            return
        running = self._running.pop()
        if error is None:
            running.returned()
        else:
            running.raised(error)

    async def __aenter__(self) -> "CallTracker":
        return self.__enter__()

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _site_of(self, function: Callable[..., Any]) -> "_native.CallSite":
        return _native.CallSite(self._group, self._name or _name_of(function), self._kind)

    def _block(self) -> "_native.CallSite":
        if self._site is None:
            self._site = _native.CallSite(self._group, self._name or _name_of_caller(), self._kind)
        return self._site


def track_call(group: str, name: Optional[str] = None) -> CallTracker:
    """Counts calls under a group, in the report under ``<group>_total_calls`` and the like.

    >>> @track_call("billing")
    ... def charge(amount: int) -> int:
    ...     return amount
    >>> charge(2)
    2
    """
    return CallTracker(group, name)


class _Shorthand:
    """A group's own decorator, with and without parentheses, and its context manager."""

    def __init__(self, group: str, kind: int) -> None:
        self._group = group
        self._kind = kind

    @overload
    def __call__(self, function: _Function) -> _Function: ...

    @overload
    def __call__(self, function: Optional[str] = None) -> CallTracker: ...

    def __call__(self, function: Union[_Function, str, None] = None) -> Union[_Function, CallTracker]:
        if function is None or isinstance(function, str):
            return CallTracker(self._group, function, kind=self._kind)
        return CallTracker(self._group, kind=self._kind)(function)


track_agno_call = _Shorthand("agno", _CALL)
"""Counts calls of agents: ``@track_agno_call``, ``@track_agno_call("name")``, ``with track_agno_call("name"):``."""

track_database_call = _Shorthand("database", _QUERY)
"""Counts calls of a database: ``@track_database_call``, ``with track_database_call("orders"):``."""


def _tracked(function: Any, tracker: CallTracker) -> Any:
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(_tracked(function.__func__, tracker))
    if isinstance(function, type) or not callable(function):
        # Not ours to fail: whoever uses it gets what there was.
        return function
    site = tracker._site_of(function)
    flags = _flags(function)
    try:
        return site.track(function, flags)
    except RuntimeError:
        return _tracked_in_python(function, site.begin, flags)


def _tracked_in_python(function: Any, begin: Any, flags: int) -> Any:
    """For an interpreter that lacks what tracking needs: that of 3.9 cannot tell how a coroutine ended."""
    if flags & _ITERABLE_COROUTINE:
        return function
    if flags & _COROUTINE:
        return _tracked_coroutine(function, begin)
    if flags & _ASYNC_GENERATOR:
        return _tracked_async_generator(function, begin)
    if flags & _GENERATOR:
        return _tracked_generator(function, begin)
    return function


def _tracked_coroutine(function: Any, begin: Any) -> Any:
    @functools.wraps(function)
    async def tracked(*args: Any, **kwargs: Any) -> Any:
        running = begin()
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            running.raised(error)
            raise
        running.returned()
        return result

    return tracked


def _tracked_generator(function: Any, begin: Any) -> Any:
    @functools.wraps(function)
    def tracked(*args: Any, **kwargs: Any) -> Any:
        running = begin()
        try:
            result = yield from function(*args, **kwargs)
        except GeneratorExit:
            # Nobody wanted more of it.
            running.returned()
            raise
        except BaseException as error:
            running.raised(error)
            raise
        running.returned()
        return result

    return tracked


def _tracked_async_generator(function: Any, begin: Any) -> Any:
    @functools.wraps(function)
    async def tracked(*args: Any, **kwargs: Any) -> Any:
        running = begin()
        generator = function(*args, **kwargs)
        try:
            step = generator.__anext__()
            while True:
                try:
                    value = await step
                except StopAsyncIteration:
                    break
                try:
                    sent = yield value
                except GeneratorExit:
                    await generator.aclose()
                    running.returned()
                    raise
                except BaseException as error:
                    step = generator.athrow(error)
                else:
                    step = generator.asend(sent)
        except GeneratorExit:
            raise
        except BaseException as error:
            running.raised(error)
            raise
        running.returned()

    return tracked


def _flags(function: Any) -> int:
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return getattr(code, "co_flags", 0)


def _name_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    module = getattr(function, "__module__", None)
    return f"{module}.{name}" if module else name


def _name_of_caller() -> str:
    """The function outside of this file that is running."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_name}"
