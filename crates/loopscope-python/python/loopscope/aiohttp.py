"""The health endpoint as a handler for aiohttp, for a route of the program's own.

It runs on the program's loop and so answers when that turns. For answers while the loop is blocked,
:func:`loopscope.install` has ``listen``.
"""

import importlib
from typing import Any

from ._route import answer_on_loop, question_of

__all__ = ["health_handler"]


async def health_handler(request: Any) -> Any:
    """Answers a request with this process's health.

    ``app.router.add_get("/health", loopscope.aiohttp.health_handler)``, and the same for ``/livez`` and
    ``/readyz``: a path that ends so is answered with the probe, any other with the report. 200 for healthy
    and degraded, 503 for critical.
    """
    web: Any = importlib.import_module("aiohttp.web")
    accept = ",".join(request.headers.getall("accept", ()))
    answer = await answer_on_loop(question_of(request.path), accept)
    return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers()))
