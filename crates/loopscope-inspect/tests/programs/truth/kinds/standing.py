"""A loop that stands still while tasks of it could go on."""
import asyncio
import threading
import time

from kinds.plain import HOUR, await_it, sleep
from tell import know, make


blocked = threading.Event()


async def block():
    blocked.set()
    time.sleep(HOUR)  # mark: block


async def through_block():
    await block()


async def stubborn():
    try:
        await sleep(HOUR)
    except asyncio.CancelledError:
        await sleep(2 * HOUR)


async def start():
    """Returns once everything stands in its place; the next turn of the loop blocks it."""
    event_loop = asyncio.get_running_loop()
    future = event_loop.create_future()
    make(await_it(future), "wakes up next")
    make(sleep(HOUR), "is cancelled next", is_cancelling=None)
    make(stubborn(), "was cancelled and waits on", primitive="sleep", is_cancelling=None)
    yielding = make(yield_for_ever(), "yields")
    await asyncio.sleep(0)
    by_name("was cancelled and waits on").cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    make(through_block(), "blocks")
    future.set_result(None)
    by_name("is cancelled next").cancel()
    make(sleep(HOUR), "begins next")
    cancelled = make(sleep(HOUR), "is cancelled before it begins", is_cancelling=True)
    cancelled.cancel()
    event_loop.call_later(0.001, int)


async def yield_for_ever():
    while True:
        await asyncio.sleep(0)


def by_name(name):
    return next(task for task in asyncio.all_tasks() if task.get_name() == name)
