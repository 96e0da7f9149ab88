"""Loopscope makes the hidden problems of event loops visible while they happen.

Under ``loopscope run`` this package is importable without being installed, and watches asyncio by itself.
Everywhere else a program asks for it:

>>> import loopscope
>>> installed = loopscope.install(service="shop")
>>> status = loopscope.report()["status"]

What it cannot know, a program says:

>>> @loopscope.track_call("billing")
... def charge(amount: int) -> int:
...     return amount
>>> charge(3)
3

Nothing here raises into the program, changes a result, or prints. Where nothing is recorded, a tracked call
costs next to nothing.
"""

from typing import TYPE_CHECKING

from . import _agent, _imports, _native
from ._calls import CallTracker, track_agno_call, track_call, track_database_call

if TYPE_CHECKING:
    from . import aiohttp, asgi
    from ._health import report
    from ._install import Installed, LoopscopeError, install, uninstall
    from ._monitoring import get_health_report, start_monitoring, stop_monitoring
    from ._offload import offload
    from ._supervisor import ChildStatus, Supervisor, SupervisorError, TaskStatus

__all__ = [
    "CallTracker",
    "ChildStatus",
    "Installed",
    "LoopscopeError",
    "Supervisor",
    "SupervisorError",
    "TaskStatus",
    "aiohttp",
    "asgi",
    "get_health_report",
    "install",
    "offload",
    "report",
    "start_monitoring",
    "stop_monitoring",
    "track_agno_call",
    "track_call",
    "track_database_call",
    "uninstall",
]

__version__ = _native.VERSION

# What is imported once it is asked for, by the module that has it: a program under ``loopscope run`` that
# never asks does not pay for it.
_LATER = {
    "ChildStatus": "_supervisor",
    "Installed": "_install",
    "LoopscopeError": "_install",
    "Supervisor": "_supervisor",
    "SupervisorError": "_supervisor",
    "TaskStatus": "_supervisor",
    "aiohttp": "",
    "asgi": "",
    "get_health_report": "_monitoring",
    "install": "_install",
    "offload": "_offload",
    "report": "_health",
    "start_monitoring": "_monitoring",
    "stop_monitoring": "_monitoring",
    "uninstall": "_install",
}


def __getattr__(name: str) -> object:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = import_module(f"{__name__}.{module or name}")
    if module:
        found = getattr(found, name)
    globals()[name] = found
    return found


_imports.install()
_agent.begin()
