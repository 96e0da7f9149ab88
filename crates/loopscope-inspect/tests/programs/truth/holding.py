"""Tells, and keeps the interpreter's lock for ever in a regular expression once it is told to go on."""
import asyncio
import re
import sys
import threading

import tell
from kinds import groups, plain, primitives

in_place = threading.Event()


async def main():
    tell.know_loop(asyncio.get_running_loop())
    tell.know(asyncio.current_task())
    plain.start()
    groups.start()
    await primitives.start()
    in_place.set()
    await asyncio.get_running_loop().create_future()


threading.Thread(target=asyncio.run, args=(main(),), name="loop", daemon=True).start()
in_place.wait()
tell.serve(times=1)
sys.stdin.readline()
print("holding", flush=True)
re.match(r"(a+)+$", "a" * 60 + "b")  # mark: module
