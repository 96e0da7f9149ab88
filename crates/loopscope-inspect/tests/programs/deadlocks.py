"""Tasks that wait for each other in circles, and some that nearly do."""
import asyncio
import threading
import time

import truth
from truth import expect

at_rest = threading.Event()
forever = 36000


async def wait_for_other(others, name):
    while name not in others:
        await asyncio.sleep(0)
    await others[name]


async def wait_for_group(others, names):
    while any(name not in others for name in names):
        await asyncio.sleep(0)
    await asyncio.gather(*(others[name] for name in names))


async def wait_for_any(others, names):
    while any(name not in others for name in names):
        await asyncio.sleep(0)
    await asyncio.wait([others[name] for name in names], return_when=asyncio.FIRST_COMPLETED)


async def wait_in_time(others, name):
    while name not in others:
        await asyncio.sleep(0)
    await asyncio.wait_for(asyncio.shield(others[name]), forever)


async def main():
    others = {}

    def start(coroutine, name, **what):
        others[name] = expect(asyncio.get_running_loop().create_task(coroutine), name, **what)

    # A circle of two.
    start(wait_for_other(others, "b"), "a", waits="b", parents=["b"])
    start(wait_for_other(others, "a"), "b", waits="a", parents=["a", "onlooker"])
    start(wait_for_other(others, "b"), "onlooker", waits="b")
    # A circle of three through a gather, one part of which would end.
    start(wait_for_other(others, "d"), "c", waits="d", parents=["e"])
    start(wait_for_other(others, "e"), "d", waits="e", parents=["c"])
    start(wait_for_group(others, ["c", "sleep"]), "e", waits=["c", "sleep"], primitive="gather",
          parents=["d"])
    start(asyncio.sleep(forever), "sleep", waits="future", primitive="sleep", due=True,
          parents=["e", "f"])
    # No circle: the first of several is enough.
    start(wait_for_any(others, ["g", "sleep"]), "f", waits=["g", "sleep"], primitive="wait",
          parents=["g"])
    start(wait_for_other(others, "f"), "g", waits="f", parents=["f"])
    # No circle: a timer ends it.
    start(wait_in_time(others, "i"), "h", due=True, parents=["i"])
    start(wait_for_other(others, "h"), "i", waits="h", parents=["h"])
    await asyncio.sleep(0.3)
    at_rest.set()
    await asyncio.get_running_loop().create_future()


def run():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(expect(loop.create_task(main()), "main", waits="future"))


threading.Thread(target=run, name="loop", daemon=True).start()
at_rest.wait()
# Until the loop is in its poll again.
time.sleep(0.3)
truth.answer()
