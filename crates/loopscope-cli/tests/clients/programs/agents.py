"""Runs of Agno's agents and teams against the server, a known number of each."""
import asyncio
import logging
import sys

from agno.agent import Agent
from agno.models.openai import OpenAIChat
from agno.team import Team

import server

HOST = server.start()


def agent(model="ok", **options):
    chat = OpenAIChat(id=model, base_url=f"http://{HOST}/v1", api_key="sk-secret", max_retries=0)
    return Agent(model=chat, telemetry=False, **options)


def team():
    chat = OpenAIChat(id="ok", base_url=f"http://{HOST}/v1", api_key="sk-secret")
    return Team(members=[agent(name="Member")], model=chat, telemetry=False)


def sync():
    assert agent(name="Support").run("hi").content == "hello"
    assert agent().run("hi").content == "hello"
    pieces = [event.content for event in agent(name="Support").run("hi", stream=True)]
    assert "".join(filter(None, pieces)).startswith("hello"), pieces
    abandoned = agent(name="Abandoned").run("hi", stream=True)
    next(abandoned)
    del abandoned
    assert team().run("hi").content == "hello"


async def asynchronous():
    # One client for all: each that is made reads the certificates of the machine anew.
    many = agent(name="Many")
    answers = [await many.arun("hi"), *await asyncio.gather(*(many.arun("hi") for _ in range(49)))]
    assert [answer.content for answer in answers] == ["hello"] * 50
    pieces = [event.content async for event in agent(name="Support").arun("hi", stream=True)]
    assert "".join(filter(None, pieces)).startswith("hello"), pieces
    assert (await team().arun("hi")).content == "hello"
    task = asyncio.ensure_future(agent("slow", name="Cancelled").arun("hi"))
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def failing():
    for model in ("limited", "broken"):
        outcome(lambda: agent(model, name="Failing").run("hi"))
        outcome(lambda: list(agent(model, name="Failing stream").run("hi", stream=True)))
        outcome(lambda: asyncio.run(agent(model, name="Failing async").arun("hi")))


def outcome(run):
    """Agno raises some errors, and returns others."""
    try:
        run()
    except Exception:
        pass


async def block():
    answer = agent("slower", name="Blocking").run("hi")
    assert answer.content == "hello"
    await asyncio.sleep(0.05)
    await asyncio.to_thread(agent("slow", name="In a thread").run, "hi")


async def healthy():
    one = agent(name="Healthy")
    await one.arun("hi")
    await asyncio.gather(*(one.arun("hi") for _ in range(50)))


logging.disable(logging.CRITICAL)
scenario = sys.argv[1]
if scenario == "counts":
    sync()
    asyncio.run(asynchronous())
elif scenario == "failing":
    failing()
else:
    # What is imported by the first run, and takes its time, is no matter of these.
    agent(name="First").run("hi")
    asyncio.run(block() if scenario == "blocking" else healthy())
print("done")
