"""What an offloaded function does, and what it leaves alone."""

import asyncio
import contextvars
import functools
import os
import threading
import time
import warnings

import loopscope
from common import check, same, until, ways

LOCAL = contextvars.ContextVar("LOCAL", default="unset")


@loopscope.offload
def worker_name():
    """Says where it runs."""
    return threading.current_thread().name


def results():
    @loopscope.offload(workers=1)
    def fail():
        raise KeyError("mine")

    @loopscope.offload
    def stop():
        raise StopIteration(3)

    class Agent:
        def run(self, prompt, loud=False):
            return prompt.upper() if loud else prompt

    async def main():
        name = await worker_name()
        check("on a thread of its own", name.startswith("offload __main__.worker_name"), name)
        same("a method", "HELLO", await loopscope.offload(Agent().run)("hello", loud=True))
        same("a partial", "hi", await loopscope.offload(functools.partial(Agent().run, "hi"))())
        try:
            await fail()
        except KeyError as error:
            same("the exception", ("mine",), error.args)
        else:
            raise SystemExit("it raises")
        try:
            await asyncio.wait_for(stop(), 10)
        except RuntimeError as error:
            check("StopIteration", isinstance(error.__cause__, StopIteration), error)
        else:
            raise SystemExit("it raises")

    asyncio.run(main())
    same("its name", ("worker_name", "Says where it runs."), (worker_name.__name__, worker_name.__doc__))


def refused():
    async def coroutine():
        pass

    async def items():
        yield 1

    def generator():
        yield 1

    class Asynchronous:
        async def __call__(self):
            pass

    for wrong in (coroutine, items, generator, Asynchronous(), 3):
        try:
            loopscope.offload(wrong)
        except TypeError:
            continue
        raise SystemExit("%r is refused" % wrong)
    try:
        loopscope.offload(len, workers=0)
    except ValueError:
        return
    raise SystemExit("no workers are refused")


def context():
    @loopscope.offload
    def look():
        before = LOCAL.get()
        LOCAL.set("changed")
        return before

    async def main():
        LOCAL.set("callers")
        same("seen", "callers", await look())
        same("not changed", "callers", LOCAL.get())

    asyncio.run(main())


def bounded():
    running = []
    most = []

    @loopscope.offload(workers=2, name="bounded")
    def work():
        running.append(1)
        most.append(len(running))
        time.sleep(0.05)
        running.pop()

    @loopscope.offload(name="bounded")
    def sharing():
        return threading.current_thread().name

    async def main():
        beats = 0
        working = asyncio.gather(*(work() for _ in range(6)))
        while not working.done():
            await asyncio.sleep(0.005)
            beats += 1
        await working
        same("at once", 2, max(most))
        check("the loop went on", beats > 10, beats)
        check("shared by name", (await sharing()).startswith("offload bounded"))

    asyncio.run(main())


def cancelled():
    begun = []
    may_end = threading.Event()

    @loopscope.offload(workers=1)
    def work(number):
        begun.append(number)
        may_end.wait(20)

    async def main():
        first = asyncio.ensure_future(work(1))
        while not begun:
            await asyncio.sleep(0.005)
        second = asyncio.ensure_future(work(2))
        await asyncio.sleep(0.02)
        for task in (second, first):
            task.cancel()
            try:
                await asyncio.wait_for(task, 5)
            except asyncio.CancelledError:
                pass
            else:
                raise SystemExit("it is cancelled")
        try:
            await asyncio.wait_for(work(3), 0.05)
        except asyncio.TimeoutError:
            pass
        else:
            raise SystemExit("the time is over")
        may_end.set()
        await work(4)
        same("what began", [1, 4], begun)

    asyncio.run(main())


def closing():
    """A loop that ends while calls are queued."""
    begun = []

    @loopscope.offload(workers=1)
    def work(number):
        begun.append(number)
        time.sleep(0.2)

    async def main():
        for number in range(3):
            asyncio.ensure_future(work(number))
        while not begun:
            await asyncio.sleep(0.005)

    asyncio.run(main())

    async def later():
        await work("later")

    asyncio.run(later())
    same("what began", [0, "later"], begun)


def forked():
    async def main():
        return await worker_name()

    asyncio.run(main())
    # From 3.12 on, of any process with threads.
    warnings.simplefilter("ignore", DeprecationWarning)
    child = os.fork()
    if child == 0:
        os._exit(0 if asyncio.run(asyncio.wait_for(main(), 10)).startswith("offload") else 1)
    same("the child", 0, os.waitpid(child, 0)[1])


def seen():
    """The report has its threads and its queue."""
    loopscope.install(listen="off")

    @loopscope.offload(workers=1, name="seen")
    def work():
        time.sleep(0.5)

    def executor():
        found = loopscope.report()["detailed_health"].get("executors") or []
        return [one for one in found if one["name"].startswith("offload seen") and one["queued"]]

    async def main():
        working = asyncio.gather(*(work() for _ in range(4)))
        while not working.done():
            if executor():
                break
            await asyncio.sleep(0.02)
        found, = executor()
        same("workers", 1, found["max_workers"])
        await working

    asyncio.run(main())
    loopscope.uninstall()


ways([results, refused, context, bounded, cancelled, closing, forked, seen])
