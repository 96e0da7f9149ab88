"""Works without end on sums whose result is known, and counts them at addresses that it tells.

With `sleeper` the main thread sleeps and another works. The two counters lie far from each other; the
second is set right after the first.
"""

import ctypes
import sys
import threading
import time

pages = (ctypes.c_uint64 * 65536)()
FIRST, SECOND = 512, 60000


def total():
    sum_of_floats = 0.0
    for number in range(200):
        sum_of_floats += number * 0.1
    return sum_of_floats


def work():
    expected = total()
    count = 0
    while total() == expected:
        count += 1
        pages[FIRST] = count
        pages[SECOND] = count
    # Whoever watches the counters sees that they stand: this was wrong.
    pages[FIRST] = pages[SECOND] = 0
    time.sleep(3600)


address = ctypes.addressof(pages)
worker = threading.Thread(target=work, daemon=True)
if "sleeper" in sys.argv:
    worker.start()
    while pages[SECOND] == 0:
        time.sleep(0.001)
print("ready", address + 8 * FIRST, address + 8 * SECOND, flush=True)
if "sleeper" in sys.argv:
    while True:
        time.sleep(0.003)
work()
