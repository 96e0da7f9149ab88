"""Requests by aiohttp's client: one call up to the answer's head, redirects included."""

from typing import Any

from . import _tracking
from ._names import OTHER, Sites, host_of


def watch(library: Any) -> None:
    """Tracks every session."""
    sites = Sites("aiohttp")

    def choose(session: Any, method: Any, str_or_url: Any, **kwargs: Any) -> Any:
        host = _host(str_or_url)
        if host == OTHER:
            host = _host(getattr(session, "_base_url", None))
        return sites.request(method, host)

    _tracking.track(library.ClientSession, "_request", choose, _end)


def _host(address: Any) -> str:
    return host_of(address if isinstance(address, str) else str(address))


def _end(response: Any, running: Any) -> Any:
    _tracking.end_by_status(running, response.status)
    return response
