"""asyncpg and its pool."""

import asyncio
import functools
import inspect
import sys
from contextvars import ContextVar
from typing import Any, Dict, Tuple

from .. import _native
from ._shared import (
    POOL,
    acquiring,
    connecting,
    describe,
    followed,
    for_pool,
    free_name,
    name_of_pool,
    quietly,
    render_nothing,
    replace,
    server,
    site_of_server,
    tracked_coroutine,
)

_NAME = "asyncpg"

# Pools that are known at once.
_MOST_POOLS = 128

# Whether a connection is being made to one of several addresses.
_IS_CONNECTING: "ContextVar[bool]" = ContextVar("loopscope_asyncpg", default=False)


def watch(library: Any) -> None:
    """Looks on at every connection and pool from now on."""
    driver = _native.Driver(_NAME, "standard", quietly(describe), render_nothing, _is_leaked)
    connection = library.Connection
    replace(connection, "execute", lambda function: _tracked_execute(function, driver))
    for name, argument in (
        ("_execute", "query"),
        ("_executemany", "query"),
        ("_copy_out", "copy_stmt"),
        ("_copy_in", "copy_stmt"),
    ):
        replace(
            connection,
            name,
            functools.partial(tracked_coroutine, driver=driver, place=1, name=argument),
        )
    _watch_prepared(library, driver)
    _watch_connections(library, driver)
    _watch_pools(library)


def _watch_prepared(library: Any, driver: "_native.Driver") -> None:
    replace(library.Connection, "_prepare", lambda function: _tracked_preparation(function, driver))
    statement = library.prepared_stmt.PreparedStatement
    for name in ("fetch", "fetchval", "fetchrow", "fetchmany", "executemany"):
        replace(statement, name, lambda function: _tracked_prepared(function, driver))
    # One that is iterated over counts each time that rows are asked for.
    cursor = library.cursor.BaseCursor
    for name in ("_bind_exec", "_exec"):
        replace(cursor, name, lambda function: _tracked_prepared(function, driver))


