"""What tracking adds to a call of each known library, in nanoseconds: bare and tracked, taking turns.

    loopscope run --listen off -- python bench/tracked_clients.py

Nothing is sent: below what is tracked, each library is given something that answers at once. So the figures are
those of the wrapper, in processor time of the thread, and the ratio is the worst there is. Libraries that are not installed are left out.
"""

import asyncio
import statistics
import time

ROUNDS = 15


def per_call(call, count):
    begun = time.thread_time_ns()
    for _ in range(count):
        call()
    return (time.thread_time_ns() - begun) / count


async def per_await(call, count):
    begun = time.thread_time_ns()
    for _ in range(count):
        await call()
    return (time.thread_time_ns() - begun) / count


def alternate(measure, owner, name, count):
    """Both ways in turns; the class has the bare function for as long as it is measured."""
    tracked = vars(owner)[name]
    original = tracked.__wrapped__
    times = ([], [])
    try:
        for _ in range(ROUNDS + 1):
            for kind, function in enumerate((original, tracked)):
                setattr(owner, name, function)
                times[kind].append(measure(count))
    finally:
        setattr(owner, name, tracked)
    return [statistics.median(taken[1:]) for taken in times]


def show(what, bare, tracked):
    print(f"{what:32} {bare:10,.0f} {tracked:10,.0f} {tracked - bare:9,.0f} {bare / tracked:7.3f}")


def compare(what, owner, name, call, count):
    show(what, *alternate(lambda count: per_call(call, count), owner, name, count))


def compare_async(what, owner, name, call, count):
    loop = asyncio.new_event_loop()
    show(what, *alternate(lambda count: loop.run_until_complete(per_await(call, count)), owner, name, count))
    loop.close()


def measure_requests():
    import requests

    class Adapter(requests.adapters.BaseAdapter):
        def send(self, request, **options):
            response = requests.Response()
            response.status_code, response.request, response.raw = 200, request, None
            response._content, response.url = b"", request.url
            return response

        def close(self):
            pass

    session = requests.Session()
    session.mount("http://", Adapter())
    request = session.prepare_request(requests.Request("GET", "http://api.example.com/x"))
    compare("requests Session.send", requests.Session, "send", lambda: session.send(request), 2_000)


def measure_urllib():
    import io
    import urllib.request

    class Handler(urllib.request.BaseHandler):
        def http_open(self, request):
            return io.BytesIO()

    opener = urllib.request.OpenerDirector()
    opener.add_handler(Handler())
    owner = urllib.request.OpenerDirector
    compare("urllib OpenerDirector.open", owner, "open", lambda: opener.open("http://api.example.com/x"), 2_000)


def measure_httpx():
    import httpx

    transport = httpx.MockTransport(lambda request: httpx.Response(200))
    client = httpx.Client(transport=transport)
    request = client.build_request("GET", "http://api.example.com/x")
    compare("httpx Client.send", httpx.Client, "send", lambda: client.send(request), 500)
    waiting = httpx.AsyncClient(transport=transport)
    compare_async("httpx AsyncClient.send", httpx.AsyncClient, "send", lambda: waiting.send(request), 500)


def measure_openai():
    import openai
    from openai import _base_client

    http = _base_client.httpx2 if hasattr(_base_client, "httpx2") else _base_client.httpx
    body = {"id": "c", "object": "list", "data": [], "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    transport = http.MockTransport(lambda request: http.Response(200, json=body))
    options = dict(model="m", input="x", encoding_format="float")
    client = openai.OpenAI(api_key="x", http_client=http.Client(transport=transport))
    owner = _base_client.SyncAPIClient
    compare("openai embeddings.create", owner, "request", lambda: client.embeddings.create(**options), 100)
    waiting = openai.AsyncOpenAI(api_key="x", http_client=http.AsyncClient(transport=transport))
    owner = _base_client.AsyncAPIClient
    compare_async("openai embeddings.create, async", owner, "request", lambda: waiting.embeddings.create(**options), 100)


def measure_aiohttp():
    import types

    import loopscope._clients.aiohttp as clients

    answered = types.SimpleNamespace(status=200)

    class ClientSession:
        async def _request(self, method, str_or_url, **options):
            return answered

    clients.watch(types.SimpleNamespace(ClientSession=ClientSession))
    session = ClientSession()
    ask = lambda: session._request("GET", "http://api.example.com/x")  # noqa: E731
    compare_async("aiohttp, around nothing", ClientSession, "_request", ask, 5_000)


def measure_agno():
    import types

    import loopscope._clients.agno as clients

    class Agent:
        name = None

        def __init__(self):
            self.name = "Support"

        def run(self, question):
            return "answer"

        def arun(self, question):
            return answer()

    async def answer():
        return "answer"

    library = types.SimpleNamespace(Agent=Agent, __name__=Agent.__module__)
    clients.watch(library)
    agent = Agent()
    compare("agno Agent.run, around nothing", Agent, "run", lambda: agent.run("x"), 20_000)
    compare_async("agno Agent.arun, around nothing", Agent, "arun", lambda: agent.arun("x"), 20_000)


def main():
    print(f"{'':32} {'bare ns':>10} {'tracked ns':>10} {'added':>9} {'ratio':>7}")
    for measure in (measure_requests, measure_urllib, measure_httpx, measure_openai, measure_aiohttp, measure_agno):
        try:
            measure()
        except ImportError as error:
            print(f"left out: {error}")


main()
