"""What a tracked coroutine or generator must have in common with a bare one: each check runs on both."""
import asyncio
import collections.abc
import contextlib
import gc
import inspect
import sys
import traceback
import types
import warnings
import weakref

import loopscope


def both(function):
    return function, loopscope.track_call("group")(function)


async def simple(value):
    await asyncio.sleep(0)
    return value


async def failing():
    await asyncio.sleep(0)
    raise KeyError("deep")


async def catching(events):
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        events.append("cancelled")
        raise
    finally:
        events.append("left")


def generator(events):
    try:
        while True:
            try:
                events.append((yield len(events)))
            except KeyError as error:
                events.append(repr(error))
    finally:
        events.append("closed")


async def async_generator(events):
    try:
        while True:
            try:
                await asyncio.sleep(0)
                events.append((yield len(events)))
            except KeyError as error:
                events.append(repr(error))
    finally:
        events.append("closed")


class Wrapping:
    def __init__(self, coroutine):
        self.coroutine = coroutine

    def __await__(self):
        return (yield from self.coroutine.__await__())


def looks(function):
    coroutine = function(1)
    try:
        return [
            inspect.isfunction(function),
            inspect.iscoroutinefunction(function),
            inspect.iscoroutine(coroutine),
            inspect.isawaitable(coroutine),
            asyncio.iscoroutine(coroutine),
            isinstance(coroutine, types.CoroutineType),
            isinstance(coroutine, collections.abc.Coroutine),
            isinstance(coroutine, collections.abc.Iterable),
            inspect.getcoroutinestate(coroutine),
            coroutine.__name__,
            coroutine.__qualname__,
            coroutine.cr_code.co_name,
            coroutine.cr_frame.f_lineno,
            coroutine.cr_await,
            weakref.ref(coroutine)() is coroutine,
        ]
    finally:
        coroutine.close()


def by_hand(function):
    """Without a loop: what `send`, `throw` and `close` do, and what they raise."""
    told = []

    def tell(call):
        try:
            told.append(call())
        except BaseException as error:
            told.append((type(error).__name__, error.args, getattr(error, "value", None)))

    for ending in ("send", "throw", "close"):
        coroutine = function((1, 2))
        tell(lambda: coroutine.send(1))
        tell(lambda: coroutine.send(None))
        if ending == "send":
            tell(lambda: coroutine.send(None))
        elif ending == "throw":
            tell(lambda: coroutine.throw(ValueError("thrown")))
        else:
            tell(coroutine.close)
        tell(lambda: coroutine.send(None))
        tell(lambda: coroutine.throw(ValueError("again")))
        tell(coroutine.close)
        told.append(inspect.getcoroutinestate(coroutine))
    return told


def never_awaited(function):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(1)
        gc.collect()
    return [str(warning.message) for warning in caught]


async def tracebacks(function):
    try:
        await function()
    except KeyError as error:
        return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


async def cancellation(function):
    events = []
    task = asyncio.create_task(function(events))
    await asyncio.sleep(0)
    stack = [frame.f_code.co_name for frame in task.get_stack()]
    chain = task.get_coro().cr_await is not None
    task.cancel()
    result = await asyncio.gather(task, return_exceptions=True)
    return events, stack, chain, repr(result), task.cancelled()


async def awaited_twice(function):
    coroutine = function(1)
    told = [await coroutine]
    try:
        await coroutine
    except RuntimeError as error:
        told.append(str(error))
    running = function(2)
    task = asyncio.create_task(running)
    await asyncio.sleep(0)
    try:
        await running
    except RuntimeError as error:
        told.append(str(error))
    told.append(await task)
    told.append(await Wrapping(function(3)))
    told.append(await asyncio.wait_for(function(4), 10))
    return told


def generators(function):
    events = []
    running = function(events)
    told = [next(running), running.send("sent"), running.throw(KeyError("thrown"))]
    told.append([inspect.isgenerator(running), running.gi_frame is not None, iter(running) is running])
    running.close()
    told.append(next(running, "over"))
    with contextlib.suppress(RuntimeError), contextlib.contextmanager(function)(events) as entered:
        # It does not stop after its first value, which is an error.
        told.append(entered)
    for _ in function(events):
        break
    gc.collect()
    return told, events


async def async_generators(function):
    events = []
    running = function(events)
    told = [await running.__anext__(), await running.asend("sent"), await running.athrow(KeyError("thrown"))]
    told.append([inspect.isasyncgen(running), isinstance(running, collections.abc.AsyncGenerator)])
    await running.aclose()
    try:
        await running.__anext__()
    except StopAsyncIteration:
        told.append("over")
    with contextlib.suppress(RuntimeError):
        async with contextlib.asynccontextmanager(function)(events) as entered:
            told.append(entered)
    async for _ in function(events):
        break
    gc.collect()
    await asyncio.sleep(0.01)
    unbegun = function(events)
    await unbegun.aclose()
    return told, events


async def left_to_the_loop(function):
    """One that is half done when its loop ends is closed by the loop."""
    events = []
    running = function(events)
    await running.__anext__()
    KEPT.append((running, events))


KEPT = []


def same(name, check, function):
    bare, tracked = (check(one) for one in both(function))
    assert bare == tracked, f"{name}: {bare} bare, {tracked} tracked"


def same_in_loop(name, check, function):
    same(name, lambda one: asyncio.run(check(one)), function)


def main():
    same("by hand", by_hand, simple)
    same("never awaited", never_awaited, simple)
    same_in_loop("awaited twice", awaited_twice, simple)
    same("generators", generators, generator)
    same_in_loop("async generators", async_generators, async_generator)
    same_in_loop("left to the loop", left_to_the_loop, async_generator)
    (_, bare), (_, tracked) = KEPT
    assert bare == tracked, (bare, tracked)
    if sys.version_info >= (3, 10):
        # Before, a coroutine of ours stands between.
        same("looks", looks, simple)
        same_in_loop("cancellation", cancellation, catching)
        same_in_loop("tracebacks", tracebacks, failing)
    print("done")


main()
