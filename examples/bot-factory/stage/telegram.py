"""As much of the Telegram Bot API as bots that poll need, and a way for people to talk to them.

Bots call ``/bot<token>/<method>``. The people of ``traffic.py`` call ``/people/say``, ``/people/replies`` and
``/people/tokens``.
"""

import asyncio
import collections
import itertools
import json
import time
from typing import Any, Deque, Dict, List

from aiohttp import web

#: As Telegram's own limit: a bot that sends more is told to wait.
MESSAGES_A_SECOND = 30
LONGEST_POLL = 50


class Bot:
    """What Telegram knows of one bot."""

    def __init__(self, number: int, token: str) -> None:
        self.user = {"id": number, "is_bot": True, "first_name": token.split(":")[0], "username": f"bot{number}_bot"}
        self.revoked = False
        self.updates: Deque[Dict[str, Any]] = collections.deque()
        self.arrived = asyncio.Event()
        self.sent: Deque[float] = collections.deque()
        #: When each message was sent that has had no answer yet, by chat.
        self.asked: Dict[int, float] = {}
        self.latencies: List[float] = []


class Telegram:
    """All bots."""

    def __init__(self) -> None:
        self.bots: Dict[str, Bot] = {}
        self.numbers = itertools.count(1)

    def routes(self) -> List[web.RouteDef]:
        return [
            web.route("*", "/bot{token}/{method}", self.call),
            web.post("/people/tokens", self.tokens),
            web.post("/people/say", self.say),
            web.get("/people/replies", self.replies),
        ]

    async def call(self, request: web.Request) -> web.Response:
        bot = self.bots.get(request.match_info["token"])
        if bot is None or bot.revoked:
            return refusal(401, "Unauthorized")
        fields: Dict[str, Any] = dict(request.query)
        if request.content_type == "application/json":
            fields.update(await request.json())
        else:
            fields.update(await request.post())
        method = getattr(self, "method_" + request.match_info["method"].lower(), None)
        if method is None:
            return refusal(404, "Not Found: method not found")
        answer: web.Response = await method(bot, fields)
        return answer

    async def method_getme(self, bot: Bot, fields: Dict[str, Any]) -> web.Response:
        return result(bot.user)

    async def method_deletewebhook(self, bot: Bot, fields: Dict[str, Any]) -> web.Response:
        return result(True)

    async def method_sendchataction(self, bot: Bot, fields: Dict[str, Any]) -> web.Response:
        return result(True)

    async def method_getupdates(self, bot: Bot, fields: Dict[str, Any]) -> web.Response:
        offset = int(fields.get("offset") or 0)
        until = time.monotonic() + min(float(fields.get("timeout") or 0), LONGEST_POLL)
        while True:
            while bot.updates and bot.updates[0]["update_id"] < offset:
                bot.updates.popleft()
            left = until - time.monotonic()
            if bot.updates or left <= 0:
                return result(list(bot.updates)[: int(fields.get("limit") or 100)])
            bot.arrived.clear()
            try:
                await asyncio.wait_for(bot.arrived.wait(), left)
            except asyncio.TimeoutError:
                pass

    async def method_sendmessage(self, bot: Bot, fields: Dict[str, Any]) -> web.Response:
        now = time.monotonic()
        while bot.sent and now - bot.sent[0] > 1:
            bot.sent.popleft()
        if len(bot.sent) >= MESSAGES_A_SECOND:
            return refusal(429, "Too Many Requests: retry after 1", {"retry_after": 1})
        bot.sent.append(now)
        chat = int(fields["chat_id"])
        asked = bot.asked.pop(chat, None)
        if asked is not None:
            bot.latencies.append(now - asked)
        return result(message(next(self.numbers), chat, bot.user, fields["text"]))

    async def tokens(self, request: web.Request) -> web.Response:
        """Makes a bot, or revokes its token."""
        asked = await request.json()
        bot = self.bots.get(asked["token"])
        if bot is None:
            bot = self.bots[asked["token"]] = Bot(next(self.numbers), asked["token"])
        bot.revoked = asked.get("revoked", False)
        return result(bot.user)

    async def say(self, request: web.Request) -> web.Response:
        """A person says something to a bot."""
        asked = await request.json()
        bot, chat = self.bots[asked["token"]], asked["chat"]
        person = {"id": chat, "is_bot": False, "first_name": f"Person {chat}"}
        bot.asked.setdefault(chat, time.monotonic())
        bot.updates.append(
            {"update_id": next(self.numbers), "message": message(next(self.numbers), chat, person, asked["text"])}
        )
        bot.arrived.set()
        return result(True)

    async def replies(self, request: web.Request) -> web.Response:
        """How long people waited for answers so far, in seconds, and how many wait now."""
        bots = self.bots.values()
        waiting = sum(len(bot.asked) for bot in bots)
        return result({"seconds": [one for bot in bots for one in bot.latencies], "waiting": waiting})


def message(number: int, chat: int, sender: Dict[str, Any], text: str) -> Dict[str, Any]:
    return {
        "message_id": number,
        "date": int(time.time()),
        "chat": {"id": chat, "type": "private", "first_name": f"Person {chat}"},
        "from": sender,
        "text": text,
    }


def result(value: Any) -> web.Response:
    return web.json_response({"ok": True, "result": value})


def refusal(code: int, description: str, parameters: Any = None) -> web.Response:
    body = {"ok": False, "error_code": code, "description": description}
    if parameters:
        body["parameters"] = parameters
    return web.Response(status=code, text=json.dumps(body), content_type="application/json")
