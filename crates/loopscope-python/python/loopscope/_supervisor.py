"""Background tasks that somebody looks after."""

import asyncio
import functools
import logging
import random
import sys
import time
from types import TracebackType
from typing import Any, Awaitable, Callable, List, NamedTuple, Optional, Tuple, Type, Union

_logger = logging.getLogger("loopscope.supervisor")

_RESTARTS = ("never", "on-failure", "always")


class SupervisorError(Exception):
    """A supervised task could not be started, or an essential one gave up."""


class ChildStatus(NamedTuple):
    """What a supervised task is doing."""

    name: str
    #: ``starting``, ``running``, ``waiting`` (for its restart), ``done``, ``gave up`` or ``stopped``.
    state: str
    #: How often it was started again.
    restarts: int
    #: The last failure, as ``Type: message``.
    last_error: Optional[str]
    #: Where it was handed over, ``file:line``.
    site: str


class TaskStatus:
    """Told by a task that it is ready: the ``task_status`` of :meth:`Supervisor.start`."""

    def __init__(self, ready: "asyncio.Future[Any]") -> None:
        self._ready = ready

    def started(self, value: Any = None) -> None:
        """The task is ready; ``start`` returns this value."""
        if not self._ready.done():
            self._ready.set_result(value)


class Supervisor:
    """Named background tasks that are started again when they die, and stopped in order.

    >>> import asyncio
    >>> async def poll() -> None:
    ...     await asyncio.sleep(3600)
    >>> async def main() -> None:
    ...     async with Supervisor("bots") as bots:
    ...         bots.spawn("anna", poll)
    ...         await asyncio.sleep(0.01)
    ...         print(bots.children()[0].state)
    ...         await bots.stop()
    >>> asyncio.run(main())
    running

    ``async with`` keeps to what ``asyncio.TaskGroup`` does, with one difference: a child that fails leaves the
    others alone, unless it is ``essential``. Leaving the block by an exception stops the children; leaving it
    in order waits for them, or for :meth:`stop`.

    *Restarts*: ``never``, ``on-failure`` (the default), ``always`` (also after an orderly end). Before the
    n-th in a row it waits for a random time up to ``backoff[0] * 2 ** n`` seconds and at most ``backoff[1]``;
    having run, ready, for longer than ``backoff[1]`` counts as recovered. After ``give_up_after`` failures in a row the
    child gives up: that goes to the loop's exception handler, so it is logged and stands in the report. ``None``
    never gives up. A task that somebody else cancels has ended, and is not started again.

    *Stopping*: children in the reverse order of their start, groups with all they hold. Each is cancelled and
    gets ``stop_timeout`` seconds; what goes on after that is left behind, and said.

    A supervisor belongs to the loop that it is entered on, and is not thread-safe. A child process has none of
    its parent's tasks, as with all of asyncio. It costs one task a child.
    """

    def __init__(self, name: str = "supervisor", *, stop_timeout: float = 10.0) -> None:
        self.name = name
        self._stop_timeout = stop_timeout
        self._members: List[Union["_Child", "Supervisor"]] = []
        self._owner: Optional["asyncio.Task[Any]"] = None
        self._failed: Optional[SupervisorError] = None
        self._is_stopping = False
        self._parent: Optional["Supervisor"] = None

    def spawn(
        self,
        name: str,
        function: Callable[..., Awaitable[Any]],
        *args: Any,
        restart: str = "on-failure",
        backoff: Tuple[float, float] = (0.5, 30.0),
        give_up_after: Optional[int] = 5,
        stop_timeout: Optional[float] = None,
        essential: bool = False,
    ) -> None:
        """Starts ``function(*args)`` as a task and looks after it. Returns at once."""
        policy = _Policy(restart, backoff, give_up_after, self._or_own(stop_timeout), essential)
        self._add(name, functools.partial(function, *args), policy, None)

    async def start(
        self,
        name: str,
        function: Callable[..., Awaitable[Any]],
        *args: Any,
        timeout: Optional[float] = 30.0,
        restart: str = "on-failure",
        backoff: Tuple[float, float] = (0.5, 30.0),
        give_up_after: Optional[int] = 5,
        stop_timeout: Optional[float] = None,
        essential: bool = False,
    ) -> Any:
        """Starts ``function(*args, task_status=...)`` and waits until it calls ``task_status.started(value)``.

        Returns that value. Raises what the function raises before it is ready, and :class:`SupervisorError` where
        it ends, or is not ready after ``timeout`` seconds: then there is no such child. Once it was ready it
        is looked after as by :meth:`spawn`, and each restart has the same time to become ready.
        """
        policy = _Policy(restart, backoff, give_up_after, self._or_own(stop_timeout), essential)
        readiness = _Readiness(timeout)
        child = self._add(name, functools.partial(function, *args), policy, readiness)
        try:
            await asyncio.wait({readiness.first})
            return readiness.first.result()
        except BaseException:
            await child.stop()
            readiness.drop()
            if child in self._members:
                self._members.remove(child)
            raise

    def group(self, name: str, *, stop_timeout: Optional[float] = None) -> "Supervisor":
        """A supervisor of its own inside of this one, which stops it in its turn."""
        self._check(name)
        inner = Supervisor(name, stop_timeout=self._or_own(stop_timeout))
        inner._owner, inner._parent = self._owner, self
        self._members.append(inner)
        return inner

    def children(self) -> List[ChildStatus]:
        """What each child is doing, in the order of their start; those of groups as ``group/child``."""
        found: List[ChildStatus] = []
        for member in self._members:
            if isinstance(member, Supervisor):
                found.extend(one._replace(name=f"{member.name}/{one.name}") for one in member.children())
            else:
                found.append(member.status())
        return found

    async def stop_child(self, name: str) -> None:
        """Stops one child or group and forgets it."""
        for member in self._members:
            if member.name == name:
                await member.stop()
                self._members.remove(member)
                return
        raise KeyError(name)

    async def stop(self) -> None:
        """Stops all children, the last one first, and returns when that is done."""
        self._is_stopping = True
        for member in reversed(list(self._members)):
            await member.stop()

    async def __aenter__(self) -> "Supervisor":
        self._owner = asyncio.current_task()
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        cancelled: Optional[asyncio.CancelledError] = None
        if error is None:
            try:
                await self._wait()
            except asyncio.CancelledError as ended:
                cancelled = ended
        elif isinstance(error, asyncio.CancelledError):
            cancelled = error
        await self.stop()
        # An essential child ends the block by cancelling it: that is told as what it was.
        is_told = error is None or cancelled is not None
        if self._failed is not None and is_told and not _uncancel(self._owner):
            raise self._failed
        if cancelled is not None and error is None:
            raise cancelled

    async def _wait(self) -> None:
        """Until every child has ended, and those that they start."""
        while self._failed is None:
            running = [keeper for keeper in self._keepers() if not keeper.done()]
            if not running:
                return
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)

    def _keepers(self) -> List["asyncio.Task[None]"]:
        found: List["asyncio.Task[None]"] = []
        for member in self._members:
            if isinstance(member, Supervisor):
                found.extend(member._keepers())
            else:
                found.append(member.keeper)
        return found

    def _check(self, name: str) -> None:
        if self._owner is None:
            raise RuntimeError(f"supervisor {self.name!r} is used outside of its `async with`")
        if self._is_stopping:
            raise RuntimeError(f"supervisor {self.name!r} is stopping")
        for member in list(self._members):
            if member.name == name:
                if isinstance(member, Supervisor) or not member.keeper.done():
                    raise ValueError(f"supervisor {self.name!r} has a child {name!r} already")
                self._members.remove(member)

    def _or_own(self, stop_timeout: Optional[float]) -> float:
        return self._stop_timeout if stop_timeout is None else stop_timeout

    def _add(
        self, name: str, make: Callable[..., Awaitable[Any]], policy: "_Policy", readiness: Optional["_Readiness"]
    ) -> "_Child":
        if policy.restart not in _RESTARTS:
            raise ValueError(f"restart is one of {', '.join(_RESTARTS)}, not {policy.restart!r}")
        self._check(name)
        child = _Child(name, make, policy, readiness, self._child_gave_up)
        self._members.append(child)
        return child

    def _child_gave_up(self, child: "_Child", error: BaseException) -> None:
        words = f"supervised task {child.name!r} of {self.name!r}, started at {child.site}, gave up"
        times = f" after {child.failures} failures" if child.failures > 1 else ""
        context = {"message": words + times, "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)
        if child.policy.essential:
            failed = SupervisorError(f"essential task {child.name!r} gave up: {_said(error)}")
            failed.__cause__ = error
            self._fail(failed)

    def _fail(self, failed: SupervisorError) -> None:
        outermost = self
        while outermost._parent is not None:
            outermost = outermost._parent
        if outermost._failed is None and not outermost._is_stopping:
            outermost._failed = failed
            if outermost._owner is not None:
                outermost._owner.cancel()


class _Policy(NamedTuple):
    """How a child is looked after."""

    restart: str
    backoff: Tuple[float, float]
    give_up_after: Optional[int]
    stop_timeout: float
    essential: bool


class _Readiness:
    """How long a child has to become ready, and whoever waits for the first time that it is."""

    def __init__(self, timeout: Optional[float]) -> None:
        self.timeout = timeout
        self.first: "asyncio.Future[Any]" = asyncio.get_running_loop().create_future()

    def settle(self, error: BaseException) -> bool:
        """It does not become ready. False where nobody waits for that any more."""
        if self.first.done():
            return False
        self.first.set_exception(error)
        return True

    def drop(self) -> None:
        """Nobody waits any more."""
        if self.first.done():
            self.first.exception()
        else:
            self.first.set_result(None)


class _Child:
    """One supervised task: the runs of its function, one after the other."""

    def __init__(
        self,
        name: str,
        make: Callable[..., Awaitable[Any]],
        policy: _Policy,
        readiness: Optional[_Readiness],
        gave_up: Callable[["_Child", BaseException], None],
    ) -> None:
        self.name = name
        self.policy = policy
        self.site = _site()
        self.state = "starting"
        self.restarts = 0
        #: Failures in a row.
        self.failures = 0
        self.last_error: Optional[str] = None
        self.run: Optional["asyncio.Task[Any]"] = None
        self._make = make
        self._readiness = readiness
        self._gave_up = gave_up
        self._wanted = True
        self._running_since = 0.0
        loop = asyncio.get_running_loop()
        self._stopped: "asyncio.Future[None]" = loop.create_future()
        self.keeper = loop.create_task(self._keep(), name=f"supervisor of {name}")

    def status(self) -> ChildStatus:
        return ChildStatus(self.name, self.state, self.restarts, self.last_error, self.site)

    async def stop(self) -> None:
        """Cancels it, and waits for its end as long as it is given."""
        self._wanted = False
        if not self._stopped.done():
            self._stopped.set_result(None)
        if self.run is not None and not self.run.done():
            self.run.cancel()
        if self.keeper.done():
            return
        if self.keeper is not asyncio.current_task():
            await asyncio.wait({self.keeper}, timeout=self.policy.stop_timeout)
        if not self.keeper.done():
            _logger.error(
                "supervised task %r, started at %s, goes on %.1f seconds after it was cancelled; it is left behind",
                self.name,
                self.site,
                self.policy.stop_timeout,
            )

    async def _keep(self) -> None:
        try:
            while self._wanted and await self._run_once():
                self.state = "waiting"
                await asyncio.wait({self._stopped}, timeout=self._delay())
                self.restarts += self._wanted
        finally:
            if self.run is not None and not self.run.done():
                # The loop is being ended under us.
                self.run.cancel()
            if self.state not in ("done", "gave up"):
                self.state = "stopped"
            self._settle(SupervisorError(f"task {self.name!r} was stopped before it was ready"))

    async def _run_once(self) -> bool:
        """One run of the function, to its end. Whether there is to be another one."""
        self.state = "starting" if self._readiness is not None else "running"
        self._running_since = time.monotonic()
        error = await self._run_to_end()
        if self.run is None or self.run.cancelled() and error is None:
            return False
        if error is None:
            self.failures = 0
            self._settle(SupervisorError(f"task {self.name!r} ended before it was ready"))
            self.state = "done"
            return self.policy.restart == "always"
        if self.state == "running" and time.monotonic() - self._running_since > self.policy.backoff[1]:
            self.failures = 0
        self.failures += 1
        self.last_error = _said(error)
        if not self._wanted:
            _logger.warning("supervised task %r failed as it was stopped: %s", self.name, self.last_error)
            return False
        if self._settle(error):
            # Whoever starts it is told, and decides.
            return False
        most = self.policy.give_up_after
        if self.policy.restart == "never" or (most is not None and self.failures >= most):
            self.state = "gave up"
            self._gave_up(self, error)
            return False
        _logger.warning("supervised task %r failed and is started again: %s", self.name, self.last_error)
        return True

    async def _run_to_end(self) -> Optional[BaseException]:
        """Runs the function. What it raised, or that it did not become ready."""
        loop = asyncio.get_running_loop()
        if self._readiness is None:
            self.run = loop.create_task(_awaited(self._make), name=self.name)
            await asyncio.wait({self.run})
            return _failure_of(self.run)
        ready: "asyncio.Future[Any]" = loop.create_future()
        make = functools.partial(self._make, task_status=TaskStatus(ready))
        self.run = loop.create_task(_awaited(make), name=self.name)
        await asyncio.wait({self.run, ready}, timeout=self._readiness.timeout, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            self.state = "running"
            self._running_since = time.monotonic()
            if not self._readiness.first.done():
                self._readiness.first.set_result(ready.result())
        elif not self.run.done():
            self.run.cancel()
            await asyncio.wait({self.run}, timeout=self.policy.stop_timeout)
            return SupervisorError(f"task {self.name!r} is not ready after {self._readiness.timeout} seconds")
        await asyncio.wait({self.run})
        return _failure_of(self.run)

    def _settle(self, error: BaseException) -> bool:
        return self._readiness is not None and self._readiness.settle(error)

    def _delay(self) -> float:
        first, longest = self.policy.backoff
        return random.uniform(0, min(longest, first * 2 ** min(self.failures, 30)))


async def _awaited(make: Callable[..., Awaitable[Any]]) -> Any:
    return await make()


def _failure_of(run: "asyncio.Task[Any]") -> Optional[BaseException]:
    return None if run.cancelled() else run.exception()


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _site() -> str:
    """Where the program handed a task over."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _uncancel(task: Optional["asyncio.Task[Any]"]) -> bool:
    """Takes our cancelling back. Whether somebody else wants the task cancelled too, which is known from 3.11 on."""
    uncancel = getattr(task, "uncancel", None)
    return uncancel is not None and uncancel() > 0
