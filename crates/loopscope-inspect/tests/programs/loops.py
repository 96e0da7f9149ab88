"""Loops in every state: idle, blocked in a task, closed, never run."""
import asyncio
import sys
import threading
import time

import truth
from truth import expect

VERSION = sys.version_info[:2]
forever = 36000
keep = []
idle = threading.Event()
blocked = threading.Event()


async def sleeper(seconds=forever):
    await asyncio.sleep(seconds)


async def middle(awaitable):
    await awaitable


def start(coroutine, name, **what):
    return expect(asyncio.get_running_loop().create_task(coroutine), name, **what)


# A loop that is blocked, and what stands still with it.


async def block_inner():
    blocked.set()
    time.sleep(forever)


async def block():
    await block_inner()


async def start_eagerly():
    loop = asyncio.get_running_loop()
    asyncio.Task(block(), loop=loop, eager_start=True, name="eager blocker")


async def main_blocked():
    start(sleeper(0.2), "overdue", waits="future", primitive="sleep", due=True)
    future = asyncio.get_running_loop().create_future()
    start(middle(future), "woken", waits="next step")
    await asyncio.sleep(0.1)
    future.set_result(None)
    start(sleeper(), "new", waits="first step")
    if VERSION >= (3, 12):
        await start_eagerly()
    else:
        await block()


# A loop that is closed, and a task of another that waits for it.


def closed_loop():
    loop = asyncio.new_event_loop()
    truth.loops.append(loop)
    expect(loop.create_task(sleeper()), "left behind", waits="future", primitive="sleep", orphan="loop closed")
    cross = asyncio.run_coroutine_threadsafe(sleeper(), loop)
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    for task in asyncio.all_tasks(loop):
        if task not in truth.expected:
            expect(task, "crossed", waits="future", primitive="sleep", parents=["crossing"], orphan="loop closed")
    loop.close()
    return cross


async def cross_over(future):
    await asyncio.wrap_future(future)


def loop_never_run():
    loop = asyncio.new_event_loop()
    truth.loops.append(loop)
    expect(loop.create_task(sleeper()), "never run", waits="first step", orphan="loop not running")


async def main_idle(cross):
    start(sleeper(), "idle sleeper", waits="future", primitive="sleep", due=True)
    start(cross_over(cross), "crossing", waits="crossed", primitive="run_coroutine_threadsafe",
          orphan="waits on closed loop")
    await asyncio.sleep(0.1)
    idle.set()
    await asyncio.get_running_loop().create_future()


def run(coroutine, name):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(expect(loop.create_task(coroutine), name))


loop_never_run()
threading.Thread(target=run, args=(main_idle(closed_loop()), "idle"), name="loop-idle", daemon=True).start()
idle.wait()
threading.Thread(target=run, args=(main_blocked(), "blocked"), name="loop-blocked", daemon=True).start()
blocked.wait()
# Until the loop is in its poll again, and the other one's timer is overdue.
time.sleep(0.5)
truth.answer()
