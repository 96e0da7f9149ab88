"""uvicorn with a plain ASGI application: `web_server.py`. Prints its pid and port, serves for ever."""

import os
import socket

import uvicorn

HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"2")]


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"ok"})


listener = socket.create_server(("127.0.0.1", 0))
# As asyncio does for sockets that it makes itself: head and body are two writes, and the second one must not wait.
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print(os.getpid(), listener.getsockname()[1], flush=True)
config = uvicorn.Config(app, lifespan="off", access_log=False, log_level="warning")
uvicorn.Server(config).run(sockets=[listener])
