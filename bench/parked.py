"""Tasks that wait, `parked.py TASKS`, and a thread that never does, so that a pause of the process shows.

Prints `parked` when all of them wait. Answers each line on its standard input with the longest time in
nanoseconds that the thread stood still since the line before.
"""

import asyncio
import sys
import threading
import time

longest = 0
kept = []


async def innermost(future):
    await future


async def middle(future):
    await innermost(future)


async def outermost(future):
    await middle(future)


async def main():
    event_loop = asyncio.get_running_loop()
    for number in range(int(sys.argv[1])):
        future = event_loop.create_future()
        kept.append(future)
        kept.append(asyncio.create_task(outermost(future), name=f"parked {number}"))
    await asyncio.sleep(0)
    threading.Thread(target=spin, daemon=True).start()
    threading.Thread(target=answer, daemon=True).start()
    print("parked", flush=True)
    await event_loop.create_future()


def spin():
    global longest
    last = time.perf_counter_ns()
    while True:
        now = time.perf_counter_ns()
        if now - last > longest:
            longest = now - last
        last = now


def answer():
    global longest
    for _ in sys.stdin:
        told, longest = longest, 0
        print(told, flush=True)


asyncio.run(main())
