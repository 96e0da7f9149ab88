"""Many named threads, asleep."""
import threading
import time

COUNT = 40
up = threading.Barrier(COUNT + 1)


def work():
    up.wait()
    time.sleep(3600)  # mark: work


workers = [threading.Thread(target=work, name=f"worker-{n}") for n in range(COUNT)]
for worker in workers:
    worker.start()
up.wait()
print("ready", *(f"{worker.name}={worker.native_id}" for worker in workers), flush=True)
time.sleep(3600)
