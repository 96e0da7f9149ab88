"""A loop that waits for an event of the program, while another thread computes with the interpreter's lock."""
import asyncio
import threading

waits = threading.Event()
never = threading.Event()


def compute():
    waits.wait()
    print("ready", flush=True)
    while True:
        pass


async def main():
    threading.Thread(target=compute, daemon=True).start()
    waits.set()
    never.wait()  # mark: main


asyncio.run(main())
