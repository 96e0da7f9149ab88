"""Starts threads that end at once, again and again, on several threads; or has as many as it is told."""

import ctypes
import sys
import threading
import time

pages = (ctypes.c_uint64 * 2)()
count = int(sys.argv[1])


def brief():
    pages[1] += 1


def start_many():
    while True:
        thread = threading.Thread(target=brief)
        thread.start()
        pages[0] += 1
        thread.join()


def stay():
    while True:
        time.sleep(0.01)
        pages[0] += 1


for _ in range(count):
    threading.Thread(target=start_many if count < 10 else stay, daemon=True).start()
print("ready", ctypes.addressof(pages), flush=True)
sys.stdin.read()
