"""A blocking read from a socket on which nothing ever arrives."""
import asyncio
import socket


async def main():
    ours, theirs = socket.socketpair()
    print("ready", flush=True)
    ours.recv(1)  # mark: main
    theirs.close()


asyncio.run(main())
