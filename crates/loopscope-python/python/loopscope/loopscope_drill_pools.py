"""Holding a pool's connections on purpose. A finding that names this file is a fire drill, not an incident.

The program's own pool, where it has one that Loopscope watches and that is not too large: all its connections are
taken by its own ways, kept for as long as the drill lasts, and given back.
"""

import asyncio
import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Awaitable, Callable, Dict, NamedTuple, Optional, Tuple

# Each may be a connection to be made, and the server has others to serve.
_MOST_CONNECTIONS = 50

# The name of the threads in which synchronous pools are asked.
_NAME = "loopscope-drill"


class Pool(NamedTuple):
    """A pool to be held."""

    name: str
    most: int
    take: Callable[[float], Awaitable[Any]]
    give: Callable[[Any], Awaitable[Any]]
    close: Callable[[], None]


async def keep(pool: Pool, seconds: float, goes_on: Callable[[], bool]) -> None:
    """Keeps one connection of it."""
    connection = await pool.take(seconds)  # FAULT pool
    try:
        while goes_on():
            await asyncio.sleep(0.05)
    finally:
        await pool.give(connection)


def find(loop: Any) -> Optional[Pool]:
    """A pool that is open on this loop, or on none."""
    kinds = {kind: adapt for kind, adapt in (_known(*place) for place in _KNOWN) if kind is not None}
    if not kinds:
        return None
    # There is no list of pools. By their types: asking an object itself could run code of the program.
    everything = gc.get_objects()
    adapters: "Dict[type, Callable[[Any, Any], Optional[Pool]]]" = {}
    for kind in {type(one) for one in everything}:
        adapters.update((kind, kinds[base]) for base in kind.__mro__ if base in kinds)
    for one in everything:
        adapt = adapters.get(type(one))
        pool = adapt(one, loop) if adapt is not None else None
        if pool is not None and 0 < pool.most <= _MOST_CONNECTIONS:
            return pool
    return None


def _asyncpg(pool: Any, loop: Any) -> Optional[Pool]:
    if pool._closed or not pool._initialized or pool._loop is not loop:
        return None
    return Pool(
        "the pool of asyncpg", pool._maxsize, lambda seconds: pool.acquire(timeout=seconds), pool.release, _nothing
    )


def _psycopg(pool: Any, loop: Any) -> Optional[Pool]:
    if pool.closed:
        return None
    return Pool(f"{pool.name} of psycopg", pool.max_size, pool.getconn, pool.putconn, _nothing)


def _psycopg_sync(pool: Any, loop: Any) -> Optional[Pool]:
    if pool.closed:
        return None
    return _in_threads(f"{pool.name} of psycopg", pool.max_size, loop, pool.getconn, pool.putconn)


def _sqlalchemy(pool: Any, loop: Any) -> Optional[Pool]:
    most = pool.size() + pool._max_overflow if pool._max_overflow >= 0 else 0
    name = f"{type(pool).__name__} of sqlalchemy"
    if type(pool).__name__.startswith("Async"):
        spawn = sys.modules["sqlalchemy.util"].greenlet_spawn
        return Pool(name, most, lambda _: spawn(pool.connect), lambda connection: spawn(connection.close), _nothing)
    return _in_threads(name, most, loop, lambda _: pool.connect(), lambda connection: connection.close())


def _in_threads(
    name: str, most: int, loop: Any, take: Callable[[float], Any], give: Callable[[Any], Any]
) -> Optional[Pool]:
    threads = ThreadPoolExecutor(max(most, 0) + 1, thread_name_prefix=_NAME)

    def keep_one(seconds: float) -> Any:
        # A frame of ours, by which whoever looks knows the drill.
        return take(seconds)

    return Pool(
        name,
        most,
        lambda seconds: loop.run_in_executor(threads, keep_one, seconds),
        lambda connection: loop.run_in_executor(threads, give, connection),
        lambda: threads.shutdown(wait=True),
    )


def _nothing() -> None:
    pass


# Where each kind of pool is, which module of ours watches it, and how it is asked.
_KNOWN: "Tuple[Tuple[str, str, str, Callable[[Any, Any], Optional[Pool]]], ...]" = (
    ("asyncpg.pool", "Pool", "asyncpg", _asyncpg),
    ("psycopg_pool", "AsyncConnectionPool", "psycopg_pool", _psycopg),
    ("psycopg_pool", "ConnectionPool", "psycopg_pool", _psycopg_sync),
    ("sqlalchemy.pool.impl", "QueuePool", "sqlalchemy", _sqlalchemy),
)


def _known(module: str, name: str, ours: str, adapt: Any) -> Tuple[Optional[type], Any]:
    is_watched = f"loopscope._databases.{ours}" in sys.modules
    return (getattr(sys.modules.get(module), name, None) if is_watched else None), adapt
