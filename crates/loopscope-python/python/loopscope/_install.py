"""Watches the program that this package was imported into, from within."""

import atexit
import os
import sys
import threading
from typing import Any, Generator, List, NamedTuple, Optional, Set, Tuple

from . import _agent, _native

# The object that stamps loops, beside this file.
_PULSE = "libloopscope_pulse.so.1"

_LISTEN = "LOOPSCOPE_LISTEN"
_SERVICE = "LOOPSCOPE_SERVICE"
_TOKEN = "LOOPSCOPE_TOKEN"
_ENDPOINT = "LOOPSCOPE_ENDPOINT"
_STALL_THRESHOLD_MS = "LOOPSCOPE_STALL_THRESHOLD_MS"
_BLOCKED_THRESHOLD_MS = "LOOPSCOPE_BLOCKED_THRESHOLD_MS"


class LoopscopeError(Exception):
    """Something that was asked for cannot be had. Raised only by ``install(strict=True)``."""


class Installed(NamedTuple):
    """What came of :func:`install`. Can be awaited, for programs that expect to.

    >>> Installed(recording=True, address="127.0.0.1:14159", problems=()).address
    '127.0.0.1:14159'
    """

    recording: bool
    """Whether this process writes a recording: its loops, tasks and calls are seen."""
    address: Optional[str]
    """Where ``/health`` answers, as ``host:port``; ``None`` where nothing listens."""
    problems: Tuple[str, ...]
    """What was asked for and cannot be had, one sentence each, with the next step."""

    def __await__(self) -> "Generator[Any, None, Installed]":
        yield from ()
        return self


class Remote(NamedTuple):
    """The monitor of another process, which watches this one too."""

    whose: str
    address: Optional[str]
    token: Optional[str]


