"""Tasks that wait, `parked.py TASKS`, and a thread that never does, so that a pause of the process shows.

Prints `parked` when all of them wait. Answers each line on its standard input with the longest time in
nanoseconds that the thread stood still since the line before.
"""

import asyncio
import sys
import threading
import time

parked = threading.Event()
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
    parked.set()
    await event_loop.create_future()


def spin():
    global longest
    last = time.perf_counter_ns()
    while True:
        now = time.perf_counter_ns()
        if now - last > longest:
            longest = now - last
        last = now


threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()
parked.wait()
threading.Thread(target=spin, daemon=True).start()
print("parked", flush=True)
for _ in sys.stdin:
    answer, longest = longest, 0
    print(answer, flush=True)
