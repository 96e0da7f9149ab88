"""Ends with an exception that went through a task."""
import asyncio


async def deep():
    await asyncio.sleep(0)
    raise ValueError("at the end")


async def main():
    await asyncio.create_task(deep())


asyncio.run(main())
