"""Locks, semaphores, events, conditions, barriers and queues."""
import asyncio
import sys

from tell import make


async def acquire(primitive):
    async with primitive:
        pass


async def wait(primitive):
    await primitive.wait()


async def wait_inside(condition):
    async with condition:
        await condition.wait()


async def wait_until(condition):
    async with condition:
        await condition.wait_for(lambda: False)


async def get(queue):
    await queue.get()


async def put(queue):
    await queue.put("second")


async def join(queue):
    await queue.join()


async def start():
    lock = asyncio.Lock()
    await lock.acquire()
    for number in range(3):
        make(acquire(lock), f"lock {number}", primitive="Lock", on=lock, detail="locked, 3 waiting")
    semaphore = asyncio.Semaphore(0)
    make(acquire(semaphore), "semaphore", primitive="Semaphore", on=semaphore, detail="value 0, 1 waiting")
    bounded = asyncio.BoundedSemaphore(0)
    make(acquire(bounded), "bounded semaphore", primitive="BoundedSemaphore", on=bounded)
    event = asyncio.Event()
    make(wait(event), "event", primitive="Event", on=event, detail="not set, 1 waiting")
    await conditions()
    queues()
    if sys.version_info >= (3, 11):
        barrier = asyncio.Barrier(2)
        make(wait(barrier), "barrier", primitive="Barrier", on=barrier)


async def conditions():
    condition = asyncio.Condition()
    make(wait_inside(condition), "condition", primitive="Condition", on=condition)
    make(wait_until(condition), "condition that must hold", primitive="Condition", on=condition)
    taken = asyncio.Condition()
    await taken.acquire()
    make(acquire(taken), "condition's lock", primitive="Lock", on=taken._lock)


def queues():
    for kind in [asyncio.Queue, asyncio.LifoQueue, asyncio.PriorityQueue]:
        empty = kind()
        make(get(empty), f"get from {kind.__name__}", primitive="Queue.get", on=empty, detail="0 queued, 1 getting")
    full = asyncio.Queue(1)
    full.put_nowait("first")
    make(put(full), "put", primitive="Queue.put", on=full, detail="maxsize 1, 1 queued, 1 putting")
    make(join(full), "join", primitive="Queue.join", on=full)
