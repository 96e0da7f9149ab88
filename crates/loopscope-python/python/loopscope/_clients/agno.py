"""Runs of Agno's agents, teams and workflows: one call each, from the question to the last word of the answer.

A run counts under the name that the agent was given, else under its class and method. Runs within a run, as of a
team's members, count for themselves.
"""

from typing import Any

from . import _tracking
from ._names import CALL, Sites

_sites = Sites("agno", CALL)


def watch(library: Any) -> None:
    """Tracks the runs of what this module of Agno defines."""
    for name in ("Agent", "Team", "Workflow"):
        kind = vars(library).get(name)
        if isinstance(kind, type) and kind.__module__ == library.__name__:
            _track(kind, "run")
            _track(kind, "arun")


def _track(kind: Any, method: str) -> None:
    def choose(runner: Any, *args: Any, **kwargs: Any) -> Any:
        name = vars(runner).get("name")
        if isinstance(name, str) and name:
            return _sites.named(name)
        return _sites.named(f"{type(runner).__qualname__}.{method}")

    _tracking.track(kind, method, choose, _end)


def _end(result: Any, running: Any) -> Any:
    return _tracking.follow(result, running, _judge)


def _judge(result: Any, running: Any) -> Any:
    """Agno hands some failures back as a result that says so."""
    status = getattr(getattr(result, "status", None), "name", None)
    if status == "error":
        running.failed("RunStatus.error")
    else:
        running.returned()
    return result
