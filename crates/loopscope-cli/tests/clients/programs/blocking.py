"""Synchronous calls on a running loop, and the same where they hold nothing up."""
import asyncio
import sys
import urllib.request

import httpx
import openai
import requests

import server

HOST = server.start()
SLOW = f"http://{HOST}/slow?token=secret"
MESSAGES = [{"role": "user", "content": "hi"}]
client = openai.OpenAI(base_url=f"http://{HOST}/v1", api_key="sk-secret")


def with_requests():
    assert requests.get(SLOW).status_code == 200


def with_httpx():
    assert httpx.get(SLOW).status_code == 200


def with_urllib():
    assert urllib.request.urlopen(SLOW).status == 200


def with_openai():
    assert client.chat.completions.create(model="slow", messages=MESSAGES).id == "c"


CALLS = {"requests": with_requests, "httpx": with_httpx, "urllib": with_urllib, "openai": with_openai}


async def handler(name):
    CALLS[name]()


async def main(names):
    for name in names:
        await asyncio.create_task(handler(name))
        await asyncio.sleep(0.3)
    # In a thread they hold nothing up.
    await asyncio.gather(*(asyncio.get_running_loop().run_in_executor(None, CALLS[name]) for name in names))
    # And called back by the loop itself they do.
    asyncio.get_running_loop().call_soon(CALLS[names[0]])
    await asyncio.sleep(0.6)


asyncio.run(main(sys.argv[1:]))
print(HOST)
