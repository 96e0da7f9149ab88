"""uvicorn with FastAPI: `fastapi_server.py asyncio|uvloop`. Prints its pid and port, serves for ever."""

import os
import socket
import sys

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def root():
    return {"ok": True}


listener = socket.create_server(("127.0.0.1", 0))
# As asyncio does for sockets that it makes itself: head and body are two writes, and the second one must not wait.
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print(os.getpid(), listener.getsockname()[1], flush=True)
# Its clients ask when it is its turn.
options = {"lifespan": "off", "access_log": False, "log_level": "warning", "timeout_keep_alive": 600}
config = uvicorn.Config(app, loop=sys.argv[1], **options)
uvicorn.Server(config).run(sockets=[listener])
