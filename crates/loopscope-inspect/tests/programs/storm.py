"""A storm of short callbacks that keeps the loop from its poll: each turn has thousands of them."""
import asyncio
import sys

if "uvloop" in sys.argv:
    import uvloop as runner
else:
    runner = asyncio


def callback(event_loop):
    event_loop.call_soon(callback, event_loop)


async def main():
    event_loop = asyncio.get_running_loop()
    for _ in range(5000):
        callback(event_loop)
    print("ready", flush=True)
    await asyncio.sleep(3600)


event_loop = runner.new_event_loop()
event_loop.run_until_complete(main())
