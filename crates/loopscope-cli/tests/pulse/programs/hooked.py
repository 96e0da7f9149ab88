"""Programs that load the pulse when they run already: `hooked.py SCENARIO LOOP`.

The object's path is in `PULSE`. Each scenario prints one line of JSON: what it did, and when by the monotonic
clock.
"""

import asyncio
import ctypes
import json
import os
import selectors
import shutil
import sys
import tempfile
import threading
import time

LONG = 0.3


class Spec(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_uint64),
        ("run_id", ctypes.c_uint64),
        ("stall_threshold_nanos", ctypes.c_uint64),
        ("slow_threshold_nanos", ctypes.c_uint64),
        ("service", ctypes.c_char_p),
        ("folder", ctypes.c_char_p),
        ("own", ctypes.c_void_p),
    ]


class Pulse:
    """Loaded, which alone must change nothing."""

    def __init__(self):
        # Without the lock: what is measured is the pulse.
        self.library = ctypes.PyDLL(os.environ["PULSE"], ctypes.RTLD_GLOBAL | os.RTLD_NOW)

    def hook(self, spec=None):
        return self.library.loopscope_pulse_hook(ctypes.byref(spec) if spec else None)

    def unhook(self):
        return self.library.loopscope_pulse_unhook()

    def note_turn(self, loop):
        backend = getattr(loop, "_get_backend_id", None)
        self.library.loopscope_pulse_note_turn(backend() if backend else loop._selector.fileno())


if sys.argv[2] == "uvloop" and sys.argv[1] != "late":
    import uvloop  # noqa: F401

pulse = Pulse()
facts = {"pid": os.getpid(), "parent": True}


def new_loop():
    if sys.argv[2] == "uvloop":
        import uvloop

        return uvloop.new_event_loop()
    if sys.argv[2] == "asyncio":
        return asyncio.new_event_loop()
    loop = asyncio.SelectorEventLoop(getattr(selectors, sys.argv[2])())
    # A polled set of one descriptor is taken for a client's; a server's loop has more.
    loop.add_reader(os.pipe()[0], lambda: None)
    return loop


def run(main):
    loop = new_loop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


def block():
    """Blocks the loop, and says when."""
    before = time.monotonic_ns()
    time.sleep(LONG)
    facts.setdefault("blocked", []).append([before, time.monotonic_ns()])


async def some_turns(count=20):
    for _ in range(count):
        await asyncio.sleep(0.001)


async def block_between_turns():
    await some_turns()
    block()
    await some_turns()


def hook(spec=None):
    slots = pulse.hook(spec)
    facts.setdefault("hooked", []).append(slots)
    facts.setdefault("hooked_at", time.monotonic_ns())


def stall():
    hook()
    run(block_between_turns())
    hook()


def healthy():
    async def main():
        await some_turns()
        before = time.monotonic_ns()
        await asyncio.sleep(LONG)
        facts["waited"] = [before, time.monotonic_ns()]
        await some_turns()

    hook()
    run(main())


def unhooked():
    """Loaded and never hooked."""
    run(block_between_turns())


def inside():
    """Hooks in the middle of a turn that has been long by then."""

    async def main():
        await some_turns()
        block()
        hook()
        await block_between_turns()

    run(main())


def noted():
    """Hooks in the middle of a turn, and says so: the rest of that turn is seen."""

    async def main():
        await some_turns()
        block()
        hook()
        pulse.note_turn(asyncio.get_running_loop())
        pulse.note_turn(asyncio.get_running_loop())
        block()
        await some_turns()

    run(main())


def waiting():
    """Hooks while the loop is in its poll."""
    loop = new_loop()
    runs = threading.Thread(target=loop.run_forever)
    runs.start()

    def do(work):
        done = threading.Event()
        loop.call_soon_threadsafe(lambda: (work(), done.set()))
        done.wait()

    do(lambda: None)
    time.sleep(0.05)
    hook()
    # The poll that this ends was none of ours.
    do(block)
    do(lambda: None)
    do(block)
    do(lambda: None)
    loop.call_soon_threadsafe(loop.stop)
    runs.join()
    loop.close()


