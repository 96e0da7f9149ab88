"""Connections where they do not belong, and where they do: `shared.py MODE`.

`fork`: a pool that was made before a fork is used behind it; `forks`: each process makes its own.
`loop`: a pool that one loop made is used on the next one; `loops`: each loop makes its own.
"""

import asyncio
import os
import sys

import asyncpg
import drivers
import psycopg_pool


def open_pool():
    return psycopg_pool.ConnectionPool(drivers.url(), min_size=1, max_size=2, open=True)


def use(pool):
    with pool.connection() as connection:
        connection.execute("SELECT 1")


def behind_fork(inherited):
    use(inherited or open_pool())
    sys.stdout.flush()
    os._exit(0)


def forking(inherits):
    pool = open_pool()
    pool.wait()
    child = os.fork()
    if child == 0:
        behind_fork(pool if inherits else None)
    os.waitpid(child, 0)
    if not inherits:
        use(pool)
        pool.close()


async def make():
    return await asyncpg.create_pool(drivers.url(), min_size=1, max_size=2)


async def on_loop(pool):
    try:
        async with pool.acquire() as connection:
            await connection.execute("SELECT 1")
    except Exception as error:
        print("failed with", type(error).__name__, flush=True)


async def on_own_loop():
    async with await make() as pool:
        await on_loop(pool)


def looping(inherits):
    if inherits:
        pool = asyncio.run(make())
        asyncio.run(asyncio.wait_for(on_loop(pool), 5))
    else:
        for _ in range(2):
            asyncio.run(on_own_loop())


MODES = {"fork": (forking, True), "forks": (forking, False), "loop": (looping, True), "loops": (looping, False)}
function, inherits = MODES[sys.argv[1]]
function(inherits)
print("used", flush=True)
sys.stdin.readline()
