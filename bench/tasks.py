"""Tasks and loops without a server: `tasks.py spawn|run asyncio|uvloop SECONDS`.

`spawn`: trivial tasks, a thousand at a time, each awaited. `run`: a loop made, an empty coroutine run on it, and
the loop closed. Prints nanoseconds for one task, or for one such run.
"""

import asyncio
import sys
import time

BATCH = 1000

if sys.argv[2] == "uvloop":
    import uvloop as loops
else:
    loops = asyncio


async def trivial():
    pass


async def spawn(until):
    done = 0
    while done == 0 or time.monotonic() < until:
        await asyncio.gather(*[asyncio.create_task(trivial()) for _ in range(BATCH)])
        done += BATCH
    return done


def on_a_loop(make):
    loop = loops.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(make())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def runs(until):
    done = 0
    while done == 0 or time.monotonic() < until:
        if loops is asyncio:
            asyncio.run(trivial())
        else:
            on_a_loop(trivial)
        done += 1
    return done


def measure(seconds):
    start = time.monotonic()
    until = start + seconds
    done = on_a_loop(lambda: spawn(until)) if sys.argv[1] == "spawn" else runs(until)
    return (time.monotonic() - start) / done * 1e9


# Once for the caches.
measure(float(sys.argv[3]) / 10)
print(f"{measure(float(sys.argv[3])):.1f}", flush=True)
