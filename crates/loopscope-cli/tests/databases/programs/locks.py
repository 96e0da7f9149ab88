"""Two workers that change a row which their parent keeps locked: `locks.py MODE`.

`long`: until it is told to commit, and the workers give up after four seconds, in tasks that nobody awaits.
`unrelated`: the same, and one worker blocks its loop meanwhile. `short`: for a third of a second.

A line that it is given moves it on.
"""

import asyncio
import os
import subprocess
import sys
import time

import drivers
import psycopg

UPDATE = "UPDATE accounts SET balance = balance + 1, note = 'SECRET' WHERE id = 1"


async def connect():
    return await psycopg.AsyncConnection.connect(drivers.url(), application_name="accounts")


async def told(said=None):
    return await asyncio.to_thread((said or sys.stdin).readline)


async def change(connection):
    await connection.execute(UPDATE)
    await connection.commit()


async def work(is_unrelated):
    connection = await connect()
    await connection.execute("SET lock_timeout = '4s'")
    await connection.commit()
    print("ready", flush=True)
    await told()
    changing = asyncio.create_task(change(connection))
    if is_unrelated:
        await asyncio.sleep(1.5)
        time.sleep(0.6)
    while not changing.done():
        await asyncio.sleep(0.05)
    print("over", flush=True)
    await told()
    await connection.close()


async def lead(mode):
    connection = await connect()
    await connection.execute("DROP TABLE IF EXISTS accounts")
    await connection.execute("CREATE TABLE accounts (id int PRIMARY KEY, balance int, note text)")
    await connection.execute("INSERT INTO accounts VALUES (1, 10, '')")
    await connection.commit()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    kinds = ("unrelated" if mode == "unrelated" else "worker", "worker")
    # Made off the loop: starting a program takes its time.
    start = lambda kind: subprocess.Popen([sys.executable, __file__, "worker", kind], **pipes)
    workers = [await asyncio.to_thread(start, kind) for kind in kinds]
    for worker in workers:
        assert await told(worker.stdout) == "ready\n"
    await connection.execute(UPDATE)
    for worker in workers:
        print("\n", end="", file=worker.stdin, flush=True)
    print("locked by", os.getpid(), "for", *(worker.pid for worker in workers), flush=True)
    if mode == "short":
        await asyncio.sleep(0.3)
        await connection.commit()
    for worker in workers:
        assert await told(worker.stdout) == "over\n"
    print("over", flush=True)
    await told()
    await connection.rollback()
    print("free", flush=True)
    await told()
    for worker in workers:
        worker.stdin.close()
        await asyncio.to_thread(worker.wait)
    await connection.close()


if sys.argv[1] == "worker":
    asyncio.run(work(sys.argv[2] == "unrelated"))
else:
    asyncio.run(lead(sys.argv[1]))
