"""Blocks its loop in the way that each line of its input names."""

import asyncio
import re
import sys
import threading
import time

import loopscope


def rest():
    time.sleep(1)


SUBJECT = "a" * 16 + "b"
EXPONENT = 100_000


def search():
    re.match(r"(a+)+$", SUBJECT)


def raise_power():
    return 3**EXPONENT


def calibrate():
    """Sizes the work that holds the lock to about a second, before there is a loop."""
    global SUBJECT, EXPONENT
    took = 0.0
    while took < 0.5:
        SUBJECT = "a" + SUBJECT
        begun = time.thread_time()
        search()
        took = time.thread_time() - begun
    took = 0.0
    while took < 0.5:
        EXPONENT *= 2
        begun = time.thread_time()
        raise_power()
        took = time.thread_time() - begun


async def main():
    lines = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read():
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line.strip())
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    ways = {"sleep": rest, "regex": search, "power": raise_power}
    while True:
        way = await lines.get()
        if way is None:
            return
        # What was asked is answered first.
        await asyncio.sleep(0.1)
        ways[way]()
        await asyncio.sleep(0.1)
        print("over", flush=True)


calibrate()
print("address", loopscope.install(listen="127.0.0.1:0").address, flush=True)
asyncio.run(main())
