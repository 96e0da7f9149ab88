"""Requests by httpx, and by httpx2 after it: one call from the first byte to the answer, redirects and authentication included.

The body is part of it where httpx reads it at once, and not where it is streamed. A request that another
library makes of which calls are tracked, as openai's are, is a part of that call and counts there alone.
"""

from typing import Any

from . import _tracking
from ._names import Sites, plain_host


_sites = Sites("httpx")


def watch(library: Any) -> None:
    """Tracks every client, sync and async."""
    _tracking.track(library.Client, "send", _choose, _end, _tracking.HTTPX)
    _tracking.track(library.AsyncClient, "send", _choose, _end)


def _choose(client: Any, request: Any, **kwargs: Any) -> Any:
    if request in _tracking.spoken_for:
        return None
    host = plain_host(request.url.netloc.decode("ascii"))
    return _sites.request(request.method, host)


def _end(response: Any, running: Any) -> Any:
    _tracking.end_by_status(running, response.status_code)
    return response
