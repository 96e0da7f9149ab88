"""A child that was forked inside its parent's loop, first without a loop of its own, then with one."""
import asyncio
import os
import sys
import time


async def child_main():
    print("looping", flush=True)
    time.sleep(3600)  # mark: child_main


async def main():
    child = os.fork()
    if child == 0:
        print("ready", os.getpid(), flush=True)
        sys.stdin.readline()  # mark: main
        return
    os.waitpid(child, 0)


asyncio.run(main())
asyncio.run(child_main())
