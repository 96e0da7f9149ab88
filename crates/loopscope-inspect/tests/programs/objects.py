"""Objects of every kind that is read, and what must stand in each of their fields: `field object word`."""
import asyncio
import functools
import struct
import sys
import types
import weakref

kept = []


def field(name, of, word):
    """The field of an object that must hold this object."""
    kept.append((of, word))
    print(name, id(of), id(word))


def number(name, of, word):
    """The field of an object that must hold this number."""
    kept.append(of)
    print(name, id(of), word)


class Slotted:
    __slots__ = ("_when",)


class Plain:
    def method(self):
        pass


def closing(value):
    def inner():
        return value

    return inner


async def generator_of(awaitable):
    yield await awaitable


@types.coroutine
def yielding():
    yield


async def through(awaitable):
    await awaitable


class Holder:
    async def wait(self, awaitable):
        await awaitable

    async def wait_with_inner(self, awaitable):
        def inner():
            return self

        await awaitable


def containers():
    item, marker = object(), object()
    field("tuple_items", (item, 1), item)
    number("set_used", {marker}, 1)
    number("set_fill", {marker}, 1)
    number("set_mask", {marker}, 7)
    field("set_entry", {marker}, marker)
    field("list_item", [item, 1], item)
    field("cell", closing(item).__closure__[0], item)
    field("weak_reference", weakref.ref(main), main)
    number("float", 2.5, struct.unpack("<Q", struct.pack("<d", 2.5))[0])
    field("module_dict", asyncio, asyncio.__dict__)
    error = ValueError("text", 1)
    field("exception_arguments", error, error.args)


def callables():
    function = closing(1)
    field("function_code", function, function.__code__)
    field("function_closure", function, function.__closure__)
    field("function_qualified_name", function, function.__qualname__)
    plain = Plain()
    method = plain.method
    field("method_function", method, Plain.method)
    field("method_self", method, plain)
    items = []
    field("builtin_self", items.append, items)
    partial = functools.partial(function, 1, 2)
    field("partial_function", partial, function)
    field("partial_arguments", partial, partial.args)


def classes():
    field("type_mro", Slotted, Slotted.__mro__)
    field("type_base", Slotted, object)
    number("type_basic_size", Slotted, Slotted.__basicsize__)
    number("type_dict_offset", Exception, Exception.__dictoffset__)
    number("type_weak_list_offset", set, set.__weakrefoffset__)
    number("member_offset", Slotted, 16)


def generators():
    created = through(yielding())
    field("generator_name", created, created.__name__)
    field("generator_qualified_name", created, created.__qualname__)
    number("state_created", created, 0)
    inner = yielding()
    awaiting = through(inner)
    awaiting.send(None)
    number("state_awaiting", awaiting, id(inner))
    number("state_yielding", inner, 0)
    ended = through(asyncio.sleep(0))
    try:
        while True:
            ended.send(None)
    except StopIteration:
        number("state_ended", ended, 0)
    kept.append(created.close)
    holder = Holder()
    for wait in (holder.wait, holder.wait_with_inner):
        inner = yielding()
        waiting = wait(inner)
        waiting.send(None)
        field("local_" + wait.__name__, waiting, holder)


def wrappers():
    generator = generator_of(yielding())
    field("async_generator_step", generator.asend(None), generator)
    field("async_generator_step", generator.athrow(ValueError), generator)
    coroutine = through(yielding())
    field("coroutine_wrapper", coroutine.__await__(), coroutine)
    if sys.version_info >= (3, 10):
        step = generator_of(yielding()).asend(None)
        defaulted = anext(Stepping(step), None)
        field("anext_awaitable", defaulted, step)


class Stepping:
    def __init__(self, step):
        self.step = step

    def __anext__(self):
        return self.step


async def main():
    running = asyncio.current_task()
    number("state_running", running.get_coro(), 0)
    event_loop = asyncio.get_running_loop()
    future = event_loop.create_future()
    field("future_iterator", iter(future), future)
    waiter = event_loop.create_task(through(future))
    await asyncio.sleep(0)
    field("task_waiter", waiter, future)
    containers()
    callables()
    classes()
    generators()
    wrappers()
    print("ready", flush=True)
    sys.stdin.readline()


asyncio.run(main())
