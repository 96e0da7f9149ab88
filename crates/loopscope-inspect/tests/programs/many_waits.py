"""Tasks of many kinds that have ended, wait or are about to start; then tells where they are and stands still."""
import asyncio
import os
import sys


class OwnTask(asyncio.Task):
    pass


async def wait_for(awaitable):
    return await awaitable


async def through_generator(event):
    async def generator():
        yield await event.wait()

    async for _ in generator():
        pass


async def fail():
    raise ValueError("failed")


async def succeed():
    return 42


async def cancelled():
    await asyncio.sleep(3600)


async def main():
    event_loop = asyncio.get_running_loop()
    make = event_loop.create_task
    event, lock, queue = asyncio.Event(), asyncio.Lock(), asyncio.Queue()
    await lock.acquire()
    ended = [make(fail()), make(succeed()), make(cancelled())]
    await asyncio.sleep(0)
    ended[2].cancel()
    await asyncio.wait(ended)
    sleeper = make(asyncio.sleep(3600))
    waiting = [
        sleeper,
        make(wait_for(sleeper)),
        make(wait_for(sleeper)),
        make(wait_for(sleeper)),
        make(wait_for(asyncio.gather(make(event.wait()), make(event.wait())))),
        make(wait_for(asyncio.shield(sleeper))),
        make(wait_for(asyncio.wait_for(make(event.wait()), 3600))),
        make(lock.acquire()),
        make(queue.get()),
        make(through_generator(event)),
        make(wait_for(event_loop.create_future())),
        OwnTask(event.wait(), loop=event_loop),
    ]
    if sys.version_info >= (3, 12):
        ended.append(asyncio.Task(succeed(), loop=event_loop, eager_start=True))
        waiting.append(asyncio.Task(event.wait(), loop=event_loop, eager_start=True))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    fresh = [make(succeed())]
    tasks = ended + waiting + fresh
    print("ready", *map(id, tasks), flush=True)
    sys.stdin.readline()
    os._exit(0)


if "uvloop" in sys.argv:
    import uvloop as runner
else:
    runner = asyncio
event_loop = runner.new_event_loop()
event_loop.run_until_complete(main())