def late():
    """The loop's module comes after the hooks."""
    hook()
    import uvloop  # noqa: F401

    hook()
    run(block_between_turns())


def fork():
    async def main():
        await some_turns()
        child = os.fork()
        if child == 0:
            facts["pid"], facts["parent"] = os.getpid(), False
            asyncio._set_running_loop(None)
            run(block_between_turns())
            tell()
            os._exit(7)
        await some_turns()
        _, status = os.waitpid(child, 0)
        facts["child_status"] = status

    hook()
    run(main())


def execute():
    """Becomes another program, which has no pulse."""
    hook()
    run(some_turns())
    tell()
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-c", "import asyncio; asyncio.run(asyncio.sleep(0.05))"])


def threads():
    """Hooks and unhooks while threads turn their loops as fast as they can."""
    is_over = threading.Event()

    async def turn():
        while not is_over.is_set():
            await asyncio.sleep(0)
            os.close(os.dup(0))

    def work():
        run(turn())

    workers = [threading.Thread(target=work) for _ in range(4)]
    workers.append(threading.Thread(target=load_and_unload, args=[is_over]))
    for worker in workers:
        worker.start()
    for _ in range(200):
        hook()
        pulse.unhook()
    hook()
    is_over.set()
    for worker in workers:
        worker.join()
    run(block_between_turns())


def load_and_unload(is_over):
    """Objects with slots of their own come and go, each at an address where another one was."""
    import _ctypes

    sources = [sys.modules.get(name) for name in ("select", "_socket", "uvloop.loop")]
    sources = [getattr(module, "__file__", None) for module in sources]
    with tempfile.TemporaryDirectory() as folder:
        copies = [shutil.copy(source, folder) for source in sources if source]
        while not is_over.is_set():
            for copy in copies:
                _ctypes.dlclose(_ctypes.dlopen(copy, os.RTLD_NOW))
                facts["loaded"] = facts.get("loaded", 0) + 1
            time.sleep(0.0001)


def again():
    """Stops while a loop is in its poll, and begins again later."""
    loop = new_loop()
    runs = threading.Thread(target=loop.run_forever)
    runs.start()

    def do(work):
        done = threading.Event()
        loop.call_soon_threadsafe(lambda: (work(), done.set()))
        done.wait()

    hook()
    for _ in range(3):
        do(lambda: None)
    time.sleep(0.05)
    facts["unhooked"] = pulse.unhook()
    facts["unhooked_at"] = time.monotonic_ns()
    do(block)
    do(block)
    facts["state"] = [os.path.basename(path) for path in os.listdir(os.environ["LOOPSCOPE_RUNTIME_DIR"])]
    print("unhooked", flush=True)
    sys.stdin.readline()
    hook()
    do(lambda: None)
    do(lambda: None)
    do(block)
    do(lambda: None)
    loop.call_soon_threadsafe(loop.stop)
    runs.join()
    loop.close()


def told():
    """What the recording says is the agent's to say."""
    hook(Spec(version=2))
    hook(Spec(1, 0x2A, 250_000_000, 0, b"orders", os.environ["FOLDER"].encode(), None))
    run(block_between_turns())


def spared():
    """The interpreter's own object is said to be the agent's."""
    own = ctypes.cast(ctypes.pythonapi.PyLong_FromLong, ctypes.c_void_p)
    hook(Spec(1, 0, 0, 0, None, None, own))


def tell():
    print(json.dumps(facts), flush=True)


{scenario.__name__: scenario for scenario in (
    stall, healthy, unhooked, inside, noted, waiting, late, fork, execute, threads, again, told, spared,
)}[sys.argv[1]]()
tell()
