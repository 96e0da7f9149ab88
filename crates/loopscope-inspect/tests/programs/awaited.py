"""A synchronous sleep in a task that another one waits for, and a third one for that: `awaited.py WAY KIND`.

`WAY` is how the second one waits, `KIND` the loop or the kind of its tasks. The tasks are `main`, `waiting`
and `blocked`.
"""
import asyncio
import sys
import time

HOUR = 3600


async def blocked():
    # Everybody waits once this goes on.
    await asyncio.sleep(0)
    print("ready", flush=True)
    time.sleep(HOUR)  # mark: blocked


def start():
    return create(blocked(), "blocked")


def create(coroutine, name):
    # By `set_name`, for tasks of Python code in all versions.
    task = asyncio.get_running_loop().create_task(coroutine)
    task.set_name(name)
    return task


async def plain():
    await start()  # mark: plain


async def gather():
    await asyncio.gather(asyncio.sleep(HOUR), start())  # mark: gather


async def gather_of_gather():
    await asyncio.gather(asyncio.gather(start()))  # mark: gather_of_gather


async def wait():
    await asyncio.wait([start()])  # mark: wait


async def wait_first():
    await asyncio.wait([start()], timeout=HOUR, return_when=asyncio.FIRST_COMPLETED)  # mark: wait_first


async def wait_for():
    await asyncio.wait_for(start(), HOUR)  # mark: wait_for


async def shield():
    await asyncio.shield(start())  # mark: shield


async def wait_for_shield():
    await asyncio.wait_for(asyncio.shield(start()), HOUR)  # mark: wait_for_shield


async def as_completed():
    for first in asyncio.as_completed([start()]):
        await first  # mark: as_completed


async def group():
    async with asyncio.TaskGroup() as group:  # mark: group
        group.create_task(blocked()).set_name("blocked")


async def others(task):
    await task  # mark: others


async def many():
    """Twenty more wait for it; the first of all who wait does so."""
    task = start()
    rest = [create(others(task), f"other {number}") for number in range(20)]
    await asyncio.gather(task, *rest)  # mark: many


async def circle():
    """What waits for it waits for a task that waits for what waits for it."""
    own = asyncio.current_task()
    back = create(others(own), "back")
    await asyncio.gather(start(), back)  # mark: circle


async def main():
    asyncio.current_task().set_name("main")
    if sys.argv[2] == "python":
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro, **rest: asyncio.tasks._PyTask(coro, loop=loop, **rest))
    await create(globals()[sys.argv[1]](), "waiting")  # mark: main


if sys.argv[2] == "uvloop":
    import uvloop

    uvloop.run(main())
else:
    asyncio.run(main())
