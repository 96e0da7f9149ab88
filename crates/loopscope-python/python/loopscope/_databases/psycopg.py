"""psycopg 3, synchronous and asynchronous."""

import functools
from typing import Any

from .. import _native
from ._shared import (
    POOL,
    connecting,
    describe,
    postgres_server,
    quietly,
    replace,
    server,
    site_of_server,
    tracked_call,
    tracked_coroutine,
    tracked_generator,
)

_NAME = "psycopg"

# Generators of a cursor that send a statement without `execute`.
_GENERATORS = (("_start_copy_gen", "statement"), ("_stream_send_gen", "query"))


def watch(library: Any) -> None:
    """Looks on at every connection and cursor from now on."""
    driver = _native.Driver(_NAME, "standard", quietly(describe), _renderer(library), _is_leaked)
    for cursor in (library.Cursor, library.ServerCursor):
        for name in ("execute", "executemany"):
            replace(cursor, name, lambda function: driver.track(function, 1, "query"))
    for cursor in (library.AsyncCursor, library.AsyncServerCursor):
        for name in ("execute", "executemany"):
            replace(cursor, name, lambda function: tracked_coroutine(function, driver, 1, "query"))
    base = library.Cursor.__mro__[1]
    for name, argument in _GENERATORS:
        replace(base, name, functools.partial(tracked_generator, driver=driver, place=1, name=argument))
    _watch_connections(library, driver)


def _watch_connections(library: Any, driver: "_native.Driver") -> None:
    opened, failed = _tellers(library, driver)

    def ended(moment: Any, connection: Any, error: Any, args: Any, kwargs: Any) -> None:
        if error is None:
            opened(connection, moment, args, kwargs)
        else:
            failed(error, moment, args, kwargs)

    sync, asynchronous = library.Connection, library.AsyncConnection
    replace(sync, "connect", lambda method: classmethod(_native.watch_function(method.__func__, ended)))
    replace(
        asynchronous, "connect", lambda method: classmethod(connecting(method.__func__, opened, failed))
    )
    library.connect = sync.connect
    replace(sync, "close", _native.watch_closing)
    replace(asynchronous, "close", lambda function: _closing(function, driver))
    for name in ("commit", "rollback"):
        replace(sync, name, functools.partial(driver.track_call, name=name))
        replace(asynchronous, name, functools.partial(tracked_call, driver=driver, name=name))
    replace(library.BaseConnection, "__del__", driver.track_going)


def _tellers(library: Any, driver: "_native.Driver") -> Any:
    parse = library.conninfo.conninfo_to_dict

    @quietly
    def opened(connection: Any, moment: Any, args: Any, kwargs: Any) -> None:
        site = POOL.get() or site_of_server(_NAME, _server_of(connection))
        is_of_loop = isinstance(connection, library.AsyncConnection)
        driver.opened(connection, moment, site, connection.info.backend_pid, is_of_loop)

    @quietly
    def failed(error: BaseException, moment: Any, args: Any, kwargs: Any) -> None:
        site = POOL.get()
        if site is None:
            conninfo = args[1] if len(args) > 1 else kwargs.get("conninfo", "")
            site = site_of_server(_NAME, server_of_conninfo(parse, conninfo, kwargs))
        driver.open_failed(error, moment, site)

    return opened, failed


def _server_of(connection: Any) -> str:
    info = connection.info
    return server(info.host, info.port, info.dbname)


def server_of_conninfo(parse: Any, conninfo: Any, kwargs: Any) -> str:
    """The server that is named in what a connection is made from."""
    try:
        known = dict(parse(conninfo if isinstance(conninfo, str) else ""))
    except Exception:
        return "(unreadable)"
    names = ("host", "hostaddr", "port", "dbname", "user")
    known.update({name: kwargs[name] for name in names if kwargs.get(name)})
    return postgres_server(known)


def _closing(original: Any, driver: "_native.Driver") -> Any:
    @functools.wraps(original)
    async def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await original(self, *args, **kwargs)
        finally:
            driver.closed(self)

    return close


def _is_leaked(connection: Any) -> bool:
    """Open, and no pool's that goes away with it."""
    if connection.closed:
        return False
    return not hasattr(connection, "_pool") or connection._pool is not None


def _renderer(library: Any) -> Any:
    sql = library.sql

    def render(statement: Any) -> str:
        if isinstance(statement, sql.Composed):
            return "".join(render(part) for part in statement._obj)
        if isinstance(statement, sql.SQL):
            return str(statement._obj)
        if isinstance(statement, sql.Identifier):
            return ".".join(f'"{part}"' for part in statement._obj)
        # A literal or a placeholder.
        return "?"

    return render
