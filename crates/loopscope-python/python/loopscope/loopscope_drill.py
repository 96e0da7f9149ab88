"""The faults that `loopscope drill` brings in. A finding that names this file is a fire drill, not an incident.

Brought in by :mod:`loopscope._drill`, which exists only under ``loopscope run --allow-drill``. Each fault is bounded
in time and in size, and undone when it is over, whatever ends it: its time, the drill, or the end of the drill's
process. Code that is to be blamed is marked; what Loopscope finds is held against these lines.
"""

import asyncio
import importlib
import mmap
import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Coroutine, Dict, List, NamedTuple, Optional

from . import _drill_memory, loopscope_drill_pools


def _module(name: str) -> Any:
    """A module, where this interpreter was built with it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


# Before the first fault: importing takes its time, and is no fault.
_ctypes = _module("ctypes")
_sqlite3 = _module("sqlite3")

# The name of the drill's tasks, threads and executors.
NAME = "loopscope-drill"

# How often whoever keeps something looks whether it is to let go.
_STEP_SECONDS = 0.05

# As long as the rules look back, and some more.
_LONGEST_GROWTH_SECONDS = 2400.0

_MOST_TASKS = 500

# Growth by less than a tenth within the window of its trend is none; this is that, and the time that it takes to rise.
_SHARE_OF_RESIDENT = 5

# How much longer whoever waits for a connection has patience: nobody is to give up.
_POOL_PATIENCE_SECONDS = 10.0



class Missing(Exception):
    """What a fault needs and this process has not."""


class FireDrill(Exception):
    """Raised on purpose, by a drill."""


class Order(NamedTuple):
    """What is asked for."""

    #: For how long at most.
    seconds: float
    #: Tasks, MiB, or for how many milliseconds a statement is to wait.
    size: int


class Fault:
    """A fault under way. Begun and ended by the drill's thread."""

    #: It lasts no longer, whatever is asked for.
    longest_seconds = 30.0

    def __init__(self, loop: Any, order: Order, began: Callable[[], None], over: Callable[[str, str], None]) -> None:
        self.loop = loop
        self.seconds = min(max(order.seconds, 0.0), self.longest_seconds)
        self.size = order.size
        #: Given back by whoever waits for it.
        self.release = threading.Event()
        self.undone = threading.Event()
        self._began = began
        self._over = over
        self._until = 0.0

    def prepare(self) -> None:
        """Gets what it takes, off the loop. Raises `Missing` where something is."""

    def begin(self) -> None:
        """Brings it in. Returns before it is over."""
        raise NotImplementedError

    def begins(self) -> None:
        """It is in from here on."""
        self._until = time.monotonic() + self.seconds
        self._began()

    def goes_on(self) -> bool:
        return not self.release.is_set() and time.monotonic() < self._until

    def is_over(self, undone: str, failure: str) -> None:
        """It is over. `undone` says what was put right, `failure` what went wrong with the fault itself."""
        self._over(undone, failure)
        self.undone.set()


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


class _OnLoop(Fault):
    """One that is a task on the loop."""

    _task: "Optional[asyncio.Task[None]]" = None

    def begin(self) -> None:
        self.loop.call_soon_threadsafe(self._create)

    def _create(self) -> None:
        self._task = self.loop.create_task(self._bring_in(), name=NAME)

    async def _bring_in(self) -> None:
        self.begins()
        failure = ""
        try:
            await self.act()
        except Exception as error:
            failure = _words(error)
        finally:
            undone = ""
            try:
                undone = await self.undo()
            except Exception as error:
                failure = failure or _words(error)
            self.is_over(undone, failure)

    def act(self) -> Coroutine[Any, Any, None]:
        raise NotImplementedError

    async def undo(self) -> str:
        return ""


class SyncSleep(_OnLoop):
    """A synchronous call on the loop."""

    async def act(self) -> None:
        while self.goes_on():
            time.sleep(_STEP_SECONDS)  # FAULT sleep


