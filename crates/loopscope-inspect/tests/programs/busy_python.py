"""Pure Python code that never gives the loop back."""
import asyncio


def spin():
    print("ready", flush=True)
    count = 0
    while True:  # mark: while
        count += 1  # mark: spin


async def main():
    spin()  # mark: main


asyncio.run(main())
