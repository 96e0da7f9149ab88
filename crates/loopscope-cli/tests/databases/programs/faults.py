"""Does everything once that is to be found, each a known number of times: `faults.py DRIVER`.
"""

import asyncio
import gc
import sys
import warnings

import drivers

warnings.simplefilter("ignore")
DRIVER = drivers.driver(sys.argv[1])


async def go_well(connection):
    for number in range(20):
        await DRIVER.run(connection, f"SELECT 'SECRET-literal',\n  {number}")


async def fail(connection):
    try:
        await DRIVER.run(connection, "SELECT broken('SECRET-literal', 1)")
    except DRIVER.error:
        await DRIVER.rollback(connection)


async def take_long(connection):
    await DRIVER.rest(connection, 2.1)


async def hold_the_loop(connection):
    await DRIVER.rest(connection, 0.3)


async def be_refused():
    try:
        await DRIVER.connect(drivers.REFUSED)
    except DRIVER.error:
        pass


async def leak():
    await DRIVER.connect()


async def exhaust():
    """Two hold the pool's two connections until the test says so; of two that wait, one gives up."""
    pool = await DRIVER.pool(2, 3.0)
    go_on = asyncio.Event()
    are_holding = [asyncio.Event(), asyncio.Event()]

    async def hold(is_holding):
        async with DRIVER.taken(pool):
            is_holding.set()
            await go_on.wait()

    async def give_up():
        try:
            async with DRIVER.taken(pool):
                print("got one", flush=True)
        except DRIVER.given_up:
            print("gave up", flush=True)

    holding = [asyncio.ensure_future(hold(is_holding)) for is_holding in are_holding]
    for is_holding in are_holding:
        await is_holding.wait()
    waiting = asyncio.ensure_future(give_up())
    await asyncio.sleep(0)
    print("exhausted", flush=True)
    await waiting
    print("asked", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    go_on.set()
    await asyncio.gather(*holding)
    await DRIVER.close_pool(pool)


async def main():
    connection = await DRIVER.connect()
    await go_well(connection)
    await fail(connection)
    await take_long(connection)
    if not DRIVER.is_async:
        await hold_the_loop(connection)
    await be_refused()
    if not sys.argv[1].startswith(("sqlalchemy", "aiosqlite")):
        await leak()
        gc.collect()
    await DRIVER.close(connection)
    if hasattr(DRIVER, "pool"):
        await exhaust()


asyncio.run(main())
print("done", flush=True)
