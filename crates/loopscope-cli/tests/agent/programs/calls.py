"""Tracked calls of every kind, each checked against what it would be without tracking."""
import asyncio
import copy
import inspect
import pickle
import sys
import threading
import time
import typing
import weakref

import loopscope


@loopscope.track_call("group")
def function(a, b: int = 2, *, c=3):
    "What it does."
    return a + b + c


@loopscope.track_call("group")
async def coroutine(x):
    await asyncio.sleep(0.01)
    return x


@loopscope.track_call("group")
def generator(number):
    received = []
    for index in range(number):
        received.append((yield index))
    return received


@loopscope.track_call("group")
async def async_generator(number):
    for index in range(number):
        await asyncio.sleep(0)
        try:
            yield index
        except KeyError:
            yield "caught"


class Class:
    @loopscope.track_call("group")
    def method(self, x):
        return self, x

    @loopscope.track_call("group")
    @staticmethod
    def static(x):
        return x

    @loopscope.track_call("group")
    @classmethod
    def of_class(cls, x):
        return cls, x

    @property
    @loopscope.track_call("group")
    def property(self):
        return 7


@loopscope.track_agno_call
def fails():
    raise ValueError("oops")


@loopscope.track_database_call("orders")
def query():
    time.sleep(0.15)


def raised(call):
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def check_functions():
    assert function(1) == 6
    assert function(1, b=1, c=1) == 3
    error = raised(function)
    assert "missing 1 required positional argument: 'a'" in str(error), error
    names = []
    traceback = raised(fails).__traceback__
    while traceback is not None:
        names.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    assert names == ["raised", "fails"], names


def check_looks():
    assert (function.__name__, function.__doc__, function.__module__) == ("function", "What it does.", "__main__")
    assert str(inspect.signature(function)) == "(a, b: int = 2, *, c=3)"
    assert typing.get_type_hints(function) == {"b": int}
    assert repr(function).startswith("<function function at")
    assert function.__wrapped__ is not function
    assert pickle.loads(pickle.dumps(function)) is function
    assert copy.deepcopy(function) is function
    assert weakref.ref(function)() is function
    function.attribute = 1
    assert function.attribute == 1
    assert inspect.iscoroutinefunction(coroutine)
    # Deprecated from 3.14 on.
    assert sys.version_info >= (3, 14) or asyncio.iscoroutinefunction(coroutine)
    assert inspect.isgeneratorfunction(generator) and inspect.isasyncgenfunction(async_generator)
    assert not inspect.iscoroutinefunction(function)
    assert not hasattr(function, "no_such_attribute")


def check_methods():
    instance = Class()
    assert instance.method(1) == (instance, 1) and Class.method(instance, x=2) == (instance, 2)
    assert Class.static(1) == 1 and instance.static(2) == 2
    assert Class.of_class(1) == (Class, 1)
    assert instance.property == 7


def check_generators():
    assert list(generator(3)) == [0, 1, 2]
    running = generator(2)
    next(running)
    assert running.send(5) == 1
    try:
        running.send(6)
    except StopIteration as stop:
        assert stop.value == [5, 6]


async def check_async_generators():
    assert [item async for item in async_generator(3)] == [0, 1, 2]
    running = async_generator(3)
    assert await running.asend(None) == 0
    assert await running.athrow(KeyError()) == "caught"
    await running.aclose()


async def main():
    assert await coroutine(3) == 3
    await check_async_generators()
    query()
    asyncio.get_running_loop().call_soon(query)
    await asyncio.sleep(0.01)
    thread = threading.Thread(target=query)
    thread.start()
    await asyncio.sleep(0.2)
    thread.join()
    with loopscope.track_call("blocks", "sync block"):
        time.sleep(0.12)
    async with loopscope.track_call("blocks", "waiting block"):
        await asyncio.sleep(0.12)
    task = asyncio.create_task(coroutine(1))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


check_functions()
check_looks()
check_methods()
check_generators()
asyncio.run(main())
print("done")
