"""A FastAPI service with a pool of its own. Its `/state` is what a drill must leave as it was.

First argument: `shop`, or `none` for one without a pool.
"""

import asyncio
import os
import sys
import tempfile
import threading

import uvicorn
from fastapi import FastAPI

engine = None
if sys.argv[1] == "shop":
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import QueuePool

    folder = tempfile.TemporaryDirectory()
    engine = create_engine(f"sqlite:///{folder.name}/shop.db", poolclass=QueuePool, pool_size=2, max_overflow=1)

app = FastAPI()


@app.get("/orders")
def orders():
    if engine is not None:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1")).all()
    return {"orders": []}


@app.get("/state")
async def state():
    tasks = asyncio.all_tasks()
    return {
        "pid": os.getpid(),
        "runtime": os.environ["LOOPSCOPE_RUNTIME_DIR"],
        "drill_modules": [name for name in sys.modules if "loopscope" in name and "drill" in name],
        "drill_tasks": sum(task.get_name() == "loopscope-drill" for task in tasks),
        "tasks": len(tasks),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "checked_out": engine.pool.checkedout() if engine is not None else 0,
    }


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets=sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)


Server(uvicorn.Config(app, port=0, log_level="error")).run()
