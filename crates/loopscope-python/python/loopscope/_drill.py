"""Lets `loopscope drill` into this process, where whoever started it allowed that.

Imported only under ``loopscope run --allow-drill``: elsewhere there is no socket and no thread, and nobody to ask. The
socket lies in the folder for recordings, which is its user's alone, and who connects must be that user. A connection
is a lease: what was brought in over it is undone when it ends, whatever ended it.
"""

import asyncio
import gc
import json
import os
import queue
import signal
import socket
import struct
import sys
import threading
import time
from typing import Any, Dict, Optional

from . import _native

#: The run that allows it, and what drills have to know of it: `RUN:STALL_MS:BLOCKED_MS:RESTART_MS:PACE`.
ALLOWED = "LOOPSCOPE_ALLOW_DRILL"

#: Rises with each change of what is said over the socket.
_PROTOCOL = 1

# A request is a short line.
_MOST_BYTES = 4096

# How long the end of a lease waits for what it undoes.
_PATIENCE_SECONDS = 15.0

# A loop that does not answer within this stands still.
_LOOP_SECONDS = 2.0


def serve() -> None:
    """Serves drills from now on, where this run allows them."""
    if not _is_allowed() or not hasattr(socket, "SO_PEERCRED"):
        return
    os.register_at_fork(after_in_child=_begin_again)
    _begin()


def _is_allowed() -> bool:
    run = os.environ.get("LOOPSCOPE_RUN_ID")
    return bool(run) and os.environ.get(ALLOWED, "").partition(":")[0] == run


_listener: Optional[socket.socket] = None


def _begin() -> None:
    global _listener
    folder = os.environ.get("LOOPSCOPE_RUNTIME_DIR")
    if not folder:
        return
    _listener = _listen(folder, f"{os.getpid()}.drill")
    threading.Thread(target=_attend_all, args=(_listener,), name="loopscope-drills", daemon=True).start()


def _begin_again() -> None:
    """In a child: the parent's socket is the parent's."""
    try:
        if _listener is not None:
            _listener.close()
        _begin()
    except Exception:
        _native.count_fault()


def _listen(folder: str, name: str) -> socket.socket:
    """Listens at a file of this folder, however long its path: an address has room for a hundred bytes."""
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        path = f"/proc/self/fd/{place}/{name}"
        try:
            # Of an earlier process with this number.
            os.unlink(path)
        except FileNotFoundError:
            pass
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(1)
        return listener
    finally:
        os.close(place)


def _attend_all(listener: socket.socket) -> None:
    # Signals are the program's own threads' to take.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        try:
            with connection:
                if _is_of_this_user(connection):
                    _Lease(connection).attend()
        except Exception:
            _native.count_fault()


def _is_of_this_user(connection: socket.socket) -> bool:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return bool(user == os.geteuid())


class _Lease:
    """One drill. What is said is a line of JSON each, in both directions."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._faults: Dict[str, Any] = {}

    def attend(self) -> None:
        from . import loopscope_drill

        self._loop = _running_loop()
        self._say(**_introduction(self._loop), lines=loopscope_drill.lines_to_blame())
        try:
            with self._connection.makefile("rb") as lines:
                while True:
                    line = lines.readline(_MOST_BYTES)
                    if not line.endswith(b"\n"):
                        return
                    self._obey(json.loads(line))
        finally:
            self._undo()

    def _obey(self, request: Dict[str, Any]) -> None:
        name = request.get("begin")
        if name is not None:
            self._begin(str(name), float(request.get("seconds", 0)), int(request.get("size", 0)))
        under_way = self._faults.get(str(request.get("end")))
        if under_way is not None:
            under_way.release.set()

    def _begin(self, name: str, seconds: float, size: int) -> None:
        from . import loopscope_drill

        kind = loopscope_drill.FAULTS.get(name)
        if kind is None:
            self._say(missing=name, why=f"an agent that knows of {name}")
            return
        if self._loop is None:
            self._say(missing=name, why="an event loop that turns")
            return
        earlier = self._faults.get(name)
        if earlier is not None and not earlier.undone.is_set():
            self._say(missing=name, why="the same fault, which is under way, to be over")
            return
        since = 0

        def began() -> None:
            nonlocal since
            since = time.monotonic_ns()
            self._say(began=name, at_nanos=since)

        def over(undone: str, failure: str) -> None:
            ended = time.monotonic_ns()
            self._say(over=name, began_nanos=since, ended_nanos=ended, undone=undone, failure=failure or None)

        try:
            fault = kind(self._loop, loopscope_drill.Order(seconds, size), began, over)
            fault.prepare()
            fault.begin()
        except loopscope_drill.Missing as missing:
            self._say(missing=name, why=str(missing))
            return
        self._faults[name] = fault

    def _undo(self) -> None:
        for fault in self._faults.values():
            fault.release.set()
        until = time.monotonic() + _PATIENCE_SECONDS
        for fault in self._faults.values():
            fault.undone.wait(max(until - time.monotonic(), 0.0))

    def _say(self, **words: Any) -> None:
        try:
            with self._sending:
                self._connection.sendall(json.dumps(words).encode() + b"\n")
        except OSError:
            # Nobody listens any more: the end of the lease is about to be seen.
            pass


def _introduction(loop: Any) -> Dict[str, Any]:
    return {
        "protocol": _PROTOCOL,
        "version": _native.VERSION,
        "pid": os.getpid(),
        "python": ".".join(map(str, sys.version_info[:3])),
        "loop": None if loop is None else type(loop).__module__.partition(".")[0],
        "allowed": os.environ.get(ALLOWED, ""),
        "endpoint": os.environ.get("LOOPSCOPE_ENDPOINT"),
        "slow_call_ms": os.environ.get("LOOPSCOPE_SLOW_CALL_THRESHOLD_MS"),
    }


def _running_loop() -> Any:
    """The loop that the program serves its users on, as far as one can tell: the main thread's, else any that turns.

    There is no list of loops in Python, so all objects are gone through; once a drill.
    """
    everything = gc.get_objects()
    # By their types: asking an object itself could run code of the program.
    kinds = {kind for kind in {type(one) for one in everything} if asyncio.AbstractEventLoop in kind.__mro__}
    loops = [one for one in everything if type(one) in kinds and one.is_running()]
    del everything
    main = threading.main_thread().ident
    turning = [(_thread_of(loop), loop) for loop in loops]
    turning = [(thread, loop) for thread, loop in turning if thread is not None]
    turning.sort(key=lambda pair: pair[0] != main)
    return turning[0][1] if turning else None


def _thread_of(loop: Any) -> Optional[int]:
    answer: "queue.SimpleQueue[int]" = queue.SimpleQueue()
    try:
        loop.call_soon_threadsafe(lambda: answer.put(threading.get_ident()))
        return answer.get(timeout=_LOOP_SECONDS)
    except (RuntimeError, queue.Empty):
        return None
