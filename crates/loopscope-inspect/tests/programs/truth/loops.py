"""Loops in every state, with tasks that wait, are overdue or cannot go on: `loops.py asyncio|uvloop`."""
import asyncio
import sys
import threading
import time

import tell
from tell import know, make

if sys.argv[1] == "uvloop":
    import uvloop as library
else:
    library = asyncio

HOUR = 3600
in_place = threading.Barrier(7)
is_closed = threading.Event()
# A task of the closed loop, and the future by which another loop waits for it.
crossed, futures = [], []
# A compiled loop does not show that it was closed.
ACROSS = {"primitive": "run_coroutine_threadsafe", "waits_on_closed_loop": library is asyncio}


async def sleep(seconds=HOUR):
    await asyncio.sleep(seconds)


async def await_it(future):
    await asyncio.wrap_future(future)


async def wait_for_ever():
    await asyncio.get_running_loop().create_future()


async def start_tasks(name):
    make(sleep(), f"sleeps in {name}", primitive="sleep")
    make(wait_for_ever(), f"waits in {name}")
    await asyncio.sleep(0)


def new_loop():
    event_loop = library.new_event_loop()
    asyncio.set_event_loop(event_loop)
    return tell.know_loop(event_loop)


def run_idle():
    event_loop = new_loop()
    event_loop.run_until_complete(start_tasks("an idle loop"))
    is_closed.wait()
    make_of(event_loop, await_it(futures[0]), "waits on a closed loop", tasks=crossed, **ACROSS)
    event_loop.call_soon(in_place.wait)
    event_loop.run_forever()


def run_blocked_in_callback():
    event_loop = new_loop()
    event_loop.run_until_complete(start_tasks("a loop that is blocked in a callback"))
    make_of(event_loop, sleep(), "begins before a callback", primitive="sleep")
    tell.know_callback(event_loop)
    event_loop.call_soon(block)
    event_loop.run_forever()


def run_blocked_in_task():
    event_loop = new_loop()
    event_loop.run_until_complete(start_tasks("a loop that is blocked in a task"))
    # Both are overdue when the loop is looked at.
    make_of(event_loop, sleep(0.001), "overdue", primitive="sleep")
    event_loop.call_later(0.002, int)
    make_of(event_loop, block_in_task(), "blocks")
    event_loop.run_forever()


def run_blocked_in_eager_task():
    event_loop = new_loop()
    make_of(event_loop, step_eagerly(), "steps another")
    event_loop.run_forever()


async def step_eagerly():
    make(block_in_task(), "is stepped by another", eager_task)


def eager_task(coroutine, name):
    return asyncio.Task(coroutine, loop=asyncio.get_running_loop(), name=name, eager_start=True)


def leave():
    event_loop = new_loop()
    event_loop.run_until_complete(start_tasks("a loop that left"))
    in_place.wait()
    time.sleep(HOUR)


def close():
    event_loop = new_loop()
    event_loop.run_until_complete(start_tasks("a closed loop"))
    crossing = asyncio.run_coroutine_threadsafe(sleep(), event_loop)
    before = asyncio.all_tasks(event_loop)
    event_loop.run_until_complete(asyncio.sleep(0))
    event_loop.run_until_complete(asyncio.sleep(0))
    crossed.extend(know(task, primitive="sleep") for task in asyncio.all_tasks(event_loop) - before)
    futures.append(crossing)
    event_loop.close()
    is_closed.set()
    in_place.wait()
    time.sleep(HOUR)


def make_of(event_loop, coroutine, name, **facts):
    return make(coroutine, name, lambda coroutine, name: event_loop.create_task(coroutine, name=name), **facts)


def block():
    in_place.wait()
    time.sleep(HOUR)  # mark: block


async def block_in_task():
    block()


last = run_blocked_in_eager_task if sys.version_info >= (3, 12) else in_place.wait
for function in [run_idle, run_blocked_in_callback, run_blocked_in_task, leave, close, last]:
    threading.Thread(target=function, name=function.__name__, daemon=True).start()
in_place.wait()
never_run = library.new_event_loop()
tell.know_loop(never_run)
make_of(never_run, sleep(), "never began")
tell.serve()
