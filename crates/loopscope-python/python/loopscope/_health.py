"""Answers what is asked of the service's health: from this process's monitor, or from whoever watches it."""

import json
import socket
import time
from typing import Any, Dict, NamedTuple, Optional, Tuple

from . import _install, _native

# What can be asked: the report, and the two probes.
QUESTIONS = ("health", "livez", "readyz")

# Seconds that another process may take to answer.
_PATIENCE = 2.0

# What the report says of one that is not watched.
_SCHEMA_VERSION = 1


class Answer(NamedTuple):
    """An answer, apart from all that is HTTP's own."""

    status: int
    content_type: str
    age_seconds: float
    body: bytes

    def headers(self) -> Tuple[Tuple[str, str], ...]:
        """What goes with it over HTTP. A health answer that a proxy kept would be worse than none."""
        return (
            ("content-type", self.content_type),
            ("cache-control", "no-store"),
            ("vary", "accept"),
            ("x-content-type-options", "nosniff"),
            ("loopscope-age-seconds", f"{self.age_seconds:.3f}"),
        )


def report() -> Dict[str, Any]:
    """The report on this process and its children, as ``/health`` serves it: a new dict each time.

    At most a quarter of a second old. ``status`` is ``healthy``, ``degraded`` or ``critical``; ``issues`` has
    a sentence for each thing that makes it so, with the line to blame; all durations are seconds. The keys
    are those of ``schema/report.schema.json``.

    >>> report()["status"] in ("healthy", "degraded", "critical")
    True

    Never raises. Where nobody judges (before :func:`install`, or with ``monitor=False``) the report is degraded
    and says so. Under ``loopscope run``, and in a child that was forked from a process with a monitor, that one
    is asked, which takes about a millisecond.
    """
    try:
        found = json.loads(answer("health").body)
    except ValueError as error:
        found = _statement(f"the report cannot be read: {error}")
    result: Dict[str, Any] = found
    return result


def answer(question: str, accept: str = "") -> Answer:
    """The answer to one of :data:`QUESTIONS`; ``accept`` is the reader's header."""
    monitor = _install.running_monitor()
    if monitor is not None:
        return Answer(*monitor.answer(question, accept))
    remote = _install.remote()
    if remote is None:
        return _without_judge(question, _install.why_nobody_judges())
    if remote.address is None:
        return _without_judge(question, f"{remote.whose} watches this process, and listens nowhere")
    try:
        return _asked(remote.address, remote.token, question, accept)
    except Exception as error:
        return _without_judge(question, f"{remote.whose} does not answer at {remote.address}: {error}")


def is_asked_elsewhere() -> bool:
    """Whether an answer comes from another process, and so may take its time."""
    return _install.remote() is not None


def _asked(address: str, token: Optional[str], question: str, accept: str) -> Answer:
    # By hand: `http.client` takes a tenth of a second to import, which may well be on a loop.
    host, _, port = address.rpartition(":")
    lines = [f"GET /{question} HTTP/1.0", f"host: {address}", f"accept: {accept or 'application/json'}"]
    if token is not None:
        lines.append(f"authorization: Bearer {token}")
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line break in a header")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))
        with connection.makefile("rb") as reader:
            received = reader.read()
    head, _, body = received.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    status = int(first.split(" ")[1])
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    if len(body) != int(fields["content-length"]):
        raise OSError(f"the answer is cut short: {len(body)} of {fields['content-length']} bytes")
    if status not in (200, 503):
        said = body.decode("utf-8", "replace").strip().partition("\n")[0]
        raise OSError(f"{status} {said}")
    age = float(fields.get("loopscope-age-seconds", "0"))
    return Answer(status, fields.get("content-type", "application/json"), age, body)


def _without_judge(question: str, reason: str) -> Answer:
    if question == "health":
        return Answer(200, "application/json", 0.0, json.dumps(_statement(reason)).encode())
    # A probe fails for what was found, and nothing was.
    return Answer(200, "text/plain; charset=utf-8", 0.0, f"ok ({reason})\n".encode())


def _statement(reason: str) -> Dict[str, Any]:
    """A report that says why there is none."""
    return {
        "schema_version": _SCHEMA_VERSION,
        "status": "degraded",
        "service": "",
        "version": _native.VERSION,
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "uptime_seconds": 0.0,
        "components": {"agent": "degraded"},
        "monitoring": {
            "processes_count": 0,
            "event_loops_count": 0,
            "blocked_loops": 0,
            "total_stalls": 0,
        },
        "issues": [reason],
        "incidents": [],
        "detailed_health": {
            "event_loops": [],
            "processes": [],
            "system": [],
            "agent": {
                "samples": 0,
                "failed_samples": 0,
                "dropped": {},
                "worst_lateness_seconds": 0.0,
                "notes": [reason],
            },
        },
    }
