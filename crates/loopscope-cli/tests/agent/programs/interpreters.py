"""Tasks in the main interpreter, and more of them in another one."""
import asyncio

try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters

OTHER = """
import asyncio, sys

async def others():
    await asyncio.sleep(0)
    return 1 / 0

async def main():
    results = [asyncio.create_task(others()) for _ in range(50)]
    results = await asyncio.gather(*results, return_exceptions=True)
    print(len(results))

asyncio.run(main())
"""


async def own():
    await asyncio.sleep(0)


async def main():
    await asyncio.gather(*[asyncio.create_task(own()) for _ in range(3)])


asyncio.run(main())
other = interpreters.create()
interpreters.run_string(other, OTHER)
interpreters.destroy(other)
asyncio.run(main())
