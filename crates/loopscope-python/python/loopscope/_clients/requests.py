"""Requests by `requests`: one call from the first byte to the answer, redirects and retries included.

The body is part of it where `requests` reads it at once, and not with `stream=True`.
"""

from typing import Any

from . import _tracking
from ._names import Sites, host_of


def watch(library: Any) -> None:
    """Tracks every session."""
    sites = Sites("requests")

    def choose(session: Any, request: Any, **kwargs: Any) -> Any:
        return sites.request(request.method, host_of(request.url))

    _tracking.track(library.Session, "send", choose, _end, _tracking.REQUESTS)


def _end(response: Any, running: Any) -> Any:
    _tracking.end_by_status(running, response.status_code)
    return response
