"""Tasks that wait in anyio's ways, on one loop of asyncio that is at rest."""
import asyncio
import threading
import time

import anyio
import anyio.to_thread

import truth
from truth import expect

at_rest = threading.Event()
forever = 36000
keep = []
FUTURE = dict(waits="future")


async def hold(lock):
    async with lock:
        await anyio.sleep(forever)


async def enter(lock):
    async with lock:
        pass


async def wait_condition(condition):
    async with condition:
        await condition.wait()


async def receive(stream):
    await stream.receive()


async def iterate(stream):
    async for _ in stream:
        pass


async def timed():
    with anyio.fail_after(forever):
        await asyncio.get_running_loop().create_future()


def start(coroutine, name, **what):
    return expect(asyncio.get_running_loop().create_task(coroutine), name, **what)


def start_primitives():
    lock = anyio.Lock()
    start(hold(lock), "holder", primitive="sleep", due=True, **FUTURE)
    start(enter(lock), "lock", primitive="anyio.Lock", **FUTURE)
    limiter = anyio.CapacityLimiter(1)
    start(hold(limiter), "limited holder", primitive="sleep", due=True, **FUTURE)
    start(enter(limiter), "limiter", primitive="anyio.CapacityLimiter", **FUTURE)
    start(enter(anyio.Semaphore(0)), "semaphore", primitive="anyio.Semaphore", **FUTURE)
    start(anyio.Event().wait(), "event", primitive="anyio.Event", **FUTURE)
    start(wait_condition(anyio.Condition()), "condition", primitive="anyio.Condition", **FUTURE)
    send, receive_end = anyio.create_memory_object_stream(0)
    start(receive(receive_end), "receive", primitive="anyio.MemoryObjectReceiveStream", **FUTURE)
    other_send, other_receive = anyio.create_memory_object_stream(0)
    start(other_send.send(1), "send", primitive="anyio.MemoryObjectSendStream", **FUTURE)
    keep.extend([send, receive_end, other_send, other_receive])
    third_send, third_receive = anyio.create_memory_object_stream(0)
    start(iterate(third_receive), "iterate", primitive="anyio.MemoryObjectReceiveStream", **FUTURE)
    keep.append(third_send)
    start(timed(), "fail_after", primitive=None, due=True, **FUTURE)
    released = threading.Event()
    start(anyio.to_thread.run_sync(released.wait), "to_thread", primitive="executor", **FUTURE)


async def grow(parent, inside):
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, forever, name=f"{parent} child 0")
        group.start_soon(anyio.sleep, forever, name=f"{parent} child 1")
        if inside:
            await anyio.sleep(forever)


def expect_children(parent):
    for task in asyncio.all_tasks():
        if task.get_name().startswith(f"{parent} child"):
            expect(task, waits="future", primitive="sleep", due=True, parents=[parent])


async def main():
    start_primitives()
    start(grow("leaving", False), "leaving", waits=["leaving child 0", "leaving child 1"],
          primitive="anyio.TaskGroup")
    start(grow("inside", True), "inside", waits="future", primitive="sleep", due=True)
    await asyncio.sleep(0.3)
    expect_children("leaving")
    expect_children("inside")
    at_rest.set()
    await asyncio.get_running_loop().create_future()


def run():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(expect(loop.create_task(main()), "main", waits="future"))


threading.Thread(target=run, name="loop", daemon=True).start()
at_rest.wait()
# Until the loop is in its poll again.
time.sleep(0.3)
truth.answer()
