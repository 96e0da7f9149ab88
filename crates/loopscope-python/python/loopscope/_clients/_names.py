"""Names that calls are counted under, few enough for a table of fixed size."""

import re
from typing import Dict, Set

from .. import _native

# Kinds of call, as the recording numbers them.
CALL = 1
REQUEST = 2

# Names of one group that are told apart; a recording has room for 512 of all groups.
MOST_NAMES = 64
# The one that stands for all others.
OTHER = "(other)"

# Longest name of a host: what the name system allows is twice that, and a recording keeps as much.
_LONGEST_HOST = 128

_METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT"))
_ADDRESS = re.compile(r"(https?|wss?)://(?:[^/?#\\]*@)?([^/?#\\@]+)", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9._\-]+(?::\d{1,5})?|\[[0-9a-f:.]+\](?::\d{1,5})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443", "ws": ":80", "wss": ":443"}


class Sites:
    """The sites of one group, by name."""

    def __init__(self, group: str, kind: int = REQUEST) -> None:
        self._group = group
        self._kind = kind
        self._sites: Dict[str, _native.CallSite] = {}

    def named(self, name: str) -> "_native.CallSite":
        """The site of this name, or the one for all others once there are too many."""
        site = self._sites.get(name)
        if site is None:
            if len(self._sites) >= MOST_NAMES:
                name = OTHER
            site = self._sites.get(name)
        if site is None:
            site = self._sites[name] = _native.CallSite(self._group, name, self._kind, True)
        return site

    def request(self, method: object, host: str) -> "_native.CallSite":
        """The site of requests by this method to this host."""
        return self.named(f"{method_of(method)} {host}")


def method_of(method: object) -> str:
    """A method that is one of the known ones."""
    known = method.upper() if isinstance(method, str) else ""
    return known if known in _METHODS else OTHER


def host_of(address: object) -> str:
    """The host of a URL, with a port that is not the scheme's own; nothing else of it."""
    found = _ADDRESS.match(address) if isinstance(address, str) else None
    if found is None:
        return OTHER
    scheme, host = found.group(1).lower(), found.group(2).lower()
    default_port = _DEFAULT_PORTS[scheme]
    return plain_host(host[: -len(default_port)] if host.endswith(default_port) else host)


def plain_host(host: str) -> str:
    """The host, if it is nothing but one."""
    return host if len(host) <= _LONGEST_HOST and _HOST.fullmatch(host) else OTHER
