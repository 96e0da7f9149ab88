"""A program that imports asyncio only when it is told to."""
import sys
import time

print("ready", flush=True)
sys.stdin.readline()


def later():
    import asyncio

    async def main():
        print("looping", flush=True)
        time.sleep(3600)  # mark: main

    asyncio.run(main())


later()
