"""The drivers under one name for each thing that a test does: connect, run a statement, wait in a pool."""

import asyncio
import os
import time

HOST, PORT, FOLDER = os.environ["DB_HOST"], os.environ["DB_PORT"], os.environ["DB_FOLDER"]


def url(port=PORT, scheme="postgresql"):
    return f"{scheme}://tester:SECRET-password@{HOST}:{port}/postgres"


REFUSED = url(1)


def sqlite_file(name="test.db"):
    return os.path.join(FOLDER, name)


class Sync:
    """A synchronous driver, called on the loop as it should not be."""

    is_async = False

    def __init__(self, name):
        self.module = __import__(name)
        self.error = self.module.Error

    def open(self, target=None):
        return self.module.connect(target or url())

    def sleep(self, connection, seconds):
        connection.cursor().execute(f"SELECT pg_sleep({seconds})")

    async def connect(self, target=None):
        return self.open(target)

    async def run(self, connection, statement):
        connection.cursor().execute(statement)

    async def rest(self, connection, seconds):
        self.sleep(connection, seconds)

    async def rollback(self, connection):
        connection.rollback()

    async def close(self, connection):
        connection.close()


class Sqlite(Sync):
    def open(self, target=None):
        refused = target == REFUSED
        connection = self.module.connect("/nonexistent/x.db" if refused else sqlite_file())
        connection.create_function("pg_sleep", 1, time.sleep)
        return connection


class Psycopg:
    is_async = True

    def __init__(self):
        import psycopg
        import psycopg_pool

        self.module, self.pools = psycopg, psycopg_pool
        self.error, self.given_up = psycopg.Error, psycopg_pool.PoolTimeout

    async def connect(self, target=None):
        return await self.module.AsyncConnection.connect(target or url())

    async def run(self, connection, statement):
        await connection.execute(statement)

    async def rest(self, connection, seconds):
        await connection.execute(f"SELECT pg_sleep({seconds})")

    async def rollback(self, connection):
        await connection.rollback()

    async def close(self, connection):
        await connection.close()

    async def pool(self, size, timeout):
        pool = self.pools.AsyncConnectionPool(url(), min_size=1, max_size=size, timeout=timeout, open=False)
        await pool.open()
        return pool

    def taken(self, pool):
        return pool.connection()

    async def close_pool(self, pool):
        await pool.close()


class Asyncpg:
    is_async = True

    def __init__(self):
        import asyncpg

        self.module = asyncpg
        self.error, self.given_up = (asyncpg.PostgresError, OSError), asyncio.TimeoutError

    async def connect(self, target=None):
        return await self.module.connect(target or url())

    async def run(self, connection, statement):
        await connection.fetch(statement)

    async def rest(self, connection, seconds):
        await connection.execute(f"SELECT pg_sleep({seconds})")

    async def rollback(self, connection):
        pass

    async def close(self, connection):
        await connection.close()

    async def pool(self, size, timeout):
        self.timeout = timeout
        return await self.module.create_pool(url(), min_size=1, max_size=size)

    def taken(self, pool):
        return pool.acquire(timeout=self.timeout)

    async def close_pool(self, pool):
        await pool.close()


class Aiosqlite:
    is_async = True

    def __init__(self):
        import aiosqlite

        self.module, self.error = aiosqlite, aiosqlite.Error

    async def connect(self, target=None):
        connection = await self.module.connect("/nonexistent/x.db" if target == REFUSED else sqlite_file())
        await connection.create_function("pg_sleep", 1, time.sleep)
        return connection

    async def run(self, connection, statement):
        await connection.execute(statement)

    async def rest(self, connection, seconds):
        await connection.execute(f"SELECT pg_sleep({seconds})")

    async def rollback(self, connection):
        await connection.rollback()

    async def close(self, connection):
        await connection.close()


class SqlalchemyAsync:
    """Connections of a connection: what is counted is the driver's."""

    is_async = True

    def __init__(self, driver):
        import sqlalchemy
        from sqlalchemy.ext.asyncio import create_async_engine

        self.sa, self.create, self.driver = sqlalchemy, create_async_engine, driver
        self.error, self.given_up = (sqlalchemy.exc.DBAPIError, OSError), sqlalchemy.exc.TimeoutError
        self.engines = []

    def engine(self, target, **options):
        target = (target or url()).replace("postgresql:", f"postgresql+{self.driver}:")
        self.engines.append(self.create(target, **options))
        return self.engines[-1]

    async def connect(self, target=None):
        return await self.engine(target).connect()

    async def run(self, connection, statement):
        await connection.execute(self.sa.text(statement))

    async def rest(self, connection, seconds):
        await connection.execute(self.sa.text(f"SELECT pg_sleep({seconds})"))

    async def rollback(self, connection):
        await connection.rollback()

    async def close(self, connection):
        await connection.close()
        for engine in self.engines:
            await engine.dispose()

    async def pool(self, size, timeout):
        return self.engine(None, pool_size=size, max_overflow=0, pool_timeout=timeout)

    def taken(self, pool):
        return pool.connect()

    async def close_pool(self, pool):
        await pool.dispose()


class SqlalchemySync(Sync):
    def __init__(self, driver):
        import sqlalchemy

        self.sa, self.driver = sqlalchemy, driver
        self.error = (sqlalchemy.exc.DBAPIError,)
        self.engines = []

    def open(self, target=None):
        target = (target or url()).replace("postgresql:", f"postgresql+{self.driver}:")
        self.engines.append(self.sa.create_engine(target))
        return self.engines[-1].connect()

    def sleep(self, connection, seconds):
        connection.execute(self.sa.text(f"SELECT pg_sleep({seconds})"))

    async def run(self, connection, statement):
        connection.execute(self.sa.text(statement))

    async def close(self, connection):
        connection.close()
        for engine in self.engines:
            engine.dispose()


def driver(name):
    kinds = {
        "psycopg": lambda: Sync("psycopg"),
        "psycopg2": lambda: Sync("psycopg2"),
        "sqlite3": lambda: Sqlite("sqlite3"),
        "psycopg-async": Psycopg,
        "asyncpg": Asyncpg,
        "aiosqlite": Aiosqlite,
        "sqlalchemy-psycopg2": lambda: SqlalchemySync("psycopg2"),
        "sqlalchemy-asyncpg": lambda: SqlalchemyAsync("asyncpg"),
        "sqlalchemy-psycopg": lambda: SqlalchemyAsync("psycopg"),
    }
    return kinds[name]()
