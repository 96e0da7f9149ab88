"""Very many tasks on one loop: `crowd.py TASKS`. They wait in a queue, for a lock, in a gather, asleep."""
import asyncio
import sys
import threading

import tell
from kinds.groups import gather
from kinds.plain import HOUR, through
from kinds.primitives import acquire, get
from tell import make

count = int(sys.argv[1]) // 4
in_place = threading.Event()


async def main():
    tell.know_loop(asyncio.get_running_loop())
    tell.know(asyncio.current_task())
    queue, lock = asyncio.Queue(), asyncio.Lock()
    await lock.acquire()
    asleep = [make(through(2, HOUR), f"asleep {number}", primitive="sleep") for number in range(count)]
    make(gather(asleep), "gather", tasks=asleep, primitive="gather")
    for number in range(count):
        make(get(queue), f"get {number}", primitive="Queue.get", on=queue)
        make(acquire(lock), f"acquire {number}", primitive="Lock", on=lock, detail=f"locked, {count} waiting")
        make(gather(asleep[number:][:3]), f"gather {number}", tasks=asleep[number:][:3], primitive="gather")
    in_place.set()
    await asyncio.get_running_loop().create_future()


threading.Thread(target=asyncio.run, args=(main(),), name="loop", daemon=True).start()
in_place.wait()
tell.serve()
