"""Creates tasks in every way, a known number of each."""
import asyncio
import gc
import sys


async def plain():
    await asyncio.sleep(0)


async def at_once():
    return 1


async def gathered():
    await asyncio.sleep(0)


async def waited_for():
    await asyncio.sleep(0)


async def cancelled_running():
    await asyncio.sleep(60)


async def cancelled_early():
    await asyncio.sleep(60)


async def left_pending():
    await asyncio.sleep(60)


async def of_subclass():
    await asyncio.sleep(0)


async def of_factory():
    await asyncio.sleep(0)


async def in_group():
    await asyncio.sleep(0)


async def eager_to_the_end():
    return 1


async def eager_then_waiting():
    await asyncio.sleep(0)


class Task(asyncio.Task):
    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)


def cancelled(coroutine):
    task = asyncio.ensure_future(coroutine)
    task.cancel()
    return task


async def many(coroutine_function, number):
    await asyncio.gather(*[asyncio.create_task(coroutine_function()) for _ in range(number)])


async def main():
    loop = asyncio.get_running_loop()
    await many(plain, 5)
    await many(at_once, 4)
    await asyncio.gather(*(gathered() for _ in range(3)))
    await asyncio.wait_for(waited_for(), 10)
    running = [loop.create_task(cancelled_running()) for _ in range(2)]
    await asyncio.sleep(0)
    for task in running:
        task.cancel()
    early = [cancelled(cancelled_early()) for _ in range(2)]
    await asyncio.gather(*running, *early, return_exceptions=True)
    await Task(of_subclass(), loop=loop)
    loop.set_task_factory(lambda loop, coroutine, **named: asyncio.Task(coroutine, loop=loop, **named))
    await loop.create_task(of_factory())
    loop.set_task_factory(None)
    if sys.version_info >= (3, 11):
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(in_group())
    if sys.version_info >= (3, 12):
        asyncio.Task(eager_to_the_end(), loop=loop, eager_start=True)
        await asyncio.Task(eager_then_waiting(), loop=loop, eager_start=True)


def forget_pending():
    loop = asyncio.new_event_loop()
    task = loop.create_task(left_pending())
    task._log_destroy_pending = False
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    del task
    gc.collect()


asyncio.run(main())
forget_pending()
