"""Two loops in two threads with tasks that wait in all ways there are: `waits.py asyncio|uvloop`.

One loop is idle, the other is blocked by a task of its own. Tells all of it for each line on its standard
input.
"""
import asyncio
import sys
import threading

import tell
from kinds import coroutines, ended, groups, outside, plain, primitives, standing, task_types

if sys.argv[1] == "uvloop":
    import uvloop as library
else:
    library = asyncio

in_place = threading.Barrier(3)


async def idle():
    tell.know_loop(asyncio.get_running_loop())
    tell.know(asyncio.current_task())
    plain.start()
    await primitives.start()
    groups.start()
    await groups.start_partly_ended()
    coroutines.start()
    task_types.start()
    await outside.start()
    await ended.start()
    in_place.wait()
    await asyncio.get_running_loop().create_future()


async def blocked():
    tell.know_loop(asyncio.get_running_loop())
    tell.know(asyncio.current_task())
    await standing.start()
    in_place.wait()
    await asyncio.get_running_loop().create_future()


def run(main):
    event_loop = library.new_event_loop()
    asyncio.set_event_loop(event_loop)
    event_loop.run_until_complete(main())


for main in [idle, blocked]:
    threading.Thread(target=run, args=(main,), name=f"loop-{main.__name__}", daemon=True).start()
in_place.wait()
standing.blocked.wait()
tell.serve()
