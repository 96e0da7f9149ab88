"""The worst case: a loop whose every turn runs one empty callback. `call_soon.py asyncio|uvloop SECONDS`.

Prints nanoseconds a turn.
"""

import asyncio
import sys
import time

if sys.argv[1] == "uvloop":
    import uvloop as loops
else:
    loops = asyncio

BATCH = 1_000


class PingPong:
    def __init__(self, loop, seconds):
        self.loop = loop
        self.turns = 0
        self.until = time.perf_counter() + seconds

    def turn(self):
        self.turns += 1
        if self.turns % BATCH == 0 and time.perf_counter() > self.until:
            self.loop.stop()
        else:
            self.loop.call_soon(self.turn)


def measure(loop, seconds):
    ping_pong = PingPong(loop, seconds)
    loop.call_soon(ping_pong.turn)
    start = time.perf_counter()
    loop.run_forever()
    return (time.perf_counter() - start) / ping_pong.turns * 1e9


loop = loops.new_event_loop()
measure(loop, 0.2)
print(measure(loop, float(sys.argv[2])), flush=True)
loop.close()
