"""One loop that is blocked inside a task of the kind that the first argument names."""
import asyncio
import sys
import time


class Awaitable:
    def __await__(self):
        yield from asyncio.sleep(0).__await__()
        return (yield from innermost().__await__())  # mark: __await__


async def innermost():
    print("ready", flush=True)
    time.sleep(3600)  # mark: innermost


async def generator():
    yield await innermost()  # mark: generator


async def through_generator():
    async for _ in generator():  # mark: through_generator
        pass


async def through_awaitable():
    await Awaitable()  # mark: through_awaitable


class OwnTask(asyncio.Task):
    pass


FACTORIES = {
    "subclass": lambda loop, coro, **rest: OwnTask(coro, loop=loop, **rest),
    "python": lambda loop, coro, **rest: asyncio.tasks._PyTask(coro, loop=loop, **rest),
}


async def main():
    asyncio.get_running_loop().set_task_factory(FACTORIES.get(sys.argv[1]))
    shape = through_awaitable if sys.argv[1] == "awaitable" else through_generator
    task = asyncio.get_running_loop().create_task(shape())
    if hasattr(task, "set_name"):
        task.set_name("任务 \N{RAT}")
    await task


asyncio.run(main())
