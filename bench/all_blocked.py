"""Two loops in two threads, both blocked for ever: one sleeps, one matches a regex with the lock held.

Prints `blocked` shortly before.
"""

import asyncio
import re
import threading
import time


async def turn(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(0.005)


async def sleep_for_ever():
    await turn(0.5)
    time.sleep(86_400)


async def hold_the_lock():
    await turn(0.7)
    print("blocked", flush=True)
    re.match(r"(a+)+$", "a" * 60 + "b")


threading.Thread(target=asyncio.run, args=(sleep_for_ever(),), daemon=True).start()
asyncio.run(hold_the_lock())
