"""The pools of psycopg 3."""

import importlib
import re
import weakref
from typing import Any, Dict, Tuple

from .. import _native
from ._shared import POOL, acquiring, for_pool, free_name, name_of_pool, quietly, replace
from .psycopg import server_of_conninfo

_DRIVER = "psycopg"

# The name of a pool that was given none.
_NUMBERED = re.compile(r"pool-\d+\Z")


def watch(library: Any) -> None:
    """Looks on at every pool from now on."""
    given_up = (library.PoolTimeout, library.TooManyRequests)

    @quietly
    def ended(moment: Any, connection: Any, error: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
        pool = args[0]
        site = _site_of(pool)
        if error is None:
            site.acquired(moment, connection)
        elif isinstance(error, given_up):
            site.timed_out(moment)
        else:
            site.stops_waiting()
        _tell_sizes(pool, site)

    sync, asynchronous = library.ConnectionPool, library.AsyncConnectionPool
    replace(sync, "getconn", lambda function: _native.watch_function(function, ended, _begun))
    replace(asynchronous, "getconn", lambda function: acquiring(function, _begun, ended))
    replace(sync, "putconn", lambda function: _native.watch_function(function, _put, _puts))
    replace(asynchronous, "putconn", lambda function: acquiring(function, _puts, _put))
    replace(sync, "close", lambda function: _native.watch_function(function, _closed))
    replace(asynchronous, "close", lambda function: acquiring(function, _nothing, _closed))
    replace(sync, "_connect", lambda function: _native.watch_function(function, _connected, _connects))
    replace(asynchronous, "_connect", lambda function: for_pool(function, _site_of))


_sites: "weakref.WeakKeyDictionary[Any, _native.PoolSite]" = weakref.WeakKeyDictionary()


def _site_of(pool: Any) -> "_native.PoolSite":
    site = _sites.get(pool)
    if site is None:
        of = _server_of(pool)
        name = "pool" if _NUMBERED.match(pool.name) else pool.name
        given = name_of_pool(name, _DRIVER, of)
        weakref.finalize(pool, free_name, given, name, _DRIVER, of).atexit = False
        site = _sites[pool] = _native.PoolSite(given, _DRIVER, of)
    return site


def _server_of(pool: Any) -> str:
    conninfo_to_dict = importlib.import_module("psycopg.conninfo").conninfo_to_dict
    return server_of_conninfo(conninfo_to_dict, pool.conninfo, pool.kwargs if isinstance(pool.kwargs, dict) else {})


@quietly
def _begun(args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    _site_of(args[0]).waits()


def _nothing(args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    pass


@quietly
def _puts(args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    pool = args[0]
    connection = args[1] if len(args) > 1 else kwargs.get("conn")
    # Another one is refused.
    if getattr(connection, "_pool", None) is pool:
        _site_of(pool).released(connection)


@quietly
def _put(moment: Any, result: Any, error: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    if error is None:
        pool = args[0]
        _tell_sizes(pool, _site_of(pool))


@quietly
def _closed(moment: Any, result: Any, error: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    pool = args[0]
    _site_of(pool).set_sizes(0, 0, pool._min_size, pool._max_size)


def _tell_sizes(pool: Any, site: "_native.PoolSite") -> None:
    site.set_sizes(max(pool._nconns, 0), len(pool._pool), pool._min_size, pool._max_size)


@quietly
def _connects(args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    POOL.set(_site_of(args[0]))


@quietly
def _connected(moment: Any, result: Any, error: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    POOL.set(None)
