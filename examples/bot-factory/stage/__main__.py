"""The world around the bot factory: ``python examples/bot-factory/stage``.

Starts PostgreSQL, a model provider and Telegram on 127.0.0.1, says where they are on its first line (JSON of
environment variables for the factory and the traffic), and runs until it is told to end.
"""

import asyncio
import json
import signal
import socket
from typing import Any, List

from aiohttp import web

import model
import postgres
import telegram


async def serve(routes: List[Any]) -> str:
    """Serves on a free port, and says where."""
    app = web.Application()
    app.add_routes(routes)
    # Long polls need not be waited for.
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


async def main() -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    cluster = await loop.run_in_executor(None, postgres.Cluster)
    try:
        where = {
            "DATABASE_URL": cluster.url,
            "OPENAI_BASE_URL": await serve(model.routes()) + "/v1",
            "OPENAI_API_KEY": "not-needed-here",
            "TELEGRAM_URL": await serve(telegram.Telegram().routes()),
        }
        print(json.dumps(where), flush=True)
        await ended.wait()
    finally:
        cluster.stop()


asyncio.run(main())
