"""A thread pool with too little room, another one's work taken back, and a long pause of the collector."""
import asyncio
import concurrent.futures
import gc
import threading
import time

EXECUTOR = concurrent.futures.ThreadPoolExecutor
ARE_RUNNING = threading.Barrier(3)
MAY_END = threading.Event()


def work():
    ARE_RUNNING.wait()
    MAY_END.wait()


def fails():
    raise ValueError("in a thread")


async def full():
    loop = asyncio.get_running_loop()
    pool = EXECUTOR(2, thread_name_prefix="small")
    running = [loop.run_in_executor(pool, work) for _ in range(2)]
    await loop.run_in_executor(None, ARE_RUNNING.wait)
    waiting = [loop.run_in_executor(pool, int, "7") for _ in range(3)]
    taken_back = pool.submit(print, "never")
    assert taken_back.cancel()
    failing = pool.submit(fails)
    time.sleep(0.05)
    MAY_END.set()
    print(await asyncio.gather(*running, *waiting))
    print(repr(failing.exception()))
    pool.shutdown()


def shut_down_full():
    may_end = threading.Event()
    pool = EXECUTOR(1, thread_name_prefix="given up")
    running = pool.submit(may_end.wait)
    waiting = [pool.submit(print, "never") for _ in range(3)]
    pool.shutdown(wait=False, cancel_futures=True)
    print([future.cancelled() for future in waiting])
    may_end.set()
    running.result()


def collect():
    garbage = [[] for _ in range(500_000)]
    for item in garbage:
        item.append(garbage)
    gc.collect()


asyncio.run(full())
shut_down_full()
collect()