class BlockedLoop(_OnLoop):
    """The same for longer. Code of its own, so that it is a finding of its own."""

    async def act(self) -> None:
        while self.goes_on():
            time.sleep(_STEP_SECONDS)  # FAULT block


class LockHold(_OnLoop):
    """C code that keeps the interpreter's lock."""

    # Nobody can have it given back before its time.
    longest_seconds = 2.0

    _hold: Callable[[int], object]

    def prepare(self) -> None:
        if _ctypes is None:
            raise Missing("ctypes, with which C code is called")
        # Unlike `CDLL`, this keeps the lock while the function runs.
        self._hold = _ctypes.PyDLL(None).usleep

    async def act(self) -> None:
        microseconds = int(self.seconds * 1_000_000)
        self._hold(microseconds)  # FAULT gil


class FailingTasks(_OnLoop):
    """Tasks that fail, and whose failure nobody takes."""

    async def act(self) -> None:
        for _ in range(min(self.size, _MOST_TASKS)):
            self.loop.create_task(fail(), name=NAME)
        await asyncio.sleep(0.1)


async def fail() -> None:
    raise FireDrill("on purpose")  # FAULT task-failure


class LeakingTasks(_OnLoop):
    """Tasks that become ever more: each waits for what never comes."""

    longest_seconds = _LONGEST_GROWTH_SECONDS
    _tasks: "List[asyncio.Task[None]]"

    async def act(self) -> None:
        self._tasks = []
        pause = self.seconds / max(min(self.size, _MOST_TASKS), 1)
        due = time.monotonic()
        while self.goes_on():
            if time.monotonic() >= due:
                self._leak()
                due += pause
            await asyncio.sleep(min(pause, _STEP_SECONDS))

    def _leak(self) -> None:
        if len(self._tasks) < _MOST_TASKS:
            self._tasks.append(self.loop.create_task(wait_for_nobody(), name=NAME))  # FAULT task-leak

    async def undo(self) -> str:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        count = sum(task.cancelled() for task in self._tasks)
        self._tasks = []
        return f"{count} tasks cancelled"


async def wait_for_nobody() -> None:
    await asyncio.get_running_loop().create_future()


class HoggedExecutor(_OnLoop):
    """An executor whose threads are all kept, while more work waits.

    One of its own: the default executor's threads would stay, and the program's own work would wait.
    """

    async def act(self) -> None:
        threads = 2
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=NAME)
        work = [self.loop.run_in_executor(self._pool, self._keep_a_thread) for _ in range(threads * 2)]
        await asyncio.gather(*work)

    def _keep_a_thread(self) -> None:
        self.release.wait(max(self._until - time.monotonic(), 0.0))  # FAULT executor

    async def undo(self) -> str:
        # Its threads have nothing to do any more, and end.
        self._pool.shutdown(wait=True)
        return "4 pieces of work done, 2 threads ended"


class HeldPool(_OnLoop):
    """All connections of a pool of the program's, while one caller more waits for one."""

    pool: Any

    async def act(self) -> None:
        patience = self.seconds + _POOL_PATIENCE_SECONDS
        keepers = [loopscope_drill_pools.keep(self.pool, patience, self.goes_on) for _ in range(self.pool.most + 1)]
        await asyncio.gather(*keepers)

    async def undo(self) -> str:
        self.pool.close()
        return f"{self.pool.most} connections of {self.pool.name} given back"


