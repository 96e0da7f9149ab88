"""Loopscope makes the hidden problems of event loops visible while they happen.

Under ``loopscope run`` this package is importable without being installed, and watches asyncio by itself. What
it cannot know, a program says:

>>> import loopscope
>>> @loopscope.track_call("billing")
... def charge(amount: int) -> int:
...     return amount
>>> charge(3)
3

Nothing here raises into the program, changes a result, or prints. Where nothing is recorded, a tracked call
costs next to nothing.
"""

from . import _agent, _imports
from ._calls import CallTracker, track_agno_call, track_call, track_database_call

__all__ = [
    "CallTracker",
    "track_agno_call",
    "track_call",
    "track_database_call",
]

_imports.install()
_agent.begin()
