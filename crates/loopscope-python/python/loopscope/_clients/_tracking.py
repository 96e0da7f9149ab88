"""Puts what tracks them in front of a library's functions."""

import functools
import types
import weakref
from typing import Any, Callable, Optional

from .. import _calls, _native

# Takes a function's arguments, returns the site that the call counts under, or None for one that does not count.
Choose = Callable[..., Optional["_native.CallSite"]]
# Takes a result and its call, which it ends or keeps; returns what the caller is to have.
End = Callable[[Any, "_native.RunningCall"], Any]

# Families of calls: of such within one another on a thread, the outermost counts.
REQUESTS = 1
HTTPX = 2
URLLIB = 4
OPENAI = 8

# Requests that are part of another library's call.
spoken_for: "weakref.WeakSet[Any]" = weakref.WeakSet()

# Functions that stand in front of a library's. A module may be imported under two names.
_standing: "weakref.WeakSet[Any]" = weakref.WeakSet()

# Answers that say that the service failed, or that it will have no more of this for now.
_FIRST_SERVER_ERROR = 500
_TOO_MANY_REQUESTS = 429


def track(owner: Any, name: str, choose: Choose, end: Optional[End] = None, family: int = 0) -> None:
    """Tracks a function of a class: one that is written in Python, and that nobody else stands in front of."""
    function = vars(owner).get(name)
    if type(function) is not types.FunctionType or function in _standing:
        return
    is_coroutine = function.__code__.co_flags & _calls._COROUTINE
    if is_coroutine:
        tracked = _tracked_coroutine(function, choose, end)
    else:
        tracked = _native.track_library(function, choose, end, family)
    _standing.add(tracked)
    setattr(owner, name, tracked)


def _tracked_coroutine(function: Any, choose: Choose, end: Optional[End]) -> Any:
    @functools.wraps(function)
    async def tracked(*args: Any, **kwargs: Any) -> Any:
        running = _begun(choose, args, kwargs)
        if running is None:
            return await function(*args, **kwargs)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            running.raised(error)
            raise
        return ended(result, running, end)

    return tracked


def _begun(choose: Choose, args: Any, kwargs: Any) -> "Optional[_native.RunningCall]":
    try:
        site = choose(*args, **kwargs)
    except TypeError:
        # Called wrongly, which the library will say.
        return None
    except Exception:
        _native.count_fault()
        return None
    return None if site is None else site.begin()


def ended(result: Any, running: "_native.RunningCall", end: Optional[End]) -> Any:
    """What the caller is to have of a call that returned this."""
    if end is None:
        running.returned()
        return result
    try:
        return end(result, running)
    except Exception:
        _native.count_fault()
        return result


def end_by_status(running: "_native.RunningCall", status: object) -> None:
    """Ends a request by its answer's status. What a client got wrong is an answer like any other."""
    is_failure = type(status) is int and (status >= _FIRST_SERVER_ERROR or status == _TOO_MANY_REQUESTS)
    if is_failure:
        running.failed(f"HTTP {status}")
    else:
        running.returned()


def follow(result: Any, running: "_native.RunningCall", end: Optional[End] = None) -> Any:
    """Goes on with the call where its result does: a coroutine, a generator, or an asynchronous one."""
    if isinstance(result, types.CoroutineType):
        return like(result, _follow_coroutine(_Followed(result), running, end), running)
    if isinstance(result, types.GeneratorType):
        return like(result, _calls._tracked_generator(lambda: result, lambda: running)(), running)
    if isinstance(result, types.AsyncGeneratorType):
        return like(result, _calls._tracked_async_generator(lambda: result, lambda: running)(), running)
    return ended(result, running, end)


def like(followed: Any, follower: Any, running: "_native.RunningCall") -> Any:
    """The follower under the name of what it follows."""
    running.lasts()
    follower.__name__, follower.__qualname__ = followed.__name__, followed.__qualname__
    return follower


class _Followed:
    """A coroutine that is closed with what follows it: one that is cancelled before it began leaves no other."""

    __slots__ = ("coroutine",)

    def __init__(self, coroutine: Any) -> None:
        self.coroutine = coroutine

    def __del__(self) -> None:
        self.coroutine.close()


async def _follow_coroutine(followed: _Followed, running: "_native.RunningCall", end: Optional[End]) -> Any:
    try:
        result = await followed.coroutine
    except BaseException as error:
        running.raised(error)
        raise
    return ended(result, running, end)
