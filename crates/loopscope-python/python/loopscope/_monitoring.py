"""The names of a home-made monitor, for programs that call one already."""

from typing import Any, Dict, Optional

from ._health import report
from ._install import Installed, install, uninstall


def start_monitoring(
    interval: Optional[float] = None,
    *,
    service: Optional[str] = None,
    listen: Optional[str] = None,
) -> Installed:
    """As :func:`loopscope.install`. May be called plainly or awaited, any number of times.

    ``interval``, in seconds, is taken so that callers of other monitors need no change: loops are watched
    without a break, and a report is never older than a quarter of a second.

    >>> start_monitoring(interval=30).address is None
    True
    """
    del interval
    return install(service, listen=listen)


def stop_monitoring() -> Installed:
    """As :func:`loopscope.uninstall`. May be called plainly or awaited, any number of times.

    >>> stop_monitoring().recording
    False
    """
    uninstall()
    return Installed(False, None, ())


def get_health_report() -> Dict[str, Any]:
    """As :func:`loopscope.report`: what is known by now, never older than a quarter of a second.

    >>> get_health_report()["monitoring"]["event_loops_count"]
    0
    """
    return report()
