"""What is tracked is what it was: looks, copies, mocks, subclasses."""
import asyncio
import copy
import inspect
import pickle
import sys
import types
import urllib.request
import warnings
from unittest import mock

import agno.agent
import aiohttp
import httpx
import openai
import requests
import respx

import server

HOST = server.start()
URL = f"http://{HOST}/ok"
SYNC = [
    (requests.Session, "send"),
    (httpx.Client, "send"),
    (urllib.request.OpenerDirector, "open"),
    (agno.agent.Agent, "run"),
    (agno.agent.Agent, "arun"),
]
ASYNC = [(httpx.AsyncClient, "send"), (aiohttp.ClientSession, "_request")]


def check_looks():
    for owner, name in SYNC + ASYNC:
        function = getattr(owner, name)
        assert function.__name__ == name and function.__qualname__ == f"{owner.__name__}.{name}", function
        assert list(inspect.signature(function).parameters)[0] == "self"
        assert isinstance(function, types.FunctionType) and inspect.isfunction(function)
        assert inspect.iscoroutinefunction(function) == ((owner, name) in ASYNC)
        assert pickle.loads(pickle.dumps(function)) is function
        assert copy.deepcopy(function) is function
        assert inspect.getsource(function).lstrip().startswith(("def ", "async def "))
    print(inspect.signature(requests.Session.send), inspect.signature(agno.agent.Agent.run))


def check_mocks():
    with mock.patch("requests.get", return_value=1):
        assert requests.get(URL) == 1
    with mock.patch.object(requests.Session, "send", autospec=True) as send:
        session = requests.Session()
        session.send("a request")
        send.assert_called_once_with(session, "a request")
    mock.create_autospec(requests.Session)().send("a request")
    mock.create_autospec(agno.agent.Agent, instance=True).run("hi")
    with mock.patch.object(httpx.AsyncClient, "send", autospec=True) as send:
        assert asyncio.run(get_async()) is send.return_value.status_code
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="mocked"))
    assert httpx.Client(transport=transport).get(URL).text == "mocked"
    with respx.mock:
        respx.get(URL).respond(204)
        assert httpx.get(URL).status_code == 204
        assert asyncio.run(get_async()) == 204
    assert requests.get(URL).status_code == 200


async def get_async():
    async with httpx.AsyncClient() as client:
        return (await client.get(URL)).status_code


class Own(requests.Session):
    def send(self, request, **options):
        options["timeout"] = 5
        return super().send(request, **options)


class Other(requests.Session):
    def send(self, request, **options):
        return "something else"


def check_subclasses():
    assert Own().get(URL).status_code == 200
    assert Other().get(URL) == "something else"
    session = pickle.loads(pickle.dumps(requests.Session()))
    response = pickle.loads(pickle.dumps(session.get(URL)))
    assert response.status_code == 200


def check_warnings():
    """A warning is told of the line that it was told of before."""
    def open_deprecated(self, fullurl, data=None, timeout=None):
        warnings.warn("deprecated", DeprecationWarning, 2)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with mock.patch.object(urllib.request.HTTPHandler, "http_open", open_deprecated):
            try:
                urllib.request.urlopen(URL)
            except urllib.error.URLError:
                pass
    print([warning.filename.rpartition("/")[2] for warning in caught])


def check_errors():
    for call in (lambda: requests.Session().send(), lambda: httpx.Client().send(), lambda: agno.agent.Agent().run()):
        try:
            call()
        except TypeError as error:
            print(error)


def check_arguments_after_a_stream():
    generator = agno.agent.Agent(telemetry=False).run("hi", stream=True)
    assert inspect.isgenerator(generator)
    print(generator.__name__, generator.__qualname__)
    generator.close()
    waiting = agno.agent.Agent(telemetry=False).arun("hi")
    assert inspect.iscoroutine(waiting)
    print(waiting.__name__, waiting.__qualname__)
    waiting.close()
    waiting = agno.agent.Agent(telemetry=False).arun("hi", stream=True)
    assert inspect.isasyncgen(waiting)
    print(waiting.__name__, waiting.__qualname__)


check_looks()
check_mocks()
check_subclasses()
check_warnings()
check_errors()
check_arguments_after_a_stream()
assert "loopscope" not in {name for name in vars(openai)}
print("done")
