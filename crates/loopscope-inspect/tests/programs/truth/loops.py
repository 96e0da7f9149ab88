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
in_place = threading.Barrier(6)


async def sleep(seconds=HOUR):
    await asyncio.sleep(seconds)


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


def leave():
    event_loop = new_loop()
    event_loop.run_until_complete(start_tasks("a loop that left"))
    in_place.wait()
    time.sleep(HOUR)


def close():
    event_loop = new_loop()
    event_loop.run_until_complete(start_tasks("a closed loop"))
    event_loop.close()
    in_place.wait()
    time.sleep(HOUR)


def make_of(event_loop, coroutine, name, **facts):
    return make(coroutine, name, lambda coroutine, name: event_loop.create_task(coroutine, name=name), **facts)


def block():
    in_place.wait()
    time.sleep(HOUR)  # mark: block


async def block_in_task():
    block()


for function in [run_idle, run_blocked_in_callback, run_blocked_in_task, leave, close]:
    threading.Thread(target=function, name=function.__name__, daemon=True).start()
in_place.wait()
never_run = library.new_event_loop()
tell.know_loop(never_run)
make_of(never_run, sleep(), "never began")
tell.serve()
