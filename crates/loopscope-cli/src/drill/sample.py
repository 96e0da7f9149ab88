"""A small healthy service for `loopscope drill`. It ends when nobody holds its standard input any more."""

import asyncio
import signal
import sys


async def answer(reader, writer):
    try:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main():
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    # Nothing is ever written there: it becomes readable at its end.
    loop.add_reader(sys.stdin, stopping.set)
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    await stopping.wait()
    server.close()


asyncio.run(main())
