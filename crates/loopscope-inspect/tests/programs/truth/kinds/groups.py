"""Tasks that wait for other tasks."""
import asyncio
import sys

from kinds.plain import HOUR, await_it, sleep
from tell import know, make


def child(name, **facts):
    return make(sleep(HOUR), name, primitive="sleep", **facts)


def children(of, **facts):
    return [child(f"{of} child {number}", **facts) for number in range(3)]


async def gather(tasks):
    await asyncio.gather(*tasks)


async def gather_with_exceptions(tasks):
    await asyncio.gather(*tasks, return_exceptions=True)


async def gather_of_gathers(first, second):
    await asyncio.gather(asyncio.gather(*first), asyncio.gather(*second))


async def gather_of_others(first, second, third):
    await asyncio.gather(asyncio.gather(first, second), asyncio.shield(third))


async def as_completed(tasks):
    for first in asyncio.as_completed(tasks):
        await first


async def wait(tasks):
    await asyncio.wait(tasks)


async def wait_first(tasks):
    await asyncio.wait(tasks, timeout=HOUR, return_when=asyncio.FIRST_COMPLETED)


async def wait_for(task):
    await asyncio.wait_for(task, HOUR)


async def shield(task):
    await asyncio.shield(task)


async def await_all_in_order(tasks):
    for task in tasks:
        await task


def start():
    start_groups()
    task = child("awaited")
    middle = make(await_it(task), "awaiter", tasks=[task])
    make(await_it(middle), "awaiter of the awaiter", tasks=[middle])
    make(await_it(task), "second awaiter", tasks=[task])
    task = child("waited for")
    make(wait_for(task), "wait_for", tasks=[task], primitive="wait_for")
    task = child("shielded")
    make(shield(task), "shield", tasks=[task], primitive="shield")
    task = child("shielded by a caller")
    make(await_it(asyncio.shield(task)), "shield of a caller", tasks=[task], primitive="shield")
    in_order = children("in order")
    make(await_all_in_order(in_order), "in order", tasks=in_order[:1])
    if sys.version_info >= (3, 11):
        start_timeouts()
        start_task_groups()


def start_groups():
    functions = {gather: "gather", gather_with_exceptions: "gather", wait: "wait", wait_first: "wait"}
    for function, primitive in functions.items():
        tasks = children(function.__name__)
        make(function(tasks), function.__name__, tasks=tasks, primitive=primitive)
    first, second = children("first gather"), children("second gather")
    make(gather_of_gathers(first, second), "gather of gathers", tasks=first + second, primitive="gather")
    tasks = children("gather of others")
    make(gather_of_others(*tasks), "gather of others", tasks=tasks, primitive="gather")
    tasks = children("as_completed")
    make(as_completed(tasks), "as_completed", tasks=tasks, primitive="as_completed")


async def ended():
    return 1


async def start_partly_ended():
    """Of those gathered one has ended already."""
    tasks = children("partly ended") + [make(ended(), "ended child")]
    await tasks[-1]
    make(gather(tasks), "gather of which one ended", tasks=tasks, primitive="gather")


def start_timeouts():
    async def timeout(awaitable):
        async with asyncio.timeout(HOUR):
            await awaitable

    make(timeout(asyncio.get_running_loop().create_future()), "timeout")
    make(timeout(sleep(HOUR / 2)), "timeout of sleep", primitive="sleep")
    if sys.version_info >= (3, 12):
        queue = asyncio.Queue()
        make(asyncio.wait_for(queue.get(), HOUR), "wait_for of a queue", primitive="Queue.get", on=queue)
    task = child("child with timeout")
    make(timeout(task), "timeout of a task", tasks=[task])


def start_task_groups():
    async def group(name, count):
        async with asyncio.TaskGroup() as group:
            tasks = [
                know(group.create_task(sleep(HOUR), name=f"{name} child {number}"), primitive="sleep")
                for number in range(count)
            ]
            know(asyncio.current_task(), tasks=tasks, primitive="TaskGroup")

    async def body(name):
        async with asyncio.TaskGroup() as group:
            task = know(group.create_task(sleep(HOUR), name=f"{name} child"), primitive="sleep")
            know(asyncio.current_task(), group=[task], primitive="sleep")
            await sleep(HOUR)

    make(group("group", 4), "group")
    make(body("group's body"), "group's body", primitive="sleep")
