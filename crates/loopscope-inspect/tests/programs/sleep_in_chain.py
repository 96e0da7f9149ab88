"""A synchronous sleep inside nested coroutines, one of them a method."""
import asyncio
import time


def fetch():
    print("ready", flush=True)
    time.sleep(3600)  # mark: fetch


class Service:
    async def handle(self):
        fetch()  # mark: handle


async def outer(service):
    await service.handle()  # mark: outer


async def main():
    task = asyncio.create_task(outer(Service()), name="the-task")
    await task


asyncio.run(main())
