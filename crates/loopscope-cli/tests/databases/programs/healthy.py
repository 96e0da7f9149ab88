"""The same driver under load, used as it should be: nothing is to be found. `healthy.py DRIVER`"""

import asyncio
import contextlib
import sys

import drivers

DRIVER = drivers.driver(sys.argv[1])
WORKERS, TURNS = 6, 60


async def with_pool():
    pool = await DRIVER.pool(WORKERS, 10.0)
    # Opened one after another, so that nobody waits for long while a busy server makes them all.
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(WORKERS):
            await stack.enter_async_context(DRIVER.taken(pool))

    async def work():
        for turn in range(TURNS):
            async with DRIVER.taken(pool) as connection:
                await DRIVER.run(connection, f"SELECT {turn}")
            await asyncio.sleep(0.01)

    await asyncio.gather(*(work() for _ in range(WORKERS)))
    await DRIVER.close_pool(pool)


async def in_tasks():
    async def work():
        connection = await DRIVER.connect()
        for turn in range(TURNS):
            await DRIVER.run(connection, f"SELECT {turn}")
            await asyncio.sleep(0.01)
        await DRIVER.close(connection)

    await asyncio.gather(*(work() for _ in range(WORKERS)))


def work_in_thread():
    async def work():
        connection = await DRIVER.connect()
        for turn in range(TURNS):
            await DRIVER.run(connection, f"SELECT {turn}")
        await DRIVER.close(connection)

    # Nothing of a synchronous driver waits for a loop.
    try:
        work().send(None)
    except StopIteration:
        pass


async def in_threads():
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.run_in_executor(None, work_in_thread) for _ in range(WORKERS)))


if not DRIVER.is_async:
    asyncio.run(in_threads())
elif hasattr(DRIVER, "pool"):
    asyncio.run(with_pool())
else:
    asyncio.run(in_tasks())
print("done", flush=True)
