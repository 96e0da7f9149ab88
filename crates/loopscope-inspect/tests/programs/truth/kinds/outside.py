"""Waiting for what is not asyncio: threads, sockets, other loops."""
import asyncio
import concurrent.futures
import socket
import threading

from kinds.plain import await_it
from tell import kept, make

for_ever = threading.Event()


async def in_executor(executor):
    await asyncio.get_running_loop().run_in_executor(executor, for_ever.wait)


async def read_line(reader):
    await reader.readline()


async def read_exactly(reader):
    await reader.readexactly(10)


async def drain(writer):
    await writer.drain()


async def receive(a_socket):
    await asyncio.get_running_loop().sock_recv(a_socket, 1)


async def start():
    executor = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="own-pool")
    for name, which in [("default executor", None), ("own executor", executor), ("queued", executor)]:
        make(in_executor(which), name, primitive="executor")
    make(asyncio.to_thread(for_ever.wait), "to_thread", primitive="executor")
    make(await_it(asyncio.wrap_future(concurrent.futures.Future())), "wrapped future", primitive="executor")
    kept.append(socket.socketpair())
    for one in kept[-1]:
        one.setblocking(False)
    # Of a compiled loop only the frame in the chain says so.
    is_compiled = type(asyncio.get_running_loop()).__module__ == "uvloop"
    make(receive(kept[-1][0]), "sock_recv", primitive=None if is_compiled else "sock_recv")
    await start_streams()


async def start_streams():
    # Nobody accepts its connections, so that nothing comes and what is written piles up.
    server = socket.create_server(("127.0.0.1", 0))
    kept.append(server)
    port = server.getsockname()[1]
    for name, function in [("readline", read_line), ("readexactly", read_exactly)]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        kept.append(writer)
        make(function(reader), name, primitive="stream read", on=reader)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.transport.set_write_buffer_limits(high=0)
    writer.write(bytes(1 << 24))
    kept.append(writer)
    make(drain(writer), "drain", primitive="stream drain")
