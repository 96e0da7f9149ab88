"""Tasks that have ended and are kept."""
import asyncio

from kinds.plain import HOUR, sleep
from tell import make


class OwnError(Exception):
    pass


async def give(value):
    return value


async def fail(error):
    raise error


def in_python(coroutine, name):
    return asyncio.tasks._PyTask(coroutine, loop=asyncio.get_running_loop(), name=name)


FAILURES = [
    ValueError("boom"),
    ValueError(),
    KeyError("key"),
    KeyError(7),
    OwnError("naïve 任务", 7),
    FileNotFoundError(2, "no such file", "path"),
    asyncio.TimeoutError(),
    RuntimeError("long " * 1000),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "reason"),
]


async def start():
    tasks = [make(give(value), f"returned {value!r}") for value in [None, 1, "text"]]
    tasks += [make(fail(error), f"failed {number}") for number, error in enumerate(FAILURES)]
    tasks.append(make(fail(OSError("in Python")), "failed in Python", in_python))
    cancelled = make(sleep(HOUR), "cancelled")
    cancelled_with_message = make(sleep(HOUR), "cancelled with a message")
    cancelled_at_once = make(sleep(HOUR), "cancelled before its first step")
    cancelled_at_once.cancel()
    await asyncio.sleep(0)
    cancelled.cancel()
    cancelled_with_message.cancel("message")
    await asyncio.wait([*tasks, cancelled, cancelled_with_message, cancelled_at_once])
