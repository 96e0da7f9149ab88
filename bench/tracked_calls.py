"""What a tracked call costs: nanoseconds above the same call bare, the two interleaved.

Run under ``loopscope run --listen off --`` (elsewhere tracking costs next to nothing). Prints one line for each
kind of call: bare, tracked, added, ratio; the lower quartile of the rounds, in the thread's own processor time,
so that a machine with other work shows the same.
"""

import asyncio
import statistics
import sys
import time

import loopscope

ROUNDS = 101
CALLS = 5_000


def function():
    pass


class Class:
    def method(self):
        pass


async def coroutine():
    pass


async def returning():
    return 1


async def waiting():
    await asyncio.sleep(0)


def generator():
    yield from range(CALLS)


async def async_generator():
    for index in range(CALLS):
        yield index


def tracked(thing):
    return loopscope.track_call("bench")(thing)


class Tracked:
    method = tracked(Class.method)


def calls(thing):
    async def run():
        start = time.thread_time_ns()
        for _ in range(CALLS):
            thing()
        return time.thread_time_ns() - start

    return run


def awaits(thing):
    async def run():
        start = time.thread_time_ns()
        for _ in range(CALLS):
            await thing()
        return time.thread_time_ns() - start

    return run


def items(thing):
    async def run():
        start = time.thread_time_ns()
        for _ in thing():
            pass
        return time.thread_time_ns() - start

    return run


def async_items(thing):
    async def run():
        start = time.thread_time_ns()
        async for _ in thing():
            pass
        return time.thread_time_ns() - start

    return run


PAIRS = {
    "function": (calls(function), calls(tracked(function))),
    "method": (calls(Class().method), calls(Tracked().method)),
    "coroutine": (awaits(coroutine), awaits(tracked(coroutine))),
    "coroutine with a result": (awaits(returning), awaits(tracked(returning))),
    "coroutine that waits once": (awaits(waiting), awaits(tracked(waiting))),
    "item of a generator": (items(generator), items(tracked(generator))),
    "item of an async generator": (async_items(async_generator), async_items(tracked(async_generator))),
}


async def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    print(f"{'':28} {'bare ns':>8} {'tracked':>8} {'added':>8} {'ratio':>6}", flush=True)
    for name, (bare, watched) in PAIRS.items():
        await bare()
        await watched()
        sides = [(await bare() / CALLS, await watched() / CALLS) for _ in range(rounds)]
        before, after = (statistics.quantiles(side, n=4)[0] for side in zip(*sides))
        print(f"{name:28} {before:8.1f} {after:8.1f} {after - before:8.1f} {after / before:6.2f}", flush=True)


asyncio.run(main())
