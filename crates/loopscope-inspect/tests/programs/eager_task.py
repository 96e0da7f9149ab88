"""A task that runs at once inside the task that makes it (Python 3.12 and later)."""
import asyncio
import time


async def child():
    print("ready", flush=True)
    time.sleep(3600)  # mark: child


async def main():
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    await asyncio.create_task(child())


asyncio.run(main())
