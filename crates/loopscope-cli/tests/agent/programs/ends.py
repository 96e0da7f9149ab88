"""Ends in ways that leave something undone."""
import asyncio
import os
import signal
import sys


async def waits():
    await asyncio.sleep(60)


async def at_once():
    asyncio.create_task(waits())
    await asyncio.sleep(0)
    print("leaving", flush=True)
    os._exit(3)


async def interrupted():
    asyncio.create_task(waits())
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(60)


async def handled():
    loop = asyncio.get_running_loop()
    seen = asyncio.Event()

    def of_the_loop():
        print("handled by the loop")
        asyncio.create_task(waits()).cancel()
        seen.set()

    def of_the_interpreter(number, frame):
        print("handled by the interpreter", number == signal.SIGUSR2, frame.f_code.co_name)

    loop.add_signal_handler(signal.SIGUSR1, of_the_loop)
    signal.signal(signal.SIGUSR2, of_the_interpreter)
    os.kill(os.getpid(), signal.SIGUSR2)
    os.kill(os.getpid(), signal.SIGUSR1)
    await seen.wait()
    await asyncio.sleep(0)


def interrupted_by_itself():
    # Whoever runs the tests in the background has it ignored, which is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asyncio.run(interrupted())


def closed():
    loop = asyncio.new_event_loop()
    task = loop.create_task(waits())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    print(task.done())
    # What is said of it has addresses in it.
    task._log_destroy_pending = False


def raises_at_exit():
    import atexit

    atexit.register(lambda: print("at exit"))
    asyncio.run(asyncio.sleep(0))
    raise SystemExit("with words")


HOW = {
    "at once": lambda: asyncio.run(at_once()),
    "interrupted": interrupted_by_itself,
    "handled": lambda: asyncio.run(handled()),
    "closed": closed,
    "raises at exit": raises_at_exit,
}

HOW[sys.argv[1]]()
