"""Counts how often the handlers of signals run, each time, and tells the counts when it is told to.

A handler of Python's own is run once for several signals. The wakeup descriptor gets a byte for each.
"""

import collections
import os
import select
import signal
import sys
import threading

reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(writer, warn_on_full_buffer=True)
for number in (signal.SIGUSR1, signal.SIGRTMIN + 1, signal.SIGRTMIN + 2):
    signal.signal(number, lambda *_: None)


def spin():
    while True:
        sum(range(100))


threading.Thread(target=spin, daemon=True).start()
print("ready", signal.SIGRTMIN + 1, signal.SIGRTMIN + 2, flush=True)
select.select([sys.stdin], [], [])
os.set_blocking(reader, False)
counts = collections.Counter()
try:
    while True:
        counts.update(os.read(reader, 65536))
except BlockingIOError:
    pass
print(*(counts[number] for number in (signal.SIGRTMIN + 1, signal.SIGRTMIN + 2)), flush=True)
