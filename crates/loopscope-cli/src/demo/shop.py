"""A small shop: an HTTP API on one asyncio loop, a stock keeper on a second one in its own thread.

It looks like a service that works. Three of its handlers and one of its background jobs do something
that an event loop must never do; each of them was written by somebody in a hurry.
"""

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
import time

SLUG = re.compile(r"(\w+\s?)+$")


async def orders(_):
    await asyncio.sleep(0.005)
    return {"orders": [{"id": 7, "total": 42}]}


def fetch_rates():
    time.sleep(1.5)
    return {"EUR": 1.0}


async def convert(total):
    return total * fetch_rates()["EUR"]


async def invoice(_):
    await asyncio.sleep(0.01)
    return {"total": await convert(42)}


async def search(shop):
    return {"valid": SLUG.match(shop.hostile_query) is not None}


async def import_prices(_):
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    prices = []

    def take_price(row):
        prices.append(json.loads(json.dumps({"row": row, "price": row * 3})))
        if len(prices) == 60_000:
            done.set_result(None)

    for row in range(60_000):
        loop.call_soon(take_price, row)
    await done
    return {"imported": len(prices)}


async def export(_):
    subprocess.run([sys.executable, "-c", "import time; time.sleep(6.5)"], check=True)
    return {"exported": True}


ROUTES = {"/orders": orders, "/invoice": invoice, "/search": search, "/import": import_prices, "/export": export}


class Shop:
    """Answers HTTP requests, one task each."""

    def __init__(self):
        self.hostile_query = calibrated_query()

    async def serve(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            route = ROUTES.get(path)
            body = json.dumps(await route(self) if route else {"error": "no such route"}).encode()
            status = b"200 OK" if route else b"404 Not Found"
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def main(self):
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopping.set)
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await stopping.wait()
        server.close()


async def keep_stock():
    while True:
        for _ in range(80):
            await asyncio.sleep(0.1)
        count_shelves()


def count_shelves():
    total = 0
    for shelf in range(12_000_000):
        total += shelf & 7
    return total


def calibrated_query():
    """A text on which the expression above takes about a second on this machine."""
    for length in range(12, 40):
        query = "a" * length + "!"
        began = time.perf_counter()
        SLUG.match(query)
        took = time.perf_counter() - began
        if took > 0.02:
            while took < 0.8:
                query, took = "a" + query, took * 2
            return query
    return query


if __name__ == "__main__":
    stock = threading.Thread(target=asyncio.run, args=(keep_stock(),), name="stock", daemon=True)
    stock.start()
    asyncio.run(Shop().main())