class _State:
    """What holds in this process. Changed with the lock held."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.installed: Optional[Installed] = None
        self.monitor: Any = None
        self.parent: Optional[Remote] = None
        # The process whose recording is to go with it.
        self.owner_pid = 0
        # Monitors of a parent: their threads are not here, so they are neither stopped nor dropped.
        self.abandoned: List[Any] = []
        self.has_pulse = False
        self.has_handlers = False
        self.run_id = 0
        self.token: Optional[str] = None


_state = _State()
_told: Set[str] = set()


def install(
    service: Optional[str] = None,
    *,
    listen: Optional[str] = None,
    monitor: bool = True,
    token: Optional[str] = None,
    stall_threshold: Optional[float] = None,
    blocked_threshold: Optional[float] = None,
    strict: bool = False,
) -> Installed:
    """Watches every event loop of this process and of the children that it forks, from now on.

    Call it anywhere, before or after a loop has started, also from inside one: loops that are there, loops of
    other threads and those that come later are all seen. A second call changes nothing.

    >>> import loopscope
    >>> installed = loopscope.install(service="shop")
    >>> installed.address is None
    True

    Args:
        service: The service's name in reports. Default: ``LOOPSCOPE_SERVICE``, else the program's name.
        listen: Where a native thread answers ``/health``, ``/livez`` and ``/readyz``, such as
            ``127.0.0.1:14159``, with port 0 for any that is free, or ``off``. It answers while every loop is
            blocked and while C code holds the interpreter's lock. Default: ``LOOPSCOPE_LISTEN``, else nowhere.
        monitor: Whether this process judges what it records, on native threads. With ``False`` it only
            records, without any thread of its own, for ``loopscope dump``, ``recordings`` and ``postmortem``.
        token: What a reader must present; needed to listen wider than on this host.
            Default: ``LOOPSCOPE_TOKEN``.
        stall_threshold: Seconds from which on a busy loop is a stall.
            Default: ``LOOPSCOPE_STALL_THRESHOLD_MS``, else 0.1.
        blocked_threshold: Seconds from which on a stalled loop is blocked, which is critical.
            Default: ``LOOPSCOPE_BLOCKED_THRESHOLD_MS``, else 5.
        strict: Raise :class:`LoopscopeError` for what cannot be had.

    Errors: without ``strict`` it raises nothing. What cannot be had (a port that is taken, no folder that takes
    a recording, a machine that is not supported) is in the result, in every report under
    ``detailed_health.agent.notes``, and once a warning of the logger ``loopscope``.

    Cost: about a tenth of a microsecond for each turn of a loop; the monitor takes a few thousandths of a
    processor, some megabytes, and 4 MiB of shared memory for the recording of each process.

    Threads: the monitor has four native ones. They never wait for the interpreter's lock, take no signal, have
    file descriptors of their own, and end with the process. They count for CPython 3.12 and later, which warns
    when a process with several threads forks.

    Fork: the child is recorded by itself, and the parent's report has it. The port stays the parent's;
    the child has no thread until it calls :func:`install` itself.

    Under ``loopscope run`` the supervisor does all of this already: nothing is added, and :func:`report` asks it.
    """
    with _state.lock:
        if _state.installed is None:
            try:
                _state.installed = _begin(
                    service or os.environ.get(_SERVICE) or _program_name(),
                    listen or os.environ.get(_LISTEN) or "off",
                    monitor,
                    token or os.environ.get(_TOKEN) or None,
                    _seconds(stall_threshold, _STALL_THRESHOLD_MS, 0.1),
                    _seconds(blocked_threshold, _BLOCKED_THRESHOLD_MS, 5.0),
                )
            except Exception as error:
                # Nothing is known to come here. Whatever it is, the program runs on.
                _state.installed = Installed(False, None, (f"nothing is watched: {error}",))
        installed = _state.installed
    if strict and installed.problems:
        raise LoopscopeError("; ".join(installed.problems))
    _tell(installed.problems)
    return installed


def uninstall() -> None:
    """Closes the port, ends the monitor's threads, and stamps loops no more. :func:`install` begins anew.

    What was recorded stays until the process ends, and tracked calls go on to be counted there. Does nothing
    under ``loopscope run``.

    >>> uninstall()
    """
    with _state.lock:
        if is_supervised():
            _state.installed = None
            return
        if _state.monitor is not None:
            _state.monitor.stop()
        if _state.has_pulse:
            _native.unhook()
        _state.monitor = None
        _state.parent = None
        _state.installed = None


def is_supervised() -> bool:
    """Whether somebody else brought the pulse in: ``loopscope run``."""
    return not _state.has_pulse and _native.begin()


def running_monitor() -> Any:
    """This process's monitor, where it has one."""
    monitor = _state.monitor
    return monitor if monitor is not None and monitor.is_here else None


def remote() -> Optional[Remote]:
    """Who watches this process, where it does not do so itself."""
    if running_monitor() is not None:
        return None
    if _state.parent is not None:
        return _state.parent
    if is_supervised():
        return Remote("loopscope run", os.environ.get(_ENDPOINT) or None, os.environ.get(_TOKEN) or None)
    return None


def why_nobody_judges() -> str:
    """Said in place of a report where there is no monitor to be asked."""
    installed = _state.installed
    if installed is None:
        return "nothing is watched: call loopscope.install()"
    if installed.problems:
        return "; ".join(installed.problems)
    return "this process records and judges nothing: call loopscope.install() without monitor=False"


def _begin(
    service: str,
    listen: str,
    monitor: bool,
    token: Optional[str],
    stall_threshold: float,
    blocked_threshold: float,
) -> Installed:
    if is_supervised():
        return Installed(True, os.environ.get(_ENDPOINT) or None, ())
    problems: List[str] = []
    module = _monitor_module(problems) if monitor else None
    own = 0 if module is None else module.own_address()
    stall_nanos = int(stall_threshold * 1e9)
    unwatched = _record(service, stall_nanos, own)
    if unwatched is not None:
        problems.append(f"this program is not watched: {unwatched}")
    _settle_handlers()
    if module is None:
        return Installed(unwatched is None, None, tuple(problems))
    try:
        _state.monitor = module.Monitor(
            service=service,
            run_id=_state.run_id,
            listen=None if listen == "off" else listen,
            token=token,
            stall_threshold_nanos=stall_nanos,
            blocked_threshold_nanos=int(blocked_threshold * 1e9),
            unwatched=unwatched,
        )
    except OSError as error:
        problems.append(f"nothing is judged: {error}")
        return Installed(unwatched is None, None, tuple(problems))
    _state.parent = None
    _state.token = token
    problems.extend(_state.monitor.problems)
    return Installed(unwatched is None, _state.monitor.address, tuple(problems))


