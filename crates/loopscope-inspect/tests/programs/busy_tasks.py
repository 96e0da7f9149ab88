"""A loop that never rests: tasks come and go all the time beside some that are parked.

The first argument is the number of parked tasks. Answers each line with the work that was done, and whether
any of it came out wrong.
"""
import asyncio
import hashlib
import json
import sys
import threading

parked_count = int(sys.argv[1])
started = threading.Event()
work = {"rounds": 0, "wrong": 0}
expected = hashlib.sha256(b"work").hexdigest()
keep = []


async def inner(future):
    await future  # mark: inner


async def parked(future):
    await inner(future)  # mark: parked


async def churn(depth):
    if depth:
        await churn(depth - 1)
    else:
        await asyncio.sleep(0)


async def worker():
    while True:
        tasks = [asyncio.create_task(churn(index), name=f"churn {index}") for index in range(8)]
        await asyncio.gather(*tasks)
        if hashlib.sha256(b"work").hexdigest() != expected or any(not task.done() for task in tasks):
            work["wrong"] += 1
        work["rounds"] += 1


async def main():
    loop = asyncio.get_running_loop()
    for index in range(parked_count):
        future = loop.create_future()
        keep.append(future)
        keep.append(loop.create_task(parked(future), name=f"parked {index}"))
    for index in range(4):
        keep.append(loop.create_task(worker(), name=f"worker {index}"))
    await asyncio.sleep(0.1)
    started.set()
    await loop.create_future()


def run():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(loop.create_task(main(), name="main"))


threading.Thread(target=run, name="loop", daemon=True).start()
started.wait()
print("ready", flush=True)
for _ in sys.stdin:
    print(json.dumps(work), flush=True)
