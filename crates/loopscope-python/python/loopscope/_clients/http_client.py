"""Requests that a program makes with `http.client` itself: the wait for the answer's head.

Connections of a type of their own belong to a library, as those of urllib3 do, and those that `urllib.request`
makes are its own calls.
"""

from typing import Any

from . import _tracking
from ._names import Sites, plain_host


def watch(library: Any) -> None:
    """Tracks every connection that is of no library's own type."""
    sites = Sites("http.client")
    own = {library.HTTPConnection: 80}
    if hasattr(library, "HTTPSConnection"):
        own[library.HTTPSConnection] = 443

    def choose(connection: Any) -> Any:
        default_port = own.get(type(connection))
        if default_port is None:
            return None
        port = connection.port
        host = connection.host.lower() + ("" if port == default_port else f":{port}")
        return sites.request(connection._method, plain_host(host))

    _tracking.track(library.HTTPConnection, "getresponse", choose, _end, _tracking.URLLIB)


def _end(response: Any, running: Any) -> Any:
    _tracking.end_by_status(running, response.status)
    return response