def _monitor_module(problems: List[str]) -> Any:
    try:
        from . import _monitor

        return _monitor
    except ImportError as error:
        problems.append(f"nothing is judged: the monitor cannot be loaded ({error})")
        return None


def _record(service: str, stall_nanos: int, own: int) -> Optional[str]:
    """Begins to record; returns why not."""
    # Before the hooks: the module that polls must be there for them.
    import select  # noqa: F401

    if _state.run_id == 0:
        # Odd, so that it is never 0, which means none.
        _state.run_id = int.from_bytes(os.urandom(8), "little") | 1
    path = os.path.join(os.path.dirname(__file__), _PULSE)
    try:
        _native.load_pulse(path, _state.run_id, service, stall_nanos, own)
        _state.has_pulse = True
        _native.hook()
    except (OSError, RuntimeError) as error:
        return str(error)
    _agent.begin()
    _note_running_loop()
    return _native.refusal()


def _note_running_loop() -> None:
    """Tells the loop that this is called from: it is busy now, and will not poll before it has returned."""
    asyncio = sys.modules.get("asyncio")
    loop = None if asyncio is None else asyncio._get_running_loop()
    if loop is None:
        return
    try:
        selector = getattr(loop, "_selector", None)
        descriptor = loop._get_backend_id() if selector is None else selector.fileno()
        _native.note_turn(descriptor)
    except Exception:
        # A loop of another make: it is known from its next poll on.
        pass


def _settle_handlers() -> None:
    _state.owner_pid = os.getpid()
    if not _state.has_handlers:
        _state.has_handlers = True
        atexit.register(_leave_nothing_behind)
        os.register_at_fork(after_in_child=_forked)


def _forked() -> None:
    """In a child: the parent's monitor watches it, and has no thread here."""
    _state.lock = threading.RLock()
    monitor = _state.monitor
    if monitor is not None:
        _state.abandoned.append(monitor)
        _state.parent = Remote(f"process {os.getppid()}", monitor.address, _state.token)
    _state.monitor = None
    _state.installed = None


def _leave_nothing_behind() -> None:
    """The program ends in order: nobody will want to know what its loops did last."""
    if _state.owner_pid != os.getpid():
        # A child's recording is its parent's to read and to delete.
        return
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            paths = {fields[5].rstrip("\n") for fields in (line.split(None, 5) for line in maps) if len(fields) > 5}
        own = f"{os.getpid()}-"
        for path in paths:
            if path.endswith(".loopscope") and os.path.basename(path).startswith(own):
                os.unlink(path)
    except OSError:
        # It is deleted in a minute by whoever comes next.
        pass


def _seconds(given: Optional[float], variable: str, default: float) -> float:
    """A threshold: as given, or as the environment says in milliseconds. What cannot be one is left out."""
    if given is None:
        try:
            given = float(os.environ.get(variable, "")) / 1000
        except ValueError:
            return default
    return given if 0.001 <= given <= 86_400 else default


def _program_name() -> str:
    name = os.path.basename(sys.argv[0] if sys.argv else "")
    if name == "__main__.py":
        name = os.path.basename(os.path.dirname(sys.argv[0]))
    return name if name not in ("", "-c", "-m") else "python"


def _tell(problems: Tuple[str, ...]) -> None:
    for problem in problems:
        if problem not in _told:
            _told.add(problem)
            import logging

            logging.getLogger("loopscope").warning("%s", problem)
