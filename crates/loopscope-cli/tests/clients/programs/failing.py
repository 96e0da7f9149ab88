"""Requests that fail, each in its own way."""
import asyncio
import socket
import urllib.error
import urllib.request

import aiohttp
import httpx
import openai
import requests

import server

HOST = server.start()
MESSAGES = [{"role": "user", "content": "hi"}]


def closed_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{unused.getsockname()[1]}"


def raised(call):
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


async def raised_async(waiting):
    try:
        await waiting
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


CLOSED = closed_port()
CLIENT = dict(base_url=f"http://{HOST}/v1", api_key="sk-secret", max_retries=1)


def sync():
    for status in (404, 429, 503):
        assert requests.get(f"http://{HOST}/status/{status}?token=secret").status_code == status
    assert isinstance(raised(lambda: requests.get(f"http://{CLOSED}/x?token=secret")), requests.ConnectionError)
    error = raised(lambda: urllib.request.urlopen(f"http://{HOST}/status/503?token=secret"))
    assert type(error) is urllib.error.HTTPError and error.read() == b"{}"
    assert httpx.get(f"http://{HOST}/status/500").status_code == 500
    assert isinstance(raised(lambda: httpx.get(f"http://{CLOSED}/x?token=secret")), httpx.ConnectError)
    chat = openai.OpenAI(**CLIENT).chat.completions
    error = raised(lambda: chat.create(model="limited", messages=MESSAGES))
    assert type(error) is openai.RateLimitError and "sk-secret-1234" in str(error)
    error = raised(lambda: chat.create(model="broken", messages=MESSAGES))
    assert type(error) is openai.InternalServerError
    # The last frame is the library's own, as it was.
    traceback = error.__traceback__
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    assert traceback.tb_frame.f_code.co_name == "request", traceback.tb_frame


async def asynchronous():
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://{HOST}/status/503") as response:
            assert response.status == 503
        error = await raised_async(session.get(f"http://{CLOSED}/x?token=secret"))
        assert isinstance(error, aiohttp.ClientConnectorError)
    async with httpx.AsyncClient() as client:
        error = await raised_async(client.get(f"http://{CLOSED}/x?token=secret"))
        assert isinstance(error, httpx.ConnectError)
        task = asyncio.ensure_future(client.get(f"http://{HOST}/slow"))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with openai.AsyncOpenAI(**CLIENT) as client:
        error = await raised_async(client.chat.completions.create(model="limited", messages=MESSAGES))
        assert type(error) is openai.RateLimitError


sync()
asyncio.run(asynchronous())
print(HOST, CLOSED)
