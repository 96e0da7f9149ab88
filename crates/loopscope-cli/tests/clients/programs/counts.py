"""Calls of every library, a known number of each."""
import asyncio
import http.client
import sys
import urllib.request

import aiohttp
import httpx
import openai
import requests

import server

HOST = server.start()
URL = f"http://user:pass@{HOST}/ok?token=secret"
MESSAGES = [{"role": "user", "content": "hi"}]
CLIENT = dict(base_url=f"http://{HOST}/v1", api_key="sk-secret", max_retries=0)


def use_requests():
    assert requests.get(URL).status_code == 200
    assert requests.get(f"http://{HOST}/redirect").history
    with requests.Session() as session:
        assert session.post(URL, data=b"x").ok
        with session.get(URL, stream=True) as response:
            assert b"".join(response.iter_content()) == b"{}"


def use_standard_library():
    with urllib.request.urlopen(f"http://{HOST}/redirect") as response:
        assert response.status == 200
    request = urllib.request.Request(f"http://{HOST}/ok", data=b"x", method="PUT")
    try:
        urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        assert error.code == 501
    assert urllib.request.urlopen("data:,x").read() == b"x"
    connection = http.client.HTTPConnection(HOST)
    connection.request("HEAD", "/ok")
    assert connection.getresponse().status == 200
    connection.close()


def use_httpx(library):
    assert library.get(URL, follow_redirects=True).status_code == 200
    with library.Client() as client:
        with client.stream("GET", URL) as response:
            assert response.read() == b"{}"


async def use_httpx_async(library):
    async with library.AsyncClient() as client:
        assert (await client.get(URL)).status_code == 200
        assert (await client.post(URL)).status_code == 200
        async with client.stream("GET", URL) as response:
            assert await response.aread() == b"{}"


async def use_aiohttp():
    async with aiohttp.ClientSession() as session:
        async with session.get(URL) as response:
            assert await response.read() == b"{}"
        async with session.post(URL) as response:
            assert response.status == 200
    async with aiohttp.ClientSession(f"http://{HOST}") as session:
        async with session.get("/redirect") as response:
            assert response.status == 200


def use_openai():
    client = openai.OpenAI(**CLIENT)
    chat = client.chat.completions
    assert chat.create(model="ok", messages=MESSAGES).choices[0].message.content == "hello"
    stream = chat.create(model="ok", messages=MESSAGES, stream=True)
    assert type(stream) is openai.Stream
    assert "".join(piece.choices[0].delta.content for piece in stream) == "hello"
    raw = chat.with_raw_response.create(model="ok", messages=MESSAGES)
    assert raw.parse().id == "c"
    assert client.embeddings.create(model="ok", input="x", encoding_format="float").data[0].embedding == [0.5, 0.25]
    assert client.responses.create(model="ok", input="x").id == "r"


async def use_openai_async():
    # A client of the program's own, which counts there where the program uses it itself.
    http_client = httpx.AsyncClient()
    client = openai.AsyncOpenAI(http_client=http_client, **CLIENT)
    chat = client.chat.completions
    assert (await chat.create(model="ok", messages=MESSAGES)).choices[0].message.content == "hello"
    stream = await chat.create(model="ok", messages=MESSAGES, stream=True)
    assert [piece.choices[0].delta.content async for piece in stream] == ["hel", "lo", ""]
    abandoned = await chat.create(model="ok", messages=MESSAGES, stream=True)
    async for _ in abandoned:
        break
    await abandoned.close()
    assert (await http_client.get(URL)).status_code == 200
    await client.close()


async def main():
    await use_httpx_async(httpx)
    await use_aiohttp()
    await use_openai_async()


use_requests()
use_standard_library()
use_httpx(httpx)
if "httpx2" in sys.modules:
    use_httpx(sys.modules["httpx2"])
    asyncio.run(use_httpx_async(sys.modules["httpx2"]))
use_openai()
asyncio.run(main())
print(HOST)
