"""Threads, and nothing of asyncio."""
import sys
import threading

in_place = threading.Barrier(3)


def inner():
    in_place.wait()
    threading.Event().wait()  # mark: inner


def outer():
    inner()  # mark: outer


for name in ["one", "two"]:
    threading.Thread(target=outer, name=name, daemon=True).start()
in_place.wait()
print("ready", "asyncio" in sys.modules, flush=True)
sys.stdin.readline()  # mark: module
