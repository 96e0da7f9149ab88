"""People who make bots and chat with them: ``traffic.py``, with the environment that the stage says.

Three bots are made, one of them with a token that was revoked. Then people chat with the others, each sending the
next message some time after the last. Prints one line of JSON: how long the answers took.
"""

import argparse
import asyncio
import json
import os
import random
from typing import Any, Dict, List

import aiohttp

BOTS = {"anna": "anna:AAH", "bert": "bert:AAH", "carl": "carl:AAH"}
REVOKED = "carl"


class Traffic:
    """All that people do."""

    def __init__(self, session: aiohttp.ClientSession, people: int, seconds: float) -> None:
        self.session = session
        self.telegram = os.environ["TELEGRAM_URL"]
        self.factory = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"
        self.people = people
        self.seconds = seconds
        self.said = 0
        self.health: List[float] = []

    async def run(self) -> Dict[str, Any]:
        await self.factory_is_up()
        for name, token in BOTS.items():
            await self.post(f"{self.telegram}/people/tokens", {"token": token, "revoked": name == REVOKED})
            await self.post(f"{self.factory}/bots", {"name": name, "token": token})
        loop = asyncio.get_running_loop()
        until = loop.time() + self.seconds
        chats = [self.chat(number, until) for number in range(1, self.people + 1)]
        await asyncio.gather(self.look(until), *chats)
        return await self.result()

    async def factory_is_up(self) -> None:
        for _ in range(600):
            try:
                async with self.session.get(f"{self.factory}/bots"):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
        raise SystemExit(f"nobody answers at {self.factory}")

    async def chat(self, number: int, until: float) -> None:
        name = random.choice([name for name in BOTS if name != REVOKED])
        loop = asyncio.get_running_loop()
        await asyncio.sleep(random.uniform(0, 2))
        while loop.time() < until:
            words = {"token": BOTS[name], "chat": number, "text": f"Hello, this is message {self.said}"}
            await self.post(f"{self.telegram}/people/say", words)
            self.said += 1
            await asyncio.sleep(random.uniform(1, 3))

    async def look(self, until: float) -> None:
        """Somebody has the dashboard open."""
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            began = loop.time()
            async with self.session.get(f"{self.factory}/bots") as answer:
                await answer.read()
            self.health.append(loop.time() - began)
            await asyncio.sleep(0.25)

    async def result(self) -> Dict[str, Any]:
        async with self.session.get(f"{self.telegram}/people/replies") as answer:
            replies = (await answer.json())["result"]
        return {
            "people": self.people,
            "messages": self.said,
            "answers": len(replies["seconds"]),
            "waiting": replies["waiting"],
            "answer_seconds": figures(replies["seconds"]),
            "dashboard_seconds": figures(self.health),
        }

    async def post(self, url: str, body: Dict[str, Any]) -> None:
        async with self.session.post(url, json=body) as answer:
            await answer.read()


def figures(seconds: List[float]) -> Dict[str, float]:
    ordered = sorted(seconds) or [0.0]

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)

    return {"p50": at(0.5), "p95": at(0.95), "max": at(1.0)}


async def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--people", type=int, default=20)
    arguments.add_argument("--seconds", type=float, default=20)
    given = arguments.parse_args()
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        print(json.dumps(await Traffic(session, given.people, given.seconds).run()))


asyncio.run(main())
