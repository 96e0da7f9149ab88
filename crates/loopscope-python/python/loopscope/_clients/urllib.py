"""Requests by `urllib.request`: whatever an opener opens over HTTP, redirects included, up to the answer's head."""

from typing import Any

from . import _tracking
from ._names import OTHER, Sites, host_of


def watch(library: Any) -> None:
    """Tracks every opener, `urlopen`'s among them."""
    sites = Sites("urllib")

    def choose(opener: Any, fullurl: Any, data: Any = None, timeout: Any = None) -> Any:
        is_request = isinstance(fullurl, library.Request)
        host = host_of(fullurl.full_url if is_request else fullurl)
        if host == OTHER:
            # A file, or an address that is none.
            return None
        return sites.request(_method(fullurl, data, is_request), host)

    _tracking.track(library.OpenerDirector, "open", choose, _end, _tracking.URLLIB)


def _method(fullurl: Any, data: Any, is_request: bool) -> str:
    if is_request:
        method = getattr(fullurl, "method", None)
        data = data if data is not None else fullurl.data
        if method is not None:
            return str(method)
    return "GET" if data is None else "POST"


def _end(response: Any, running: Any) -> Any:
    _tracking.end_by_status(running, getattr(response, "status", None))
    return response
