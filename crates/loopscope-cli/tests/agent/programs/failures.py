"""Tasks that end with an exception, and what becomes of it."""
import asyncio
import gc
import os
import signal
import sys

KEPT = []


class Speaking(Exception):
    def __str__(self):
        print("asked for its text")
        return "spoken"


async def fails(error):
    await asyncio.sleep(0)
    raise error


async def handled():
    try:
        await asyncio.create_task(fails(ValueError("handled")))
    except ValueError as error:
        print(error)


async def kept():
    KEPT.append(asyncio.create_task(fails(ValueError("kept"))))
    await asyncio.sleep(0.01)


async def retrieved_later():
    await kept()
    print(KEPT.pop().exception())
    gc.collect()


async def lost():
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: print(context["message"]))
    asyncio.create_task(fails(ValueError("lost")))
    await asyncio.sleep(0.01)
    gc.collect()


async def speaking():
    try:
        await asyncio.create_task(fails(Speaking(1)))
    except Speaking:
        print("handled")


def callback():
    raise ValueError("in a callback")


async def of_callback():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: print(context["message"][:21]))
    loop.call_soon(callback)
    await asyncio.sleep(0.01)


async def many():
    for number in range(100):
        try:
            await asyncio.create_task(fails(ValueError(number)))
        except ValueError:
            pass


def main():
    how = sys.argv[1]
    asyncio.run({
        "handled": handled,
        "kept": kept,
        "killed": kept,
        "later": retrieved_later,
        "lost": lost,
        "speaking": speaking,
        "many": many,
        "callback": of_callback,
    }[how]())
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)


main()
