"""An asyncio TCP echo server: `echo_server.py asyncio|uvloop`. Prints its pid and port, serves for ever."""

import asyncio
import os
import sys

if sys.argv[1] == "uvloop":
    import uvloop as loops
else:
    loops = asyncio


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


# asyncio asks for 256 KiB each time it reads, which glibc takes from the kernel and gives back every time until
# something larger was once freed. Any program of some size has freed something larger.
large = bytearray(1 << 20)
del large

loop = loops.new_event_loop()
server = loop.run_until_complete(loop.create_server(Echo, "127.0.0.1", 0))
print(os.getpid(), server.sockets[0].getsockname()[1], flush=True)
loop.run_forever()
