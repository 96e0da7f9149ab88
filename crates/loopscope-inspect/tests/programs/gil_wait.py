"""A loop that has work to do and waits for the interpreter's lock, which another thread keeps."""
import asyncio
import re
import threading

HOPELESS = re.compile(r"(a+)+$")


def search(text):
    print("ready", flush=True)
    return HOPELESS.match(text)  # mark: search


async def main():
    threading.Thread(target=search, args=("a" * 64 + "b",), daemon=True).start()
    count = 0
    while True:
        count += 1  # mark: main


asyncio.run(main())
