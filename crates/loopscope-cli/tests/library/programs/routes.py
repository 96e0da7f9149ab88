"""Asks the ASGI application as a server would."""

import asyncio
import json

import loopscope
from common import check, same


async def ask(path, method="GET", headers=()):
    sent = []

    async def receive():
        raise AssertionError("nothing is received")

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
    await loopscope.asgi.health_app()(scope, receive, send)
    start, body = sent
    same("messages", ["http.response.start", "http.response.body"], [one["type"] for one in sent])
    return start["status"], dict(start["headers"]), body["body"]


async def lifespan():
    inbox = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive():
        return inbox.pop(0)

    async def send(message):
        sent.append(message["type"])

    await loopscope.asgi.health_app()({"type": "lifespan"}, receive, send)
    same("lifespan", ["lifespan.startup.complete", "lifespan.shutdown.complete"], sent)


async def main():
    status, headers, body = await ask("/health")
    same("before install", (200, "degraded"), (status, json.loads(body)["status"]))
    same("a probe before install", 200, (await ask("/livez"))[0])
    loopscope.install(service="routes")
    status, headers, body = await ask("/internal/health/")
    same("status", (200, "healthy", "routes"), (status, json.loads(body)["status"], json.loads(body)["service"]))
    same("type", b"application/json", headers[b"content-type"])
    same("length", str(len(body)).encode(), headers[b"content-length"])
    same("cache", b"no-store", headers[b"cache-control"])
    accept = [(b"accept", b"application/health+json")]
    status, headers, body = await ask("/health", headers=accept)
    same("the other form", (b"application/health+json", "pass"), (headers[b"content-type"], json.loads(body)["status"]))
    status, headers, body = await ask("/readyz")
    same("a probe", (200, b"text/plain; charset=utf-8"), (status, headers[b"content-type"]))
    status, headers, body = await ask("/health", method="HEAD")
    check("no body", status == 200 and body == b"" and int(headers[b"content-length"]) > 0, headers)
    same("no other method", 405, (await ask("/health", method="POST"))[0])
    await lifespan()


asyncio.run(main())
