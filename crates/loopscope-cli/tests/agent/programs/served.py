"""An ASGI application that says which process answers, and has a task do so."""
import asyncio
import os

VERSION = 1


async def work():
    await asyncio.sleep(0)
    return f"{os.getpid()} {VERSION}".encode()


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = await asyncio.create_task(work())
    headers = [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
