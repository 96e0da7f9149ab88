"""Two loops in two threads, of which one is blocked, and a main thread that has none."""
import asyncio
import threading
import time

tids = {}
up = threading.Barrier(3)


async def blocked():
    tids["blocked"] = threading.get_native_id()
    up.wait()
    time.sleep(3600)  # mark: blocked


async def idle():
    tids["idle"] = threading.get_native_id()
    up.wait()
    await asyncio.sleep(3600)


threading.Thread(target=lambda: asyncio.run(blocked()), name="loop-blocked").start()
threading.Thread(target=lambda: asyncio.run(idle()), name="loop-idle").start()
up.wait()
print("ready", tids["blocked"], tids["idle"], flush=True)
time.sleep(3600)  # mark: module
