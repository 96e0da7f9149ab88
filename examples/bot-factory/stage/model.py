"""As much of the OpenAI API as a chat needs: answers take their time, and can be streamed."""

import asyncio
import json
import random
import time
from typing import Any, Dict, Optional

from aiohttp import web

#: Seconds that an answer takes.
LATENCY = (0.3, 0.6)
WORDS = "Thank you for your message, I have looked into it and this is what I found.".split()


def usage() -> Dict[str, int]:
    return {"prompt_tokens": 40, "completion_tokens": len(WORDS), "total_tokens": 40 + len(WORDS)}


async def models(request: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": "small", "object": "model", "owned_by": "stage"}]})


async def completions(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    latency = random.uniform(*LATENCY)
    common = {"id": f"chatcmpl-{time.monotonic_ns()}", "created": int(time.time()), "model": asked["model"]}
    if asked.get("stream"):
        return await streamed(request, common, latency)
    await asyncio.sleep(latency)
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": " ".join(WORDS)},
    }
    return web.json_response({**common, "object": "chat.completion", "choices": [choice], "usage": usage()})


async def streamed(request: web.Request, common: Dict[str, Any], latency: float) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)

    async def send(delta: Dict[str, str], reason: Optional[str] = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        chunk = {**common, "object": "chat.completion.chunk", "choices": [choice]}
        await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    await send({"role": "assistant", "content": ""})
    for word in WORDS:
        await asyncio.sleep(latency / len(WORDS))
        await send({"content": word + " "})
    await send({}, "stop")
    last = {**common, "object": "chat.completion.chunk", "choices": [], "usage": usage()}
    await response.write(b"data: " + json.dumps(last).encode() + b"\n\ndata: [DONE]\n\n")
    await response.write_eof()
    return response


def routes() -> "list[web.RouteDef]":
    return [web.post("/v1/chat/completions", completions), web.get("/v1/models", models)]
