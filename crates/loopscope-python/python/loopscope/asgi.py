"""The health endpoint as an ASGI application, for a route of the program's own.

It runs on the program's loop and so answers when that turns. For answers while the loop is blocked,
:func:`loopscope.install` has ``listen``.
"""

from typing import Any, Awaitable, Callable, Dict, List, MutableMapping, Tuple

from ._route import answer_on_loop, question_of

__all__ = ["HealthApp", "health_app"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


class HealthApp:
    """Answers GET and HEAD: ``…/livez`` and ``…/readyz`` with the probes, any other path with the report."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] == "http":
            await _respond(scope, send)
        elif scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})


def health_app() -> HealthApp:
    """An ASGI application that answers with this process's health. It needs no framework.

    FastAPI and Starlette: ``app.add_route("/health", loopscope.asgi.health_app())``, and the same for
    ``/livez`` and ``/readyz``; ``app.mount("/internal", loopscope.asgi.health_app())`` has all three below
    ``/internal``. 200 for healthy and degraded, 503 for critical, as ``/health`` of ``listen``.

    >>> app = health_app()
    >>> callable(app)
    True

    Access: as the program's own routes have it. The report names files and functions of the program.
    """
    return HealthApp()


async def _respond(scope: MutableMapping[str, Any], send: _Send) -> None:
    if scope["method"] not in ("GET", "HEAD"):
        await _send(send, 405, [(b"allow", b"GET, HEAD")], b"only GET and HEAD are answered\n")
        return
    accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
    answer = await answer_on_loop(question_of(scope["path"]), accept.decode("latin-1"))
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers()]
    await _send(send, answer.status, headers, answer.body, scope["method"] == "HEAD")


async def _send(
    send: _Send, status: int, headers: List[Tuple[bytes, bytes]], body: bytes, is_head: bool = False
) -> None:
    length = (b"content-length", str(len(body)).encode())
    start: Dict[str, Any] = {"type": "http.response.start", "status": status, "headers": [*headers, length]}
    await send(start)
    await send({"type": "http.response.body", "body": b"" if is_head else body})


async def _live(receive: _Receive, send: _Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
