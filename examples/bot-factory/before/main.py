"""A factory of Telegram bots. Each answers its people with an Agno agent that remembers them."""

import asyncio
import os
import threading

import psycopg
import uvicorn
from agno.agent import Agent
from agno.db.postgres import PostgresDb
from agno.models.openai import OpenAIChat
from fastapi import FastAPI
from pydantic import BaseModel
from telegram import Update
from telegram.ext import Application, ContextTypes, MessageHandler, filters

DATABASE_URL = os.environ["DATABASE_URL"]
TELEGRAM_URL = os.environ["TELEGRAM_URL"]
TRANSCRIPTS = os.environ.get("TRANSCRIPTS", "/tmp")

app = FastAPI(title="Bot factory")


class NewBot(BaseModel):
    name: str
    token: str


class Bot:
    """One bot: its agent, its connection to Telegram, and what it keeps of its people."""

    def __init__(self, name: str, token: str) -> None:
        self.name = name
        self.agent = Agent(
            name=name,
            model=OpenAIChat(id="small"),
            db=PostgresDb(db_url=DATABASE_URL),
            instructions="You are a friendly assistant.",
            add_history_to_context=True,
            telemetry=False,
        )
        self.updates: list = []
        self.transcripts: dict = {}
        self.application = Application.builder().token(token).base_url(f"{TELEGRAM_URL}/bot").build()
        self.application.add_handler(MessageHandler(filters.TEXT, self.on_message))

    async def on_message(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        person = str(update.effective_chat.id)
        prompt = update.message.text
        answer = self.agent.run(prompt, user_id=person, session_id=f"{self.name}-{person}")
        self.remember(person, update, prompt, answer.content)
        await update.message.reply_text(answer.content)

    def remember(self, person: str, update: Update, prompt: str, answer: str) -> None:
        self.updates.append((update.to_json(), prompt, answer * 200))
        if person not in self.transcripts:
            path = os.path.join(TRANSCRIPTS, f"{self.name}-{person}.txt")
            self.transcripts[person] = open(path, "a")
        self.transcripts[person].write(f"> {prompt}\n{answer}\n")

    async def start(self) -> None:
        await self.application.initialize()
        await self.application.start()
        await self.application.updater.start_polling()


bots: dict = {}
start_tasks: dict = {}


@app.post("/bots")
async def create_bot(new: NewBot) -> dict:
    bot = Bot(new.name, new.token)
    bots[new.name] = bot
    start_tasks[new.name] = asyncio.create_task(bot.start())
    return {"name": new.name, "status": "starting"}


@app.get("/bots")
async def list_bots() -> dict:
    return {"bots": sorted(bots)}


async def count_sessions() -> None:
    """Statistics for the dashboard, every second, on a loop of their own."""
    while True:
        connection = await psycopg.AsyncConnection.connect(DATABASE_URL.replace("+psycopg", ""))
        cursor = await connection.execute("select count(*) from pg_stat_activity")
        statistics.append((await cursor.fetchone(), connection))
        await asyncio.sleep(1)


statistics: list = []

if __name__ == "__main__":
    threading.Thread(target=lambda: asyncio.run(count_sessions()), name="statistics", daemon=True).start()
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_level="warning")
