"""Forks, and looks at both sides."""

import asyncio
import json
import multiprocessing
import os
import socket
import sys
import time
import urllib.request
import warnings

import loopscope
from common import check, same, until, ways

# Said by CPython 3.12 and later of any process with more than one thread, native ones included.
warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")


def threads():
    return len(os.listdir("/proc/self/task"))


def processes():
    found = loopscope.report()["detailed_health"]["processes"]
    return {one["pid"] for one in found if one["state"] == "running"}


def loops_of(pid):
    found = loopscope.report()["detailed_health"]["event_loops"]
    return [one for one in found if one["pid"] == pid]


def in_child(work):
    """Runs this in a forked child; returns the child's pid and a pipe that ends with it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except SystemExit as error:
            print(error, file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    return pid


def ended(pid):
    same("the child", 0, os.waitpid(pid, 0)[1])


async def turn_until(is_over):
    while not is_over():
        await asyncio.sleep(0.02)


def child():
    installed = loopscope.install(listen="127.0.0.1:0")
    asyncio.run(asyncio.sleep(0.05))
    ours, theirs = multiprocessing.Pipe()

    def work():
        same("threads", 1, threads())
        asyncio.run(turn_until(theirs.poll))
        # Answered by the parent, whose report has both.
        report = loopscope.report()
        pids = {one["pid"] for one in report["detailed_health"]["processes"]}
        check("both", {os.getpid(), os.getppid()} <= pids, pids)
        with urllib.request.urlopen("http://%s/livez" % installed.address) as answer:
            same("the port", 200, answer.status)

    pid = in_child(work)
    until("the child's loop", lambda: loops_of(pid))
    ours.send(None)
    ended(pid)
    until("the child is gone", lambda: pid not in processes())
    same("status", "healthy", loopscope.report()["status"])


def own():
    loopscope.install(listen="127.0.0.1:0")
    asyncio.run(asyncio.sleep(0.05))

    def work():
        installed = loopscope.install(service="child", listen="127.0.0.1:0")
        same("problems", (), installed.problems)
        asyncio.run(turn_until(lambda: loops_of(os.getpid())))
        report = loopscope.report()
        same("service", "child", report["service"])
        same("no other process", {os.getpid()}, {one["pid"] for one in report["detailed_health"]["processes"]})

    pid = in_child(work)
    until("the child", lambda: pid in processes())
    ended(pid)
    until("the child is gone", lambda: pid not in processes())


def inside():
    loopscope.install()

    async def main():
        await asyncio.sleep(0.05)
        ours, theirs = multiprocessing.Pipe()

        def work():
            # Leaves the loop that it inherited alone.
            asyncio._set_running_loop(None)
            same("threads", 1, threads())
            asyncio.run(turn_until(theirs.poll))

        pid = in_child(work)
        while not loops_of(pid):
            await asyncio.sleep(0.02)
        ours.send(None)
        while pid in processes():
            await asyncio.sleep(0.02)
            os.waitpid(pid, os.WNOHANG) if os.path.exists("/proc/%d" % pid) else None

    asyncio.run(asyncio.wait_for(main(), 30))


def run_loop(seconds):
    asyncio.run(asyncio.sleep(seconds))
    return os.getpid()


def pool():
    loopscope.install()
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as workers:
        work = workers.map_async(run_loop, [0.5] * 4, chunksize=1)
        pids = {process.pid for process in workers._pool}
        until("both workers", lambda: all(loops_of(pid) for pid in pids))
        check("they work", set(work.get(30)) <= pids)
        workers.close()
        workers.join()
    until("they are gone", lambda: not pids & processes())


def port():
    installed = loopscope.install(listen="127.0.0.1:0")
    host, number = installed.address.split(":")
    ours, theirs = multiprocessing.Pipe()
    pid = in_child(theirs.recv)
    loopscope.uninstall()
    with socket.socket() as gone:
        check("nobody holds the port", gone.connect_ex((host, int(number))) != 0)
    ours.send(None)
    ended(pid)


ways([child, own, inside, pool, port])
