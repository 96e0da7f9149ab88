"""An aiohttp application that watches itself."""

import sys
import time

import loopscope
from aiohttp import web

loopscope.install(service="web")


async def ok(_):
    return web.Response(text="ok")


async def block(_):
    time.sleep(1)
    return web.Response(text="blocked")


app = web.Application()
app.router.add_get("/ok", ok)
app.router.add_get("/block", block)
for path in ("/health", "/internal/health", "/livez", "/readyz"):
    app.router.add_get(path, loopscope.aiohttp.health_handler)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
