"""A factory of Telegram bots. Each answers its people with an Agno agent that remembers them."""

import asyncio
import collections
import contextlib
import os
import ssl
from typing import AsyncIterator

import httpx
import loopscope
import uvicorn
from agno.agent import Agent
from agno.db.postgres import AsyncPostgresDb
from agno.models.openai import OpenAIChat
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from telegram import Update
from telegram.error import TelegramError
from telegram.ext import Application, ContextTypes, MessageHandler, filters
from telegram.request import HTTPXRequest

DATABASE_URL = os.environ["DATABASE_URL"]
TELEGRAM_URL = os.environ["TELEGRAM_URL"]
TRANSCRIPTS = os.environ.get("TRANSCRIPTS", "/tmp")

# One pool for all bots and for the statistics, far below what the server allows.
engine = create_async_engine(DATABASE_URL, pool_size=10, max_overflow=0, pool_pre_ping=True)
database = AsyncPostgresDb(db_engine=engine)

# Reading the certificate authorities takes a tenth of a second and more: once, before anybody is served.
certificates = ssl.create_default_context()
http_client = httpx.AsyncClient(verify=certificates, timeout=60)


class NewBot(BaseModel):
    name: str
    token: str


class Bot:
    """One bot: its agent, its connection to Telegram, and what it keeps of its people."""

    def __init__(self, name: str, token: str) -> None:
        self.name = name
        self.agent = Agent(
            name=name,
            model=OpenAIChat(id="small", http_client=http_client),
            db=database,
            instructions="You are a friendly assistant.",
            add_history_to_context=True,
            telemetry=False,
        )
        # The last hundred are enough: the database has the rest.
        self.updates: collections.deque = collections.deque(maxlen=100)
        # People are answered side by side, and nobody's answer waits for somebody else's.
        builder = Application.builder().token(token).base_url(f"{TELEGRAM_URL}/bot").concurrent_updates(True)
        builder = builder.request(telegram_request(256)).get_updates_request(telegram_request(1))
        self.application = builder.build()
        self.application.add_handler(MessageHandler(filters.TEXT, self.on_message))

    async def on_message(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        person = str(update.effective_chat.id)
        prompt = update.message.text
        answer = await self.agent.arun(prompt, user_id=person, session_id=f"{self.name}-{person}")
        self.updates.append((update.update_id, prompt))
        await write_transcript(os.path.join(TRANSCRIPTS, f"{self.name}-{person}.txt"), prompt, answer.content)
        await update.message.reply_text(answer.content)

    async def run(self, *, task_status: loopscope.TaskStatus) -> None:
        """Polls until it is stopped."""
        async with self.application:
            await self.application.start()
            await self.application.updater.start_polling()
            task_status.started()
            try:
                await asyncio.Event().wait()
            finally:
                await self.application.updater.stop()
                await self.application.stop()


def telegram_request(connections: int) -> HTTPXRequest:
    return HTTPXRequest(connection_pool_size=connections, httpx_kwargs={"verify": certificates})


@loopscope.offload(workers=1)
def warm_up() -> None:
    """The first answer of a model makes clients and resolves types: nobody is to wait for that."""
    Agent(model=OpenAIChat(id="small"), telemetry=False).run("Hello")


@loopscope.offload(workers=2)
def write_transcript(path: str, prompt: str, answer: str) -> None:
    with open(path, "a") as transcript:
        transcript.write(f"> {prompt}\n{answer}\n")


async def count_sessions() -> None:
    """Statistics for the dashboard, every second."""
    while True:
        async with engine.connect() as connection:
            result = await connection.execute(text("select count(*) from pg_stat_activity"))
            statistics.append(result.scalar_one())
        await asyncio.sleep(1)


statistics: collections.deque = collections.deque(maxlen=3600)


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    await warm_up()
    async with loopscope.Supervisor("factory") as factory:
        factory.spawn("statistics", count_sessions)
        app.state.bots = factory.group("bots")
        yield
        await factory.stop()
    await engine.dispose()


app = FastAPI(title="Bot factory", lifespan=lifespan)


@app.post("/bots")
async def create_bot(new: NewBot) -> dict:
    try:
        await app.state.bots.start(new.name, Bot(new.name, new.token).run)
    except TelegramError as error:
        raise HTTPException(422, f"{new.name} cannot be started: {error}") from error
    return {"name": new.name, "status": "running"}


@app.get("/bots")
async def list_bots() -> dict:
    return {"bots": [bot.name for bot in app.state.bots.children()]}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_level="warning")
