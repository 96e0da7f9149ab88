"""Tasks that wait in every way that asyncio has, on one loop that is at rest.

The first argument names the kind of loop: `asyncio` or `uvloop`.
"""
import asyncio
import functools
import sys
import threading
import time
import types

import truth
from truth import expect

VERSION = sys.version_info[:2]
at_rest = threading.Event()
forever = 36000
keep = []


async def sleeper(seconds=forever):
    await asyncio.sleep(seconds)


async def middle(awaitable):
    await awaitable


async def outer(awaitable):
    await middle(awaitable)


def future():
    made = asyncio.get_running_loop().create_future()
    keep.append(made)
    return made


def start(coroutine, name, **what):
    return expect(asyncio.get_running_loop().create_task(coroutine), name, **what)


SLEEP = dict(waits="future", primitive="sleep", due=True)
QUIET = dict(waits="future", primitive=None)


def start_sleeps(suffix=""):
    start(sleeper(), "sleep" + suffix, **SLEEP)
    start(outer(sleeper()), "deep sleep" + suffix, **SLEEP)
    start(outer(future()), "bare future" + suffix, **QUIET)
    start(outer(asyncio.sleep(forever)), "任务 🐀" + suffix, **SLEEP)


# Locks and queues


async def hold(lock):
    async with lock:
        await sleeper()


async def enter(lock):
    async with lock:
        pass


async def wait_condition(condition):
    async with condition:
        await condition.wait()


async def put_two(queue):
    await queue.put(1)
    await queue.put(2)


async def join(queue):
    queue.put_nowait(1)
    await queue.join()


def start_primitives():
    lock = asyncio.Lock()
    start(hold(lock), "lock holder", **SLEEP)
    for index in range(3):
        start(enter(lock), f"lock {index}", waits="future", primitive="Lock", detail="locked, 3 waiting")
    semaphore = asyncio.Semaphore(0)
    start(enter(semaphore), "semaphore", waits="future", primitive="Semaphore", detail="value 0, 1 waiting")
    bounded = asyncio.BoundedSemaphore(1)
    start(hold(bounded), "bounded holder", **SLEEP)
    start(enter(bounded), "bounded", waits="future", primitive="BoundedSemaphore")
    event = asyncio.Event()
    start(event.wait(), "event", waits="future", primitive="Event", detail="not set, 1 waiting")
    start(wait_condition(asyncio.Condition()), "condition", waits="future", primitive="Condition")
    start(asyncio.Queue().get(), "get", waits="future", primitive="Queue.get", detail="0 queued, 1 getting")
    start(put_two(asyncio.Queue(1)), "put", waits="future", primitive="Queue.put",
          detail="maxsize 1, 1 queued, 1 putting")
    start(asyncio.PriorityQueue().get(), "priority", waits="future", primitive="Queue.get")
    start(join(asyncio.Queue()), "join", waits="future", primitive="Queue.join")
    if VERSION >= (3, 11):
        barrier = asyncio.Barrier(2)
        start(barrier.wait(), "barrier", waits="future", primitive="Barrier")


# Tasks that wait for tasks


def children(name, count, parent):
    return [start(sleeper(), f"{name} child {index}", parents=[parent], **SLEEP) for index in range(count)]


async def gatherer(awaitables):
    await asyncio.gather(*awaitables)


async def waiter(tasks, **how):
    await asyncio.wait(tasks, **how)


async def wait_for(awaitable, timeout):
    await asyncio.wait_for(awaitable, timeout)


async def shielder(awaitable):
    await asyncio.shield(awaitable)


async def first_completed(tasks):
    for earliest in asyncio.as_completed(tasks):
        await earliest


async def nested_gather(one, two, three):
    await asyncio.gather(asyncio.gather(one, two), asyncio.shield(three))


def names(tasks):
    return sorted(task.get_name() for task in tasks)


def start_families():
    child = start(sleeper(), "awaited", parents=["awaiter"], **SLEEP)
    start(middle(child), "awaiter", waits="awaited")
    shared = start(sleeper(), "shared", parents=["shares 0", "shares 1"], **SLEEP)
    for index in range(2):
        start(middle(shared), f"shares {index}", waits="shared")
    family = children("gather", 3, "gather")
    start(gatherer(family), "gather", waits=names(family), primitive="gather")
    family = children("nested", 3, "nested gather")
    start(nested_gather(*family), "nested gather", waits=names(family), primitive="gather")
    family = children("wait", 2, "wait")
    start(waiter(family), "wait", waits=names(family), primitive="wait")
    family = children("wait first", 2, "wait first")
    start(waiter(family, return_when=asyncio.FIRST_COMPLETED), "wait first", waits=names(family),
          primitive="wait")
    family = children("timed wait", 2, "timed wait")
    start(waiter(family, timeout=forever), "timed wait", waits=names(family), primitive="wait", due=True)
    family = children("wait_for", 1, "wait_for")
    start(wait_for(family[0], forever), "wait_for", waits="wait_for child 0", primitive="wait_for", due=True)
    family = children("shield", 1, "shield")
    start(shielder(family[0]), "shield", waits="shield child 0", primitive="shield")
    family = children("as_completed", 2, None)
    for task in family:
        truth.expected[task]["parents"] = None
    start(first_completed(family), "as_completed", waits="future", primitive="as_completed")


async def group_left():
    async with asyncio.TaskGroup() as group:
        for index in range(2):
            expect(group.create_task(sleeper()), f"group child {index}", parents=["group left"], **SLEEP)


async def group_inside():
    async with asyncio.TaskGroup() as group:
        expect(group.create_task(sleeper()), "inner child", parents=["group inside"], **SLEEP)
        await sleeper()


