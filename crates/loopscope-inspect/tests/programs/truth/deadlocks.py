"""Tasks that wait for each other in circles of all kinds, and tasks that only look so."""
import asyncio
import sys
import threading

import tell
from tell import know, make

HOUR = 3600
in_place = threading.Event()


class Later:
    """Whatever is put into it once all tasks are there."""

    def put(self, what):
        self.what = what


async def wait_for(later):
    await later.what


async def gather(later):
    await asyncio.gather(*later.what)


async def shield(later):
    await asyncio.shield(later.what)


async def wait_all(later):
    await asyncio.wait(later.what)


async def wait_first(later):
    await asyncio.wait(later.what, return_when=asyncio.FIRST_COMPLETED)


async def wait_for_an_hour(later):
    await asyncio.wait_for(later.what, HOUR)


async def shield_for_an_hour(later):
    await asyncio.wait_for(asyncio.shield(later.what), HOUR)


async def sleep():
    await asyncio.sleep(HOUR)


def circle(name, *functions):
    """Tasks of which each waits for the next, and the last for the first."""
    laters = [Later() for _ in functions]
    tasks = [
        make(function(later), f"{name} {number}", primitive=PRIMITIVES.get(function))
        for number, (function, later) in enumerate(zip(functions, laters))
    ]
    for function, later, waiter, task in zip(functions, laters, tasks, tasks[1:] + tasks[:1]):
        later.put([task] if function in SEVERAL else task)
        tell.known[waiter]["tasks"] = [task]
    return tasks


PRIMITIVES = {
    gather: "gather",
    shield: "shield",
    wait_all: "wait",
    wait_first: "wait",
    wait_for_an_hour: "wait_for",
    shield_for_an_hour: "wait_for",
}
SEVERAL = {gather, wait_all, wait_first}


def start():
    tell.circles.append(circle("two", wait_for, wait_for))
    tell.circles.append(circle("five", wait_for, gather, shield, wait_all, wait_for))
    # The time-out will end it.
    circle("with a time-out", wait_for, wait_for_an_hour)
    circle("with a time-out and a shield", wait_for, shield_for_an_hour)
    # The other task will end it.
    first, second = Later(), Later()
    waiting = make(wait_first(first), "waits for one of two", primitive="wait")
    waited_for = make(wait_for(second), "is one of two", tasks=[waiting])
    other = make(sleep(), "is the other of two", primitive="sleep")
    first.put([waited_for, other])
    second.put(waiting)
    tell.known[waiting]["tasks"] = [waited_for, other]
    start_gather_of_which_one_would_end()
    # It waits for those that wait for each other, and is not one of them.
    later = Later()
    later.put(tell.circles[0][0])
    make(wait_for(later), "waits for a circle", tasks=[tell.circles[0][0]])
    if sys.version_info >= (3, 11):
        start_task_group()


def start_gather_of_which_one_would_end():
    gathered, back = Later(), Later()
    gathering = make(gather(gathered), "gathers one that would end", primitive="gather")
    waiting = make(wait_for(back), "waits for a gather", tasks=[gathering])
    gathered.put([waiting, make(sleep(), "would end", primitive="sleep")])
    back.put(gathering)
    tell.known[gathering]["tasks"] = gathered.what
    tell.circles.append([gathering, waiting])


def start_task_group():
    async def parent():
        async with asyncio.TaskGroup() as group:
            task = know(group.create_task(child(), name="child"), tasks=[asyncio.current_task()])
            know(asyncio.current_task(), tasks=[task], primitive="TaskGroup")
            tell.circles.append([asyncio.current_task(), task])

    async def child():
        await of_child

    of_child = make(parent(), "parent of a group")


async def main():
    tell.know_loop(asyncio.get_running_loop())
    know(asyncio.current_task())
    start()
    in_place.set()
    await asyncio.get_running_loop().create_future()


threading.Thread(target=asyncio.run, args=(main(),), name="loop", daemon=True).start()
in_place.wait()
tell.serve()
