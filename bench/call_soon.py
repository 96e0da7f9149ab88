"""The worst case: a loop whose every turn runs one empty callback. `call_soon.py asyncio|uvloop`.

For each line that it is given it turns for a slice of time and prints nanoseconds a turn. In between, its
loop waits.
"""

import asyncio
import sys
import time

if sys.argv[1] == "uvloop":
    import uvloop as loops
else:
    loops = asyncio

BATCH = 1_000
SLICE_SECONDS = 0.06


class PingPong:
    def __init__(self, loop):
        self.loop = loop

    def asked(self):
        sys.stdin.readline()
        self.turns = 0
        self.start = time.perf_counter()
        self.turn()

    def turn(self):
        self.turns += 1
        if self.turns % BATCH == 0 and time.perf_counter() > self.start + SLICE_SECONDS:
            print((time.perf_counter() - self.start) / self.turns * 1e9, flush=True)
        else:
            self.loop.call_soon(self.turn)


loop = loops.new_event_loop()
loop.add_reader(sys.stdin.fileno(), PingPong(loop).asked)
print("ready", flush=True)
loop.run_forever()
