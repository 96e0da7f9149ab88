"""Runs of Agno's agents, teams and workflows: one call each, from the question to the last word of the answer.

A run counts under the name that the agent was given, else under its class and method. Runs within a run, as of a
team's members, count for themselves. Agno hands a failure back as a result or an event that says so.
"""

import types
from typing import Any

from . import _tracking
from ._names import CALL, Sites

_sites = Sites("agno", CALL)

# The type of error that a run which failed is told with; its own stands in a text only.
_FAILED = "agno.RunStatus.error"
# Events of a stream that say that the run failed, and no run within it: a type's module and name.
_FAILURES = {
    "Agent": ("agno.run.agent", "RunErrorEvent"),
    "Team": ("agno.run.team", "RunErrorEvent"),
    "Workflow": ("agno.run.workflow", "WorkflowErrorEvent"),
}


def watch(library: Any) -> None:
    """Tracks the runs of what this module of Agno defines."""
    for name in _FAILURES:
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

    failure = _FAILURES[kind.__name__]

    def end(result: Any, running: Any) -> Any:
        return _end(result, running, failure)

    _tracking.track(kind, method, choose, end)


def _end(result: Any, running: Any, failure: Any) -> Any:
    """A run ends with its result, or with the events that it streams."""
    if isinstance(result, types.GeneratorType):
        return _tracking.like(result, _events(result, running, failure), running)
    if isinstance(result, types.AsyncGeneratorType):
        return _tracking.like(result, _async_events(result, running, failure), running)
    if isinstance(result, types.CoroutineType):
        return _tracking.follow(result, running, lambda result, running: _end(result, running, failure))
    status = getattr(getattr(result, "status", None), "name", None)
    if status == "error":
        running.failed(_FAILED)
    else:
        running.returned()
    return result


def _events(events: Any, running: Any, failure: Any) -> Any:
    has_failed = False
    try:
        for event in events:
            has_failed = has_failed or _is_failure(event, failure)
            yield event
    except GeneratorExit:
        # Nobody wanted more of it.
        events.close()
        running.returned()
        raise
    except BaseException as error:
        running.raised(error)
        raise
    _end_stream(running, has_failed)


async def _async_events(events: Any, running: Any, failure: Any) -> Any:
    has_failed = False
    try:
        async for event in events:
            has_failed = has_failed or _is_failure(event, failure)
            yield event
    except GeneratorExit:
        await events.aclose()
        running.returned()
        raise
    except BaseException as error:
        running.raised(error)
        raise
    _end_stream(running, has_failed)


def _is_failure(event: Any, failure: Any) -> bool:
    kind = type(event)
    return bool((kind.__module__, kind.__name__) == failure)


def _end_stream(running: Any, has_failed: bool) -> None:
    if has_failed:
        running.failed(_FAILED)
    else:
        running.returned()
