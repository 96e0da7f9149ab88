"""Calls of `install`, and what comes of them."""

import asyncio
import json
import os
import signal
import socket
import sys
import threading
import urllib.request

import loopscope
from common import check, kept_of, same, until, ways

KEPT = kept_of("loopscope")


def fetch(address, path="/health"):
    with urllib.request.urlopen("http://%s%s" % (address, path), timeout=10) as answer:
        return json.loads(answer.read())


def native_threads():
    names = []
    for thread in os.listdir("/proc/self/task"):
        with open("/proc/self/task/%s/comm" % thread) as name:
            names.append(name.read().strip())
    return sorted(name for name in names if name.startswith("loopscope"))


def twice():
    first = loopscope.install(service="first", listen="127.0.0.1:0")
    same("problems", (), first.problems)
    check("it records and listens", first.recording and first.address, first)
    same("the second", first, loopscope.install(service="second", listen="127.0.0.1:0"))
    same("service", "first", fetch(first.address)["service"])
    same("the same report", set(loopscope.report()), set(fetch(first.address)))
    same("nothing is logged", [], KEPT.lines)


def anew():
    first = loopscope.install(listen="127.0.0.1:0")
    loopscope.uninstall()
    loopscope.uninstall()
    until("no thread", lambda: not native_threads())
    with socket.socket() as gone:
        host, port = first.address.split(":")
        check("the port is closed", gone.connect_ex((host, int(port))) != 0)
    check("the report says so", "install()" in loopscope.report()["issues"][0], loopscope.report())
    again = loopscope.install(service="again", listen=first.address)
    same("problems", (), again.problems)
    same("service", "again", fetch(again.address)["service"])

    async def main():
        while not loopscope.report()["detailed_health"]["event_loops"]:
            await asyncio.sleep(0.02)

    asyncio.run(asyncio.wait_for(main(), 20))


def taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        where = "127.0.0.1:%d" % other.getsockname()[1]
        installed = loopscope.install(listen=where)
        same("address", None, installed.address)
        check("it records", installed.recording)
        problem, = installed.problems
        check("the port is named", where in problem and "in use" in problem, problem)
        loopscope.install(listen=where)
        same("logged once", [problem], KEPT.lines)
        note = until("the note", lambda: loopscope.report()["detailed_health"]["agent"]["notes"])
        check("the report says so", problem in note, note)
        same("and is fine", "healthy", loopscope.report()["status"])
        try:
            loopscope.install(strict=True)
        except loopscope.LoopscopeError as error:
            same("strict", problem, str(error))
        else:
            sys.exit("strict raises")
        loopscope.uninstall()
        same("wide", 1, len(loopscope.install(listen="0.0.0.0:0", token=None).problems))
        loopscope.uninstall()
        same("nonsense", 1, len(loopscope.install(listen="nowhere").problems))


def no_room():
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    installed = loopscope.install(listen="127.0.0.1:0")
    same("recording", False, installed.recording)
    check("why", "no room" in installed.problems[0], installed.problems)
    report = until("degraded", lambda: [one for one in [fetch(installed.address)] if one["status"] == "degraded"])[0]
    check("the report says so", "no room" in " ".join(report["issues"]), report["issues"])


def recorder():
    installed = loopscope.install(monitor=False)
    same("installed", (True, None, ()), tuple(installed))
    same("threads", [], native_threads())
    report = loopscope.report()
    same("status", "degraded", report["status"])
    check("why", "judges nothing" in report["issues"][0], report)

    async def main():
        await asyncio.sleep(0.05)

    asyncio.run(main())
    names = os.listdir(os.environ["LOOPSCOPE_RUNTIME_DIR"])
    same("recordings", 1, len(names))


def environment():
    os.environ["LOOPSCOPE_LISTEN"] = "127.0.0.1:0"
    os.environ["LOOPSCOPE_SERVICE"] = "named"
    os.environ["LOOPSCOPE_TOKEN"] = "0123456789abcdef"
    os.environ["LOOPSCOPE_STALL_THRESHOLD_MS"] = "nonsense"
    installed = loopscope.install()
    same("problems", (), installed.problems)
    same("service", "named", loopscope.report()["service"])
    try:
        fetch(installed.address)
    except urllib.error.HTTPError as error:
        same("without the token", 401, error.code)
    else:
        sys.exit("a token is asked for")


def apart():
    before = sorted(os.listdir("/proc/self/fd"))
    installed = loopscope.install(listen="127.0.0.1:0")
    same("descriptors", before, sorted(os.listdir("/proc/self/fd")))
    # The kernel keeps 15 bytes of a name.
    threads = {"loopscope", "loopscope-attac", "loopscope-folde", "loopscope-http", "loopscope-watch"}
    until("its threads", lambda: set(native_threads()) == threads)
    # A daemon's habit.
    os.closerange(3, 4096)
    same("it answers", "healthy", fetch(installed.address)["status"])

    caught = []
    signal.signal(signal.SIGUSR1, lambda *_: caught.append(threading.current_thread().name))
    for _ in range(20):
        os.kill(os.getpid(), signal.SIGUSR1)
    until("the signals", lambda: caught)
    for thread in os.listdir("/proc/self/task"):
        with open("/proc/self/task/%s/status" % thread) as status:
            fields = dict(line.rstrip("\n").split(":\t", 1) for line in status)
        if fields["Name"].startswith("loopscope"):
            check("signals are blocked", int(fields["SigBlk"], 16) & (1 << (signal.SIGTERM - 1)), fields["SigBlk"])


def drop_in():
    started = loopscope.start_monitoring(interval=5)
    check("it records", started.recording)
    same("again", started, loopscope.start_monitoring())

    @loopscope.track_agno_call("agent")
    async def agent():
        return 1

    @loopscope.track_database_call
    def query():
        return 2

    async def main():
        same("awaited", started, await loopscope.start_monitoring(interval=5))
        same("results", (1, 2), (await agent(), query()))
        while "agno_total_calls" not in loopscope.get_health_report()["monitoring"]:
            await asyncio.sleep(0.02)
        figures = loopscope.get_health_report()["monitoring"]
        same("calls", 1, figures["agno_total_calls"])
        await loopscope.stop_monitoring()

    asyncio.run(main())
    until("no thread", lambda: not native_threads())
    loopscope.stop_monitoring()
    check("a dict", type(loopscope.get_health_report()) is dict)


ways([twice, anew, taken, no_room, recorder, environment, apart, drop_in])