class HeldDatabase(_OnLoop):
    """A connection that keeps a database of the drill's own to itself, while another one waits for it."""

    def prepare(self) -> None:
        if _sqlite3 is None:
            raise Missing("a pool that is watched, or sqlite3, whose database is held")
        self._folder = tempfile.TemporaryDirectory(prefix=NAME)
        self._path = os.path.join(self._folder.name, "drill.sqlite")
        connection = _sqlite3.connect(self._path)
        connection.execute("CREATE TABLE drill (n INTEGER)")
        connection.close()
        self._is_held = threading.Event()

    async def act(self) -> None:
        self._pool = ThreadPoolExecutor(2, thread_name_prefix=NAME)
        run = self.loop.run_in_executor
        await asyncio.gather(run(self._pool, self._keep_it), run(self._pool, self._wait_for_it))

    def _keep_it(self) -> None:
        connection = _sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.execute("BEGIN EXCLUSIVE")
            self._is_held.set()
            # A statement is told as slow once it is over.
            self.release.wait(min(self.size / 1000, self.seconds))
            connection.execute("ROLLBACK")
        finally:
            self._is_held.set()
            connection.close()

    def _wait_for_it(self) -> None:
        self._is_held.wait()
        connection = _sqlite3.connect(self._path, isolation_level=None, timeout=self.seconds + 5.0)
        try:
            connection.execute("INSERT INTO drill VALUES (1)")  # FAULT database
        finally:
            connection.close()

    async def undo(self) -> str:
        self._pool.shutdown(wait=True)
        self._folder.cleanup()
        return "no pool that is watched was found, so it was a file of the drill's own, which is removed"


def held(loop: Any, order: Order, began: Callable[[], None], over: Callable[[str, str], None]) -> Fault:
    """Holds the program's pool, where it has one; else a database of the drill's own."""
    pool = loopscope_drill_pools.find(loop)
    if pool is None:
        return HeldDatabase(loop, order, began, over)
    fault = HeldPool(loop, order, began, over)
    fault.pool = pool
    return fault


class GrowingMemory(Fault):
    """Memory that becomes ever more, on a thread of its own: it grows also while the loop stands still."""

    longest_seconds = _LONGEST_GROWTH_SECONDS

    def prepare(self) -> None:
        # What is a lot for one process is little for another.
        self.size = max(self.size, _drill_memory.resident_mib() // _SHARE_OF_RESIDENT)
        room = _drill_memory.available_mib()
        if room is not None and self.size > room // 4:
            raise Missing(f"memory: it would take {self.size} MiB, of {room} MiB that are left")

    def begin(self) -> None:
        threading.Thread(target=self._grow, name=NAME, daemon=True).start()

    def _grow(self) -> None:
        kept: "List[mmap.mmap]" = []
        self.begins()
        pause = self.seconds / max(self.size, 1)
        failure = ""
        try:
            while self.goes_on() and len(kept) < self.size:
                kept.append(_drill_memory.one_mib())  # FAULT memory
                self.release.wait(pause)
            # It stays what it is until somebody has seen it.
            self.release.wait(max(self._until - time.monotonic(), 0.0))
        except (OSError, ValueError, MemoryError) as error:
            failure = _words(error)
        finally:
            count = len(kept)
            for piece in kept:
                piece.close()
            self.is_over(f"{count} MiB given back", failure)


class HealthyWork(_OnLoop):
    """What looks like these faults and is none: nothing of it may be found."""

    async def act(self) -> None:
        pool = ThreadPoolExecutor(2, thread_name_prefix=NAME)
        try:
            waits = [asyncio.sleep(self.seconds) for _ in range(50)]
            # Work that takes as long, where it belongs.
            work = [self.loop.run_in_executor(pool, self.release.wait, self.seconds) for _ in range(2)]
            await asyncio.gather(*waits, *work, self._handled())
        finally:
            pool.shutdown(wait=True)

    async def _handled(self) -> None:
        """A failure that somebody takes."""
        try:
            await self.loop.create_task(fail(), name=NAME)
        except FireDrill:
            pass


FAULTS: Dict[str, Callable[..., Fault]] = {
    "sleep": SyncSleep,
    "block": BlockedLoop,
    "gil": LockHold,
    "task-failure": FailingTasks,
    "task-leak": LeakingTasks,
    "executor": HoggedExecutor,
    "database": held,
    "memory": GrowingMemory,
    "healthy": HealthyWork,
}


def lines_to_blame() -> Dict[str, int]:
    """The line of this file that each fault is to be found at."""
    lines: Dict[str, int] = {}
    with open(__file__, encoding="utf-8") as source:
        for number, line in enumerate(source, 1):
            for name in line.partition("  # FAULT ")[2].split():
                lines[name] = number
    return lines
