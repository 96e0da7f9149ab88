"""Starts children in one way, each with a loop of its own."""
import asyncio
import multiprocessing
import os
import subprocess
import sys
import threading
import warnings


async def work():
    await asyncio.sleep(0)


async def parents():
    await asyncio.gather(*(asyncio.create_task(work()) for _ in range(3)))


def child():
    asyncio.run(work())


def spawned(method):
    process = multiprocessing.get_context(method).Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0


async def forked_inside():
    waiting = asyncio.create_task(asyncio.sleep(0.05))
    await work()
    pid = os.fork()
    if pid == 0:
        asyncio.events._set_running_loop(None)
        asyncio.set_event_loop(None)
        child()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    await waiting


def forked_in_a_thread():
    def fork():
        pid = os.fork()
        if pid == 0:
            child()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0

    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()


def started(environment):
    program = "import asyncio\nasync def work(): await asyncio.sleep(0)\nasyncio.run(work())\n"
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


# A fork in a process with threads, on which 3.12 and later remark.
warnings.simplefilter("ignore", DeprecationWarning)

if __name__ == "__main__":
    asyncio.run(parents())
    how = sys.argv[1]
    if how in ("fork", "spawn", "forkserver"):
        spawned(how)
    elif how == "inside":
        asyncio.run(forked_inside())
    elif how == "in a thread":
        forked_in_a_thread()
    elif how == "subprocess":
        started(None)
    elif how == "copied environment":
        started(dict(os.environ, MORE="1"))
    elif how == "exec":
        os.execv(sys.executable, [sys.executable, "-c", "import asyncio; asyncio.run(asyncio.sleep(0))"])
