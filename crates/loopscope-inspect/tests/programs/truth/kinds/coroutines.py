"""Whatever can stand between a task and the future that it waits for."""
import asyncio
import contextlib
import sys
import types

from kinds.plain import HOUR, await_it, sleep
from tell import make


async def numbers():
    try:
        await sleep(HOUR)
        yield 1
    finally:
        await sleep(HOUR)


async def numbers_of_numbers():
    async for number in numbers():
        yield number


async def two_steps():
    try:
        yield 1
        await sleep(HOUR)
        yield 2
    except KeyError:
        await sleep(2 * HOUR)
    finally:
        await sleep(3 * HOUR)


async def async_for(generator):
    async for _ in generator:
        pass


async def comprehension():
    return [number async for number in numbers()]


async def second_step(step):
    generator = two_steps()
    await generator.__anext__()
    await step(generator)


@contextlib.asynccontextmanager
async def manager():
    await sleep(HOUR)
    yield


async def async_with():
    async with manager():
        pass


class WithGenerator:
    def __await__(self):
        yield from asyncio.sleep(HOUR).__await__()


class WithCoroutine:
    def __await__(self):
        return sleep(HOUR).__await__()


class WithIterator:
    """Hands out a future by itself, so that what it does in between cannot be seen."""

    def __init__(self):
        self.future = asyncio.get_running_loop().create_future()

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        self.future._asyncio_future_blocking = True
        return self.future


@types.coroutine
def generator_based():
    yield from asyncio.sleep(HOUR).__await__()


class Outer:
    class Inner:
        async def method(self):
            async def local():
                await sleep(HOUR)

            await local()


async def closing():
    generator = two_steps()
    await generator.__anext__()
    await generator.aclose()


def start():
    kinds = {
        "async for": async_for(numbers()),
        "async for over two": async_for(numbers_of_numbers()),
        "comprehension": comprehension(),
        "asend": second_step(lambda generator: generator.asend("value")),
        "athrow": second_step(lambda generator: generator.athrow(KeyError("key"))),
        "aclose": second_step(lambda generator: generator.aclose()),
        "async with": async_with(),
        "__await__ with a generator": await_it(WithGenerator()),
        "__await__ with a coroutine": await_it(WithCoroutine()),
        "generator-based": await_it(generator_based()),
        "method": Outer.Inner().method(),
    }
    if sys.version_info >= (3, 10):
        kinds["anext"] = await_it(anext(numbers()))
        kinds["anext with a default"] = await_it(anext(numbers(), "default"))
    if sys.version_info < (3, 12):
        kinds["generator-based from the start"] = generator_based()
    for name, coroutine in kinds.items():
        make(coroutine, name, primitive="sleep")
    make(await_it(WithIterator()), "__await__ with an iterator")
