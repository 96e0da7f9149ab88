"""Idle loops, `idle.py PROCESSES LOOPS`: each process has LOOPS loops in as many threads, each of
which wakes once a second. Prints `idle` when all of them turn."""

import asyncio
import os
import sys
import threading

processes, loops = int(sys.argv[1]), int(sys.argv[2])


async def idle():
    for _ in range(5):
        await asyncio.sleep(0.01)
    while True:
        await asyncio.sleep(1)


def watched_process():
    # Hundreds of threads need little stack each.
    threading.stack_size(256 * 1024)
    for _ in range(loops - 1):
        threading.Thread(target=asyncio.run, args=(idle(),), daemon=True).start()
    asyncio.run(idle())


for _ in range(processes - 1):
    if os.fork() == 0:
        watched_process()
print("idle", flush=True)
watched_process()
