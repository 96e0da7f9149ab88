"""Stalls of 300 ms, each in a function of its own, so that each is a finding of its own.

`stalls.py COUNT` prints, for each, when it began on CLOCK_MONOTONIC.
"""

import asyncio
import sys
import time

SOURCE = """
def stall_%d():
    time.sleep(0.3)
"""


def make(number):
    names = {"time": time}
    exec(compile(SOURCE % number, __file__, "exec"), names)
    return names["stall_%d" % number]


async def turn(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(0.005)


async def main(count):
    await turn(0.5)
    for number in range(count):
        stall = make(number)
        start = time.monotonic()
        stall()
        print(start, flush=True)
        # Uneven, so that no period of the observer's own stays in step.
        await turn(0.1 + 0.0137 * (number % 7))


asyncio.run(main(int(sys.argv[1])))
