"""A busy program without a fault: many short turns, work on other threads, exceptions that are handled."""

import asyncio
import time

import loopscope


def work(seconds):
    time.sleep(seconds)


async def fails():
    await asyncio.sleep(0)
    raise ValueError("handled")


async def short():
    end = time.monotonic() + 0.01
    while time.monotonic() < end:
        pass


async def main():
    loop = asyncio.get_running_loop()
    for _ in range(50):
        await asyncio.gather(*(asyncio.sleep(0.001) for _ in range(20)))
        await short()
        try:
            await asyncio.create_task(fails())
        except ValueError:
            pass
        await loop.run_in_executor(None, work, 0.02)


print("address", loopscope.install(listen="127.0.0.1:0").address, flush=True)
asyncio.run(main())
print("over", flush=True)
input()
