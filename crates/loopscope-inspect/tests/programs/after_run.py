"""A program that ran a loop and now works on without one."""
import asyncio
import time


async def main():
    await asyncio.sleep(0)


asyncio.run(main())
print("ready", flush=True)
time.sleep(3600)  # mark: module
