"""Ends in the way that the command line names, with a monitor at work and a loop in the middle of things."""

import asyncio
import os
import signal
import sys
import threading

import loopscope

WAY = sys.argv[1]
loopscope.install(listen="127.0.0.1:0", strict=True)


async def main():
    await asyncio.sleep(0.05)
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    try:
        await loop.run_in_executor(None, sys.stdin.read)
    except asyncio.CancelledError:
        os._exit(5) if WAY == "interrupted" else None
        raise
    if WAY == "exit":
        sys.exit(3)
    if WAY == "raise":
        # Not on the test's own terminal.
        sys.stderr = open(os.devnull, "w")
        raise ValueError("as it should")
    if WAY == "os_exit":
        os._exit(4)


def forever():
    asyncio.run(asyncio.sleep(3600))


if WAY == "thread":
    threading.Thread(target=forever, daemon=True).start()
if WAY == "interrupted":
    # Whoever runs the tests in the background has it ignored, which is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Before 3.11 an interrupt does not cancel the task, but ends the loop.
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        os._exit(5)
else:
    asyncio.run(main())
