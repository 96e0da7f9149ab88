"""A loop that never rests: `busy.py PARKED WORKERS`. Tasks come and go beside some that are parked.

Each worker carries a number through its tasks, from which it shows whether any of the work was lost or came
out wrong. Answers each line on its standard input with how far the workers are, and `end` by ending.
"""
import asyncio
import json
import sys
import threading

parked_count, worker_count = int(sys.argv[1]), int(sys.argv[2])
up = threading.Event()
ending = False
kept = []
numbers = [0] * worker_count
rounds = [0] * worker_count


async def inner(future):
    await future  # mark: inner


async def parked(future):
    await inner(future)  # mark: parked


async def third(number):
    await asyncio.sleep(0)  # mark: third
    return (number * 6364136223846793005 + 1442695040888963407) % 2**64


async def second(number):
    return await third(number)  # mark: second


async def churn(number):
    return await second(number)  # mark: churn


def task(coroutine, name):
    """Named from the first instant, which a task of `create_task` is not in all versions."""
    return asyncio.Task(coroutine, loop=asyncio.get_running_loop(), name=name)


async def worker(index, queue):
    while not ending:
        name = f"{index} {rounds[index]}"
        numbers[index] = await task(churn(numbers[index]), f"churn {name}")
        parts = [task(churn(part), f"part {name}") for part in range(3)]
        assert (await asyncio.gather(*parts))[1] == 7806831264735756412
        del parts
        await queue.put(index)
        await queue.get()
        rounds[index] += 1


async def main():
    event_loop = asyncio.get_running_loop()
    for index in range(parked_count):
        future = event_loop.create_future()
        kept.extend([future, task(parked(future), f"parked {index}")])
    await asyncio.sleep(0)
    queue = asyncio.Queue()
    workers = [task(worker(index, queue), f"worker {index}") for index in range(worker_count)]
    up.set()
    await asyncio.gather(*workers)


def told():
    return json.dumps({"rounds": rounds, "numbers": numbers})


loop_thread = threading.Thread(target=asyncio.run, args=(main(),), name="loop")
loop_thread.start()
up.wait()
print("ready", flush=True)
for line in iter(sys.stdin.readline, "end\n"):
    print(told(), flush=True)
ending = True
loop_thread.join()
print(told(), flush=True)
