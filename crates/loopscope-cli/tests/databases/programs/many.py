"""As many connections as it is told, `many.py NUMBER`, until it is given a line."""

import asyncio
import sys

import asyncpg
import drivers


async def main():
    connections = [await asyncpg.connect(drivers.url()) for _ in range(int(sys.argv[1]))]
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for connection in connections:
        await connection.close()


asyncio.run(main())
