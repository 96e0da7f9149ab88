"""Sleeps, bare futures and what a name can be."""
import asyncio

from tell import know, make

HOUR = 3600


async def sleep(seconds):
    await asyncio.sleep(seconds)


async def through(depth, seconds):
    if depth:
        await through(depth - 1, seconds)
    else:
        await sleep(seconds)


async def await_it(awaitable):
    return await awaitable


def start():
    event_loop = asyncio.get_running_loop()
    make(sleep(HOUR), "sleep", primitive="sleep")
    make(through(3, 2 * HOUR), "sleep below three", primitive="sleep")
    make(through(60, HOUR), "sleep below sixty", primitive="sleep")
    make(await_it(event_loop.create_future()), "future")
    make(await_it(asyncio.futures._PyFuture(loop=event_loop)), "pure-Python future")
    for name in ["", "naïve é", "任务", "\N{RAT} and \N{CAT}", "long " * 500, "a\nb\t\x00\x1b[31m"]:
        make(sleep(HOUR), name, primitive="sleep")
    # Nobody asks for their names before they are told, and until then the interpreter has not made them.
    for _ in range(3):
        know(asyncio.create_task(sleep(HOUR)), primitive="sleep")
