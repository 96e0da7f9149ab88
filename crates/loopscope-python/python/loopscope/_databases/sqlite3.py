"""The `sqlite3` of the standard library, and with it aiosqlite, which runs it in a thread."""

import os
import sys
from typing import Any

from .. import _native
from ._shared import POOL, describe, quietly, render_nothing, site_of_server

_NAME = "sqlite3"

# The end of a path that is told.
_PATH_CHARACTERS = 60


def watch(library: Any) -> None:
    """Looks on at every connection that `sqlite3.connect` makes from now on."""
    driver = _native.Driver(_NAME, "sqlite", quietly(describe), render_nothing, _always)
    for name in ("execute", "executemany", "executescript"):
        driver.take(library.Cursor, name, 0, "sql")
        # Until 3.10 those of a connection make a cursor and go on there.
        if sys.version_info >= (3, 11):
            driver.take(library.Connection, name, 0, "sql")
    # Most of a statement's work is done when its rows are fetched.
    for name in ("fetchall", "fetchmany"):
        driver.take_call(library.Cursor, name)
    for name in ("commit", "rollback"):
        driver.take_call(library.Connection, name)
    _native.watch_builtin(sys.modules["_sqlite3"], "connect", _teller(driver))
    _native.take_closing(library.Connection, "close")
    driver.take_going(library.Connection)


def _teller(driver: "_native.Driver") -> Any:
    @quietly
    def ended(moment: Any, connection: Any, error: Any, args: Any, kwargs: Any) -> None:
        database = args[1] if len(args) > 1 else kwargs.get("database")
        site = POOL.get() or site_of_server(_NAME, _file(database))
        if error is None:
            driver.opened(connection, moment, site)
        else:
            driver.open_failed(error, moment, site)

    return ended


def _file(database: Any) -> str:
    """The file's name, without what an address may say behind it."""
    try:
        path = os.fsdecode(database)
    except TypeError:
        return "(file)"
    if path.startswith("file:"):
        path = path[len("file:") :].partition("?")[0]
    return path[-_PATH_CHARACTERS:] or "(temporary)"


def _always(connection: Any) -> bool:
    return True
