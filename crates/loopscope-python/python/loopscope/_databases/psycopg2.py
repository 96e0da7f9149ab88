"""psycopg2, whose connections and cursors are written in C."""

import importlib
from typing import Any

from .. import _native
from ._shared import POOL, describe, postgres_server, quietly, server, site_of_server

_NAME = "psycopg2"


def watch(library: Any) -> None:
    """Looks on at every connection and cursor from now on."""
    driver = _native.Driver(_NAME, "standard", quietly(describe), _render, _always)
    extensions = library.extensions
    for name, argument in (("execute", "query"), ("executemany", "query"), ("callproc", "procname")):
        driver.take(extensions.cursor, name, 0, argument)
    driver.take(extensions.cursor, "copy_expert", 0, "sql")
    for name in ("copy_from", "copy_to"):
        driver.take_call(extensions.cursor, name)
    for name in ("commit", "rollback"):
        driver.take_call(extensions.connection, name)
    _native.watch_builtin(library._psycopg, "_connect", _teller(library, driver))
    _native.take_closing(extensions.connection, "close")
    driver.take_going(extensions.connection)


def _teller(library: Any, driver: "_native.Driver") -> Any:
    parse = library.extensions.parse_dsn

    @quietly
    def ended(moment: Any, connection: Any, error: Any, args: Any, kwargs: Any) -> None:
        site = POOL.get()
        if error is not None:
            dsn = args[1] if len(args) > 1 else kwargs.get("dsn", "")
            driver.open_failed(error, moment, site or site_of_server(_NAME, _server_of_dsn(parse, dsn)))
            return
        site = site or site_of_server(_NAME, _server_of(connection))
        driver.opened(connection, moment, site, connection.get_backend_pid())

    return ended


def _server_of(connection: Any) -> str:
    info = connection.info
    return server(info.host, info.port, info.dbname)


def _server_of_dsn(parse: Any, dsn: Any) -> str:
    try:
        return postgres_server(parse(dsn))
    except Exception:
        return "(unreadable)"


def _always(connection: Any) -> bool:
    return True


def _render(statement: Any) -> str:
    sql = importlib.import_module("psycopg2.sql")

    if isinstance(statement, sql.Composed):
        return "".join(_render(part) for part in statement.seq)
    if isinstance(statement, sql.SQL):
        return str(statement.string)
    if isinstance(statement, sql.Identifier):
        return ".".join(f'"{part}"' for part in statement.strings)
    # A literal or a placeholder.
    return "?"
