"""A loop with tasks at rest, and then a thread that keeps the interpreter's lock in a regular expression."""
import asyncio
import json
import re
import sys
import threading
import time

import truth
from truth import expect

at_rest = threading.Event()
forever = 36000


async def sleeper():
    await asyncio.sleep(forever)


async def main():
    for index in range(10):
        expect(asyncio.get_running_loop().create_task(sleeper()), f"sleep {index}", waits="future",
               primitive="sleep", due=True)
    await asyncio.sleep(0.1)
    at_rest.set()
    await asyncio.get_running_loop().create_future()


def run():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(expect(loop.create_task(main()), "main", waits="future"))


threading.Thread(target=run, name="loop", daemon=True).start()
at_rest.wait()
time.sleep(0.3)
print("ready", threading.get_native_id(), flush=True)
sys.stdin.readline()
print(json.dumps(truth.truth()), flush=True)
re.match(r"(a+)+$", "a" * 60 + "b")  # mark: module
