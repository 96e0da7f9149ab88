"""An executor's thread that keeps the interpreter's lock while the loop has nothing to do."""
import asyncio
import re
import threading

HOPELESS = re.compile(r"(a+)+$")


def search(text):
    print("ready", threading.get_native_id(), flush=True)
    return HOPELESS.match(text)  # mark: search


async def main():
    await asyncio.get_running_loop().run_in_executor(None, search, "a" * 64 + "b")


asyncio.run(main())
