"""Tasks and loops without a server: `tasks.py spawn|run asyncio|uvloop`.

`spawn`: trivial tasks, a thousand at a time, each awaited. `run`: a loop made, an empty coroutine run on it, and
the loop closed. For each line that it is given it does so for a slice of time and prints nanoseconds for one task, or
for one such run.
"""

import asyncio
import sys
import time

BATCH = 1000
SLICE_SECONDS = 0.06

if sys.argv[2] == "uvloop":
    import uvloop as loops
else:
    loops = asyncio


async def trivial():
    pass


async def spawn():
    await asyncio.gather(*[asyncio.create_task(trivial()) for _ in range(BATCH)])
    return BATCH


async def spawns():
    """In between, its loop waits."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Queue()
    loop.add_reader(sys.stdin.fileno(), lambda: asked.put_nowait(sys.stdin.readline()))
    while await asked.get():
        start = time.perf_counter()
        done = 0
        while time.perf_counter() < start + SLICE_SECONDS:
            done += await spawn()
        tell(start, done)


def run():
    if loops is asyncio:
        asyncio.run(trivial())
        return
    loop = loops.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(trivial())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def runs():
    for _ in sys.stdin:
        start = time.perf_counter()
        done = 0
        while time.perf_counter() < start + SLICE_SECONDS:
            run()
            done += 1
        tell(start, done)


def tell(start, done):
    print((time.perf_counter() - start) / done * 1e9, flush=True)


print("ready", flush=True)
if sys.argv[1] == "run":
    runs()
else:
    loop = loops.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(spawns())
