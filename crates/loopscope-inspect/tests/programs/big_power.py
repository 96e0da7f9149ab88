"""A power of a large integer, which keeps the interpreter's lock."""
import asyncio


EXPONENT = 10**9


async def compute():
    print("ready", flush=True)
    return pow(3, EXPONENT)  # mark: compute


asyncio.run(compute())
