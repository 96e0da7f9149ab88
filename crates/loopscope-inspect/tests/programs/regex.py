"""A regular expression that backtracks for ever and keeps the interpreter's lock."""
import asyncio
import re

HOPELESS = re.compile(r"(a+)+$")


def check(text):
    print("ready", flush=True)
    return HOPELESS.match(text)  # mark: check


async def main():
    check("a" * 64 + "b")  # mark: main


asyncio.run(main())
