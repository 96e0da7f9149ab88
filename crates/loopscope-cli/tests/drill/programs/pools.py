"""A service with a pool of one kind, open to the server whose port is given: `asyncpg`, `psycopg`, `psycopg_sync` or
`sqlalchemy`. Says when it is ready, and at the end of its input whether each connection is there to be had."""

import asyncio
import sys

KIND, PORT = sys.argv[1:]
MOST = 3


async def opened():
    """The pool, and what takes a connection and gives it back."""
    address = f"host=127.0.0.1 port={PORT} user=tester dbname=postgres"
    if KIND == "asyncpg":
        import asyncpg

        pool = await asyncpg.create_pool(
            host="127.0.0.1", port=PORT, user="tester", database="postgres", min_size=1, max_size=MOST
        )
        return pool, pool.acquire, pool.release
    if KIND == "sqlalchemy":
        from sqlalchemy.ext.asyncio import create_async_engine

        engine = create_async_engine(
            f"postgresql+asyncpg://tester@127.0.0.1:{PORT}/postgres", pool_size=1, max_overflow=MOST - 1
        )
        return engine, engine.connect, lambda connection: connection.close()
    import psycopg_pool

    if KIND == "psycopg":
        pool = psycopg_pool.AsyncConnectionPool(address, min_size=1, max_size=MOST, open=False)
        await pool.open(wait=True)
        return pool, pool.getconn, pool.putconn
    pool = psycopg_pool.ConnectionPool(address, min_size=1, max_size=MOST, open=True)
    pool.wait()
    run = asyncio.to_thread
    return pool, lambda: run(pool.getconn), lambda connection: run(pool.putconn, connection)


async def main():
    pool, take, give = await opened()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    print("ready", flush=True)
    await ended.wait()
    taken = [await asyncio.wait_for(take(), 5) for _ in range(MOST)]
    for connection in taken:
        await give(connection)
    print("all there", flush=True)


asyncio.run(main())
