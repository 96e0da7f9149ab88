"""A FastAPI service, `shop.py faulty|healthy`: prints its port, serves until it is ended.

`GET /orders` is cheap. `POST /run` takes 0.2 s, like a call of a model: the faulty one keeps its loop for that time,
and leaves a task behind; the healthy one awaits it.
"""

import asyncio
import socket
import sys
import time

import uvicorn
from fastapi import FastAPI, Request

FAULTY = sys.argv[1] == "faulty"

app = FastAPI()
kept = []


async def follow_up():
    await asyncio.Event().wait()


def ask_model():
    time.sleep(0.2)  # BLAME


@app.get("/orders")
async def orders():
    return {"orders": []}


@app.post("/run")
async def run(request: Request):
    prompt = await request.json()
    if FAULTY:
        ask_model()
        kept.append(asyncio.create_task(follow_up()))
    else:
        await asyncio.sleep(0.2)
    return {"answer": prompt["prompt"]}


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
config = uvicorn.Config(app, lifespan="off", access_log=False, log_level="warning")
uvicorn.Server(config).run(sockets=[listener])
