"""A FastAPI application that watches itself, for uvicorn and gunicorn."""

import time

import loopscope
from fastapi import FastAPI

loopscope.install(service="web")

app = FastAPI()
for path in ("/health", "/livez", "/readyz"):
    app.add_route(path, loopscope.asgi.health_app())
app.mount("/internal", loopscope.asgi.health_app())


@app.get("/ok")
async def ok():
    return {"ok": True}


@app.get("/block")
async def block():
    time.sleep(1)
    return {"blocked": True}
