"""Installs under `loopscope run`, with or without an endpoint of the supervisor."""

import asyncio
import json
import os
import sys

import loopscope
from common import check, same, until

asyncio.run(asyncio.sleep(0.05))
installed = loopscope.install(service="ignored", listen="127.0.0.1:0")
same("problems", (), installed.problems)
check("it is recorded", installed.recording)
names = [open("/proc/self/task/%s/comm" % thread).read() for thread in os.listdir("/proc/self/task")]
check("no thread is added", not any(name.startswith("loopscope") for name in names), names)
if sys.argv[1] == "asks":
    check("where it answers", installed.address)
    report = until("this process", lambda: [
        one for one in [loopscope.report()]
        if os.getpid() in [process["pid"] for process in one["detailed_health"]["processes"]]
    ])[0]
    check("the run's own name", report["service"] != "ignored", report["service"])

    async def main():
        sent = []

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/health", "headers": []}
        await loopscope.asgi.health_app()(scope, None, send)
        same("the route", report["service"], json.loads(sent[1]["body"])["service"])

    asyncio.run(main())
else:
    same("address", None, installed.address)
    issue, = loopscope.report()["issues"]
    check("who watches", "loopscope run" in issue and "listens nowhere" in issue, issue)
loopscope.uninstall()
print("fine", flush=True)