async def timed_out():
    async with asyncio.timeout(forever):
        await future()


async def timed_queue():
    await asyncio.wait_for(asyncio.Queue().get(), forever)


def start_newer_families():
    if VERSION < (3, 11):
        return
    start(group_left(), "group left", waits=["group child 0", "group child 1"], primitive="TaskGroup")
    start(group_inside(), "group inside", **SLEEP)
    start(timed_out(), "timeout", due=True, **QUIET)
    if VERSION >= (3, 12):
        start(timed_queue(), "timed queue", waits="future", primitive="Queue.get", due=True)


# Chains


async def generator():
    await asyncio.sleep(forever)
    yield 1


async def outer_generator():
    async for item in generator():
        yield item


async def over_generator():
    async for _ in outer_generator():
        pass


async def by_asend():
    made = generator()
    keep.append(made)
    await made.asend(None)


async def closing_generator():
    try:
        yield 1
    finally:
        await asyncio.sleep(forever)


async def by_aclose():
    made = closing_generator()
    keep.append(made)
    await made.__anext__()
    await made.aclose()


class Awaitable:
    def __await__(self):
        return (yield from asyncio.sleep(forever).__await__())


class Iterator:
    """An awaitable that is its own iterator, which nothing can look into."""

    def __init__(self, awaited):
        self.awaited = awaited

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        self.awaited._asyncio_future_blocking = True
        return self.awaited


@types.coroutine
def old_coroutine():
    yield from asyncio.sleep(forever).__await__()


class Proxy:
    def __await__(self):
        return middle(asyncio.sleep(forever)).__await__()


async def awaits(make):
    await make()


def start_chains():
    start(over_generator(), "async for", **SLEEP)
    start(by_asend(), "asend", **SLEEP)
    start(by_aclose(), "aclose", **SLEEP)
    start(awaits(Awaitable), "custom await", **SLEEP)
    start(awaits(lambda: Iterator(future())), "own iterator", **QUIET)
    start(awaits(old_coroutine), "old coroutine", **SLEEP)
    start(awaits(Proxy), "proxy", **SLEEP)
    if VERSION < (3, 12):
        start(old_coroutine(), "generator task", **SLEEP)
    if VERSION >= (3, 10):
        made = generator()
        keep.append(made)
        start(awaits(lambda: anext(made, None)), "anext", **SLEEP)


# Other waits


async def in_executor(call):
    await asyncio.get_running_loop().run_in_executor(None, call)


async def in_thread(call):
    await asyncio.to_thread(call)


async def read_stream():
    server = await asyncio.start_server(lambda reader, writer: keep.append(writer), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    keep.extend([server, writer])
    await reader.readline()


def start_others():
    released = threading.Event()
    start(in_executor(released.wait), "executor", waits="future", primitive="executor")
    start(in_thread(released.wait), "to_thread", waits="future", primitive="executor")
    start(read_stream(), "stream", waits="future", primitive="stream read")


# Kinds of tasks


class OwnTask(asyncio.Task):
    pass


class Mixin:
    pass


class MixedTask(Mixin, asyncio.Task):
    __slots__ = ("extra",)


class PythonTask(Mixin, asyncio.tasks._PyTask):
    pass


def python_future():
    made = asyncio.futures._PyFuture(loop=asyncio.get_running_loop())
    keep.append(made)
    return made


async def stubborn():
    try:
        await sleeper()
    except asyncio.CancelledError:
        await sleeper()


def start_kinds():
    loop = asyncio.get_running_loop()
    expect(OwnTask(outer(sleeper()), loop=loop), "own task", **SLEEP)
    expect(MixedTask(outer(sleeper()), loop=loop), "mixed task", **SLEEP)
    child = expect(PythonTask(outer(sleeper()), loop=loop), "python task", parents=["python parent"], **SLEEP)
    expect(PythonTask(middle(child), loop=loop), "python parent", waits="python task")
    expect(asyncio.tasks._PyTask(outer(python_future()), loop=loop), "python future", **QUIET)
    start(outer(python_future()), "task on python future", **QUIET)
    plain = asyncio.ensure_future(sleeper())
    expect(plain, None, **SLEEP)
    if VERSION >= (3, 12):
        expect(asyncio.Task(outer(sleeper()), loop=loop, eager_start=True), "eager", **SLEEP)
        expect(asyncio.tasks._PyTask(outer(sleeper()), loop=loop, eager_start=True), "python eager", **SLEEP)


class Trouble(Exception):
    pass


async def fail(error):
    raise error


async def succeed():
    return 42


async def start_ended():
    ended = [
        start(fail(ValueError("boom")), "failed"),
        start(fail(Trouble("own", 1)), "failed on its own"),
        start(fail(KeyError(7)), "failed without a message"),
        start(succeed(), "done"),
        start(sleeper(), "cancelled"),
    ]
    python = asyncio.tasks._PyTask(fail(OSError(2, "two")), loop=asyncio.get_running_loop())
    ended.append(expect(python, "python failed"))
    resists = start(stubborn(), "stubborn", **SLEEP)
    await asyncio.sleep(0)
    ended[4].cancel()
    resists.cancel()
    await asyncio.wait(ended)


async def main():
    start_sleeps()
    start_primitives()
    start_families()
    start_newer_families()
    start_chains()
    start_others()
    start_kinds()
    await start_ended()
    # Enough for each task to come to its wait.
    await asyncio.sleep(0.3)
    at_rest.set()
    await future()


def run():
    if sys.argv[1] == "uvloop":
        import uvloop

        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(expect(loop.create_task(main()), "main", waits="future"))


threading.Thread(target=run, name="loop", daemon=True).start()
at_rest.wait()
# Until the loop is in its poll again.
time.sleep(0.3)
truth.answer()