def _tracked_execute(original: Any, driver: "_native.Driver") -> Any:
    """`execute` without arguments; with them it goes on to what is looked on at anyway."""
    begin = driver.begin

    @functools.wraps(original)
    async def execute(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        # What a pool says to a connection that was given back is not the program's.
        if args or (self._reset_query and query.endswith(self._reset_query)):
            return await original(self, query, *args, **kwargs)
        running = begin(query)
        if running is None:
            return await original(self, query, **kwargs)
        try:
            result = await original(self, query, **kwargs)
        except BaseException as error:
            running.raised(error)
            raise
        running.returned()
        return result

    return execute


def _tracked_preparation(original: Any, driver: "_native.Driver") -> Any:
    """A statement that cannot even be prepared has failed; one that can is counted when it is used."""

    @functools.wraps(original)
    async def prepare(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await original(self, query, *args, **kwargs)
        except Exception as error:
            running = driver.begin(query)
            if running is not None:
                running.raised(error)
            raise

    return prepare


def _tracked_prepared(original: Any, driver: "_native.Driver") -> Any:
    begin = driver.begin
    return followed(original, lambda args, kwargs: begin(args[0]._query))


def _watch_connections(library: Any, driver: "_native.Driver") -> None:
    utilities = library.connect_utils

    @quietly
    def opened(connection: Any, moment: Any, args: Any, kwargs: Any) -> None:
        site = POOL.get() or site_of_server(_NAME, _server_of(connection))
        driver.opened(connection, moment, site, connection.get_server_pid() or 0, True)

    @quietly
    def failed(error: BaseException, moment: Any, args: Any, kwargs: Any) -> None:
        site = POOL.get() or site_of_server(_NAME, _server_of_arguments(utilities, kwargs))
        driver.open_failed(error, moment, site)

    replace(utilities, "_connect", lambda function: _to_any_address(connecting(function, opened, failed)))
    # Older pools connect again to the address that they know.
    replace(utilities, "_connect_addr", lambda function: _to_known_address(function, opened, failed))
    replace(library.Connection, "_cleanup", _native.watch_closing)
    replace(library.Connection, "__del__", driver.track_going)


def _to_any_address(connect: Any) -> Any:
    @functools.wraps(connect)
    async def connect_anywhere(*args: Any, **kwargs: Any) -> Any:
        token = _IS_CONNECTING.set(True)
        try:
            return await connect(*args, **kwargs)
        finally:
            _IS_CONNECTING.reset(token)

    return connect_anywhere


def _to_known_address(original: Any, opened: Any, failed: Any) -> Any:
    tracked = connecting(original, opened, failed)

    @functools.wraps(original)
    async def connect_there(*args: Any, **kwargs: Any) -> Any:
        if _IS_CONNECTING.get():
            return await original(*args, **kwargs)
        return await tracked(*args, **kwargs)

    return connect_there


def _server_of(connection: Any) -> str:
    return _server_at(connection._addr, connection._params)


def _server_at(address: Any, parameters: Any) -> str:
    database = parameters.database
    if isinstance(address, str):
        # A socket's file: its folder, and the port at its end.
        folder, _, name = address.rpartition("/")
        return server(folder, name.rpartition(".")[2], database)
    return server(address[0], address[1], database)


def _server_of_arguments(utilities: Any, kwargs: Any) -> str:
    """The first address that these arguments lead to."""
    parse = utilities._parse_connect_dsn_and_args
    names = ("dsn", "host", "port", "user", "database", "service", "servicefile")
    try:
        # Whatever else there is has no say in where the server is.
        known = dict.fromkeys(inspect.signature(parse).parameters)
        known.update({name: kwargs[name] for name in names if name in kwargs and name in known})
        addresses, parameters = parse(**known)[:2]
        return _server_at(addresses[0], parameters)
    except Exception:
        return "(unreadable)"


def _is_leaked(connection: Any) -> bool:
    return connection._protocol is not None and not connection.is_closed()


class _KnownPool:
    """A pool: its record, and what holds against another object at its address."""

    def __init__(self, pool: Any) -> None:
        self.proof = pool._holders
        self.server = _server_of_pool(pool)
        self.name = name_of_pool("pool", _NAME, self.server)
        self.site = _native.PoolSite(self.name, _NAME, self.server)

    def free(self) -> None:
        free_name(self.name, "pool", _NAME, self.server)


# By address: pools of asyncpg can be held by nothing weakly.
_pools: Dict[int, _KnownPool] = {}


def _known(pool: Any) -> _KnownPool:
    known = _pools.get(id(pool))
    if known is None or known.proof is not pool._holders:
        while len(_pools) >= _MOST_POOLS:
            _pools.pop(next(iter(_pools))).free()
        if known is not None:
            known.free()
        known = _pools[id(pool)] = _KnownPool(pool)
    return known


def _site_of(pool: Any) -> "_native.PoolSite":
    return _known(pool).site


def _server_of_pool(pool: Any) -> str:
    connect_utils = sys.modules["asyncpg.connect_utils"]
    arguments = dict(pool._connect_kwargs)
    if pool._connect_args:
        arguments["dsn"] = pool._connect_args[0]
    return _server_of_arguments(connect_utils, arguments)


def _watch_pools(library: Any) -> None:
    pool = library.pool.Pool
    replace(pool, "_get_new_connection", lambda function: for_pool(function, _site_of))
    replace(pool, "_acquire", lambda function: acquiring(function, _begun, _ended))
    replace(pool, "close", _forgetting)
    replace(
        library.pool.PoolConnectionHolder,
        "_release",
        lambda function: _native.watch_function(function, _released, _releases),
    )


@quietly
def _begun(args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    _site_of(args[0]).waits()


@quietly
def _ended(moment: Any, connection: Any, error: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    pool = args[0]
    site = _site_of(pool)
    if error is None:
        site.acquired(moment, connection._con)
    elif isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        site.timed_out(moment)
    else:
        site.stops_waiting()
    _tell_sizes(pool, site)


def _releases(args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    holder = args[0]
    if holder._in_use is not None:
        _site_of(holder._pool).released(holder._con)


@quietly
def _released(moment: Any, result: Any, error: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    pool = args[0]._pool
    _tell_sizes(pool, _site_of(pool))


def _tell_sizes(pool: Any, site: "_native.PoolSite") -> None:
    size = idle = 0
    for holder in pool._holders:
        if holder._con is not None and not holder._con.is_closed():
            size += 1
            idle += holder._in_use is None
    site.set_sizes(size, idle, pool._minsize, pool._maxsize)


def _forgetting(original: Any) -> Any:
    @functools.wraps(original)
    async def close(self: Any) -> Any:
        try:
            return await original(self)
        finally:
            _forget(self)

    return close


@quietly
def _forget(pool: Any) -> None:
    known = _pools.get(id(pool))
    if known is not None and known.proof is pool._holders:
        _tell_sizes(pool, known.site)
        del _pools[id(pool)]
        known.free()
