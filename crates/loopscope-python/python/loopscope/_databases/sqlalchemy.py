"""SQLAlchemy's pools. What it sends is counted by the driver that it sends it with."""

import sys
import weakref
from typing import Any, Dict, Tuple

from .. import _native
from ._shared import POOL, free_name, name_of_pool, quietly, replace, server

_NAME = "sqlalchemy"


def watch(library: Any) -> None:
    """Looks on at every pool from now on. `library` is the module of the pools."""
    base = sys.modules["sqlalchemy.pool.base"]
    timeout = sys.modules["sqlalchemy.exc"].TimeoutError
    queue = library.QueuePool

    @quietly
    def begun(args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
        if isinstance(args[0], queue):
            _site_of(args[0]).waits()

    @quietly
    def ended(moment: Any, connection: Any, error: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
        pool = args[0]
        if not isinstance(pool, queue):
            return
        site = _site_of(pool)
        if error is None:
            site.acquired(moment, getattr(connection, "driver_connection", None))
        elif isinstance(error, timeout):
            site.timed_out(moment)
        else:
            site.stops_waiting()
        _tell_sizes(pool, site)

    replace(base.Pool, "connect", lambda function: _native.watch_function(function, ended, begun))
    replace(queue, "_do_return_conn", lambda function: _native.watch_function(function, _returned, _returns))
    replace(queue, "dispose", lambda function: _native.watch_function(function, _returned))
    replace(
        base._ConnectionRecord,
        "_ConnectionRecord__connect",
        lambda function: _native.watch_function(function, _connected, _connects),
    )


def watch_engines(library: Any) -> None:
    """Knows from now on which server an engine's pool belongs to. `library` is the module of the engines."""
    for name in ("__init__", "dispose"):
        replace(library.Engine, name, lambda function: _native.watch_function(function, _has_pool))


_engines: "weakref.WeakKeyDictionary[Any, Tuple[str, str]]" = weakref.WeakKeyDictionary()


@quietly
def _has_pool(moment: Any, result: Any, error: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    if error is not None:
        return
    engine = args[0]
    url = engine.url
    driver = f"{_NAME}+{engine.dialect.driver}"
    of = server(url.host, url.port, url.database) if url.host or url.port else str(url.database or "")
    _engines[engine.pool] = (driver, of)


_sites: "weakref.WeakKeyDictionary[Any, _native.PoolSite]" = weakref.WeakKeyDictionary()


def _site_of(pool: Any) -> "_native.PoolSite":
    site = _sites.get(pool)
    if site is None:
        driver, of = _engines.get(pool, (_NAME, ""))
        name = getattr(pool, "_orig_logging_name", None) or type(pool).__name__
        given = name_of_pool(name, driver, of)
        weakref.finalize(pool, free_name, given, name, driver, of).atexit = False
        site = _sites[pool] = _native.PoolSite(given, driver, of)
    return site


def _tell_sizes(pool: Any, site: "_native.PoolSite") -> None:
    kept, ready, taken = pool.size(), pool.checkedin(), pool.checkedout()
    most = kept + pool._max_overflow if pool._max_overflow >= 0 else 0
    site.set_sizes(max(ready + taken, 0), ready, 0, most)
    site.set_in_use(max(taken, 0))


@quietly
def _returns(args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    record = args[1] if len(args) > 1 else kwargs["record"]
    _site_of(args[0]).released(getattr(record, "driver_connection", None))


@quietly
def _returned(moment: Any, result: Any, error: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    _tell_sizes(args[0], _site_of(args[0]))


@quietly
def _connects(args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    POOL.set(_site_of(args[0]._ConnectionRecord__pool))


@quietly
def _connected(moment: Any, result: Any, error: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    POOL.set(None)
