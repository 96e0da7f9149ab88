"""Runs a program with a tool that watches event loops: `peers.py TOOL PROGRAM ARGUMENT...`.

Each tool is set up as its own documentation shows it, with nothing to report. Those that want to be started on a
running loop are started on each one.
"""

import asyncio
import logging
import runpy
import sys


def on_each_loop(begin):
    """Calls this when a loop starts to run, with the loop. Must come before uvloop is imported."""
    original = asyncio.events._set_running_loop

    def set_running_loop(loop):
        original(loop)
        if loop is not None:
            begin(loop)

    asyncio.events._set_running_loop = asyncio._set_running_loop = set_running_loop


def asyncio_debug():
    # As PYTHONASYNCIODEBUG=1 does, for uvloop too.
    logging.disable(logging.WARNING)
    on_each_loop(lambda loop: loop.set_debug(True))


def aiocop():
    import aiocop

    aiocop.patch_audit_functions()
    aiocop.start_blocking_io_detection(trace_depth=20)
    aiocop.detect_slow_tasks(threshold_ms=100, on_slow_task=lambda event: None)
    aiocop.activate()


def loopsentry():
    from loopsentry import LoopSentry

    on_each_loop(lambda loop: LoopSentry(threshold=0.1).start())


def aiomonitor():
    import aiomonitor

    begun = []

    def begin(loop):
        # Its ports are taken for as long as the process lives, and it runs a loop of its own.
        if not begun:
            begun.append(loop)
            begun.append(aiomonitor.start_monitor(loop))

    on_each_loop(begin)


def pyleak():
    from pyleak import no_event_loop_blocking

    async def hold():
        async with no_event_loop_blocking(threshold=0.1):
            await asyncio.sleep(3600)

    on_each_loop(lambda loop: loop.create_task(hold()))


def opentelemetry():
    from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor

    AsyncioInstrumentor().instrument()


TOOLS = {
    "asyncio-debug": asyncio_debug,
    "aiocop": aiocop,
    "loopsentry": loopsentry,
    "aiomonitor": aiomonitor,
    "pyleak": pyleak,
    "opentelemetry": opentelemetry,
}

TOOLS[sys.argv[1]]()
del sys.argv[:2]
runpy.run_path(sys.argv[0], run_name="__main__")
