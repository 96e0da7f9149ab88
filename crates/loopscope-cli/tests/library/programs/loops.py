"""Installs at different times, and sees what the report says of the loops."""

import sys
import threading
import time

import loopscope
from common import check, same, until, ways


def loops():
    return loopscope.report()["detailed_health"]["event_loops"]


def living():
    return [one for one in loops() if one["state"] != "ended"]


def stalls(function):
    found = loopscope.report()["incidents"]
    return [one for one in found if (one["culprit"] or {}).get("function", "").endswith(function)]


def block(seconds=0.3):
    time.sleep(seconds)


async def turn(asyncio, seconds=1.5):
    """Turns until the loop has been seen with its stall."""
    await asyncio.sleep(0.2)
    block()
    deadline = time.monotonic() + 20
    while not stalls("block") and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    await asyncio.create_task(asyncio.sleep(0))


def count_tasks(least):
    until("the tasks", lambda: loopscope.report()["monitoring"].get("total_tasks", 0) >= least)


def check_stall():
    incident = until("the stall", lambda: [one for one in stalls("block") if one["closed_at"]])[-1]
    same("kind", "loop_stall", incident["kind"])
    same("cause", "blocking_call", incident["cause"])
    check("the line is named", "loops.py:" in incident["summary"], incident["summary"])
    check("it lasted", 0.25 <= incident["longest_seconds"] <= 5, incident)


def before():
    same("problems", (), loopscope.install(service="before").problems)
    import asyncio

    asyncio.run(turn(asyncio))
    check_stall()
    report = loopscope.report()
    same("service", "before", report["service"])
    count_tasks(2)
    same("runtime", {"asyncio"}, {one["runtime"] for one in loops()})


def early():
    check("no asyncio yet", "asyncio" not in sys.modules)
    loopscope.install()
    import asyncio

    asyncio.run(turn(asyncio))
    check_stall()
    count_tasks(2)


def inside():
    import asyncio

    async def main():
        await asyncio.sleep(0)
        loopscope.install()
        # Still in the turn that it was called from.
        until("the loop", living)
        block()
        for _ in range(3):
            await asyncio.sleep(0.05)
        await turn(asyncio)

    asyncio.run(main())
    check_stall()
    count_tasks(1)


def beside():
    import asyncio

    started = threading.Event()
    done = threading.Event()

    async def main():
        started.set()
        while not done.is_set():
            await asyncio.sleep(0.01)
        await turn(asyncio)

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    started.wait()
    same("problems", (), loopscope.install().problems)
    until("the loop of the other thread", living)
    done.set()
    thread.join()
    check_stall()
    same("thread", {thread.native_id}, {one["thread_id"] for one in loops()})


def again():
    import asyncio

    loopscope.install()
    until("the first look", lambda: "total_tasks" in loopscope.report()["monitoring"])

    async def once(seconds):
        await asyncio.sleep(seconds)
        block(0.15)

    for _ in range(3):
        asyncio.run(once(0.05))
    # By number, since a machine that is busy itself may be to blame for one of them.
    until("three stalls", lambda: loopscope.report()["monitoring"]["total_stalls"] >= 3)
    until("all loops over", lambda: not living())


def threads():
    import asyncio

    loopscope.install()
    together = threading.Barrier(3)
    seen = threading.Event()

    async def main():
        together.wait()
        while not seen.is_set():
            await asyncio.sleep(0.01)

    others = [threading.Thread(target=lambda: asyncio.run(main()), daemon=True) for _ in range(2)]
    for thread in others:
        thread.start()
    together.wait()
    # Nor are the monitor's own threads among them.
    found = until("two loops", lambda: len(living()) >= 2 and living())
    same("threads", {thread.native_id for thread in others}, {one["thread_id"] for one in found})
    seen.set()
    for thread in others:
        thread.join()
    until("all loops over", lambda: not living())


ways([before, early, inside, beside, again, threads])
