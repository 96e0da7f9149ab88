"""Tasks that are not of asyncio's own type, or start in another way."""
import asyncio
import sys

from kinds.plain import HOUR, await_it, sleep, through
from tell import make


class OwnTask(asyncio.Task):
    pass


class Slotted(asyncio.Task):
    __slots__ = ("extra",)


class Mixin:
    def __init__(self, *arguments, **options):
        self.mixed = 1
        super().__init__(*arguments, **options)


class Mixed(Mixin, asyncio.Task):
    pass


class OwnPythonTask(Mixin, asyncio.tasks._PyTask):
    pass


def factory_of(kind, **options):
    return lambda coroutine, name: kind(coroutine, loop=asyncio.get_running_loop(), name=name, **options)


async def gather(tasks):
    await asyncio.gather(*tasks)


async def at_once():
    return "never suspended"


def start():
    kinds = [OwnTask, Slotted, Mixed, asyncio.tasks._PyTask, OwnPythonTask]
    for kind in kinds:
        make(through(2, HOUR), f"sleep in {kind.__name__}", factory_of(kind), primitive="sleep")
    tasks = [
        make(sleep(HOUR), f"gathered {kind.__name__}", factory_of(kind), primitive="sleep") for kind in kinds
    ]
    make(gather(tasks), "gather of kinds", tasks=tasks, primitive="gather")
    python_task = factory_of(asyncio.tasks._PyTask)
    make(gather(tasks), "pure-Python gather of kinds", python_task, tasks=tasks, primitive="gather")
    for kind, task in zip(kinds, tasks):
        make(await_it(task), f"awaiter in {kind.__name__}", factory_of(kind), tasks=[task])
    if sys.version_info >= (3, 12):
        eager = factory_of(asyncio.Task, eager_start=True)
        task = make(through(2, HOUR), "eager", eager, primitive="sleep")
        make(await_it(task), "eager awaiter", eager, tasks=[task])
        make(at_once(), "eager and ended", eager)
        make(sleep(HOUR), "eager in Python", factory_of(asyncio.tasks._PyTask, eager_start=True), primitive="sleep")
