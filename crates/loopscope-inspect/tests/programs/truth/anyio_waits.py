"""anyio's ways of waiting on an asyncio loop, which is idle meanwhile. Tells all of it for each line on its
standard input.
"""
import asyncio
import threading

import anyio
import anyio.to_thread

import tell
from tell import know, make

HOUR = 3600
in_place = threading.Event()
for_ever = threading.Event()


async def sleep():
    await anyio.sleep(HOUR)


async def sleep_in_scope():
    with anyio.move_on_after(2 * HOUR):
        await anyio.sleep(3 * HOUR)


async def acquire(primitive):
    async with primitive:
        pass


async def wait(primitive):
    await primitive.wait()


async def wait_inside(condition):
    async with condition:
        await condition.wait()


async def receive(stream):
    await stream.receive()


async def receive_all(stream):
    async for _ in stream:
        pass


async def send(stream):
    await stream.send("item")


async def in_thread():
    await anyio.to_thread.run_sync(for_ever.wait)


async def child(tasks):
    tasks.append(know(asyncio.current_task(), primitive="sleep"))
    await anyio.sleep(HOUR)


async def starting_child(*, task_status):
    task_status.started(know(asyncio.current_task(), primitive="sleep"))
    await anyio.sleep(HOUR)


async def nursery():
    tasks = []
    async with anyio.create_task_group() as group:
        know(asyncio.current_task(), tasks=tasks, primitive="anyio.TaskGroup")
        for number in range(3):
            group.start_soon(child, tasks, name=f"child {number}")
        tasks.append(await group.start(starting_child, name="started child"))


async def nursery_in_nursery():
    async with anyio.create_task_group() as group:
        own = []
        know(asyncio.current_task(), tasks=own, primitive="anyio.TaskGroup")
        group.start_soon(inner_nursery, own, name="inner nursery")


async def inner_nursery(of_parent):
    of_parent.append(asyncio.current_task())
    await nursery()


async def taken(primitive):
    await primitive.acquire()
    return primitive


async def main():
    tell.know_loop(asyncio.get_running_loop())
    know(asyncio.current_task())
    make(sleep(), "sleep", primitive="sleep")
    make(sleep_in_scope(), "sleep in a scope", primitive="sleep")
    make(nursery(), "nursery")
    make(nursery_in_nursery(), "nursery in nursery")
    make(in_thread(), "thread", primitive="executor")
    await start_primitives()
    start_streams()
    in_place.set()
    await asyncio.get_running_loop().create_future()


async def start_primitives():
    lock = await taken(anyio.Lock())
    make(acquire(lock), "lock", primitive="anyio.Lock", on=lock)
    semaphore = anyio.Semaphore(0)
    make(acquire(semaphore), "semaphore", primitive="anyio.Semaphore", on=semaphore)
    event = anyio.Event()
    make(wait(event), "event", primitive="anyio.Event", on=event)
    condition = anyio.Condition()
    make(wait_inside(condition), "condition", primitive="anyio.Condition", on=condition)
    limiter = await taken(anyio.CapacityLimiter(1))
    make(acquire(limiter), "limiter", primitive="anyio.CapacityLimiter", on=limiter)


def start_streams():
    sender, receiver = anyio.create_memory_object_stream()
    kind = "anyio.MemoryObjectReceiveStream"
    make(receive(receiver), "receive", primitive=kind, on=receiver)
    make(receive_all(receiver), "receive all", primitive=kind, on=receiver)
    sender, receiver = anyio.create_memory_object_stream()
    make(send(sender), "send", primitive="anyio.MemoryObjectSendStream", on=sender)
    tell.kept.extend([sender, receiver])


threading.Thread(target=anyio.run, args=(main,), name="loop", daemon=True).start()
in_place.wait()
tell.serve()
