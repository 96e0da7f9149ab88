"""Odd but legal uses of a driver, told to stdout: the same must come out with and without Loopscope.

`odd.py DRIVER`
"""

import asyncio
import copy
import gc
import inspect
import io
import os
import pickle
import re
import sys
import threading
import traceback
import warnings
import weakref

HOST, PORT, FOLDER = os.environ["DB_HOST"], os.environ["DB_PORT"], os.environ["DB_FOLDER"]
URL = f"postgresql://tester@{HOST}:{PORT}/postgres"


def show(what, *values):
    print(what, *(re.sub("0x[0-9a-f]+|[0-9]{12,}", "0x", repr(value)) for value in values), flush=True)


def frames(error):
    """The last frame of an error's traceback, and who raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return os.path.basename(last.filename), last.name


def fails(what, function, *args, **kwargs):
    try:
        show(what, function(*args, **kwargs))
    except Exception as error:
        show(what, type(error), str(error), error.args, error.__cause__, error.__suppress_context__, *frames(error))


async def afails(what, function, *args, **kwargs):
    try:
        show(what, await function(*args, **kwargs))
    except Exception as error:
        show(what, type(error), str(error), error.args, error.__cause__, error.__suppress_context__, *frames(error))


def with_sqlite3():
    import sqlite3

    path = os.path.join(FOLDER, "odd.db")
    if os.path.exists(path):
        os.remove(path)
    connection = sqlite3.connect(path)
    show("types", type(connection) is sqlite3.Connection, type(connection.cursor()) is sqlite3.Cursor)
    show("looks", sqlite3.connect, sqlite3.Cursor.execute, sqlite3.Connection.close, sqlite3.Connection.execute)
    show("looks", type(sqlite3.connect), type(sqlite3.Cursor.execute), sqlite3.Cursor.execute.__doc__ is None)
    show("names", sqlite3.connect.__name__, sqlite3.connect.__module__, sqlite3.Cursor.execute.__qualname__)
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE)")
    with connection:
        show("many", connection.executemany("INSERT INTO t (b) VALUES (?)", (("x%d" % n,) for n in range(5))).rowcount)
    try:
        with connection:
            connection.execute("INSERT INTO t (b) VALUES ('y')")
            raise KeyError("rolled back")
    except KeyError as error:
        show("with", error, connection.in_transaction)
    fails("unique", connection.execute, "INSERT INTO t (b) VALUES (?)", ("x1",))
    fails("syntax", connection.execute, "SELEC 1")
    fails("no statement", connection.execute)
    fails("no text", connection.execute, 7)
    fails("too many", connection.execute, "SELECT 1", (), 3, 4)
    fails("wrong parameters", connection.execute, "SELECT ?", ())
    fails("two statements", connection.execute, "SELECT 1; SELECT 2")
    connection.row_factory = sqlite3.Row
    row = connection.execute("SELECT a, b FROM t ORDER BY a").fetchone()
    show("row", type(row), tuple(row), row["b"], row.keys())
    connection.row_factory = lambda cursor, row: (cursor.description[0][0], row)
    show("own row", connection.execute("SELECT b FROM t ORDER BY a").fetchmany(2))
    connection.row_factory = None
    show("iterated", list(connection.execute("SELECT a FROM t ORDER BY a")))
    cursor = connection.cursor()
    show("chained", cursor.execute("SELECT 1") is cursor, cursor.fetchall(), cursor.fetchone(), cursor.description)
    show("named", cursor.execute("SELECT :a, :b", {"a": 1, "b": "two"}).fetchall())
    show("script", cursor.executescript("CREATE TABLE u (a); INSERT INTO u VALUES (1); INSERT INTO u VALUES (2);") is cursor)
    show("isolation", connection.isolation_level, connection.total_changes)
    connection.isolation_level = None
    connection.execute("BEGIN IMMEDIATE")
    show("explicit", connection.in_transaction)
    connection.rollback()

    class Adapted:
        def __conform__(self, protocol):
            return "adapted" if protocol is sqlite3.PrepareProtocol else None

        def __repr__(self):
            raise AssertionError("nobody may look at a parameter")

    show("adapter", connection.execute("SELECT ?", (Adapted(),)).fetchall())

    class Text(str):
        def __eq__(self, other):
            raise AssertionError("nobody may compare a statement")

        def __hash__(self):
            return super().__hash__()

    show("own text", connection.execute(Text("SELECT 5")).fetchall())

    class Own(sqlite3.Connection):
        closed = False

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.made = args

        def cursor(self, factory=sqlite3.Cursor):
            return super().cursor(OwnCursor)

        def close(self):
            self.closed = True
            super().close()

    class OwnCursor(sqlite3.Cursor):
        def execute(self, sql, *args):
            return super().execute(sql.replace("one", "1"), *args)

    own = sqlite3.connect(":memory:", factory=Own)
    show("own", type(own) is Own, own.made, own.cursor().execute("SELECT one").fetchall())
    own.close()
    fails("closed", own.execute, "SELECT 1")
    own.close()
    direct = sqlite3.Connection(":memory:")
    show("direct", direct.execute("SELECT 1").fetchall())
    direct.close()
    fails("unreachable", sqlite3.connect, "/nonexistent/x.db")
    fails("no file", sqlite3.connect)
    fails("wrong option", sqlite3.connect, ":memory:", nonsense=1)
    connection.create_function("fails", 0, lambda: 1 / 0)
    fails("function", connection.execute, "SELECT fails()")
    nested = []
    connection.create_function("nested", 0, lambda: nested.append(1) or 4)
    show("nested", connection.execute("SELECT nested()").fetchall(), nested)

    def in_thread():
        fails("thread", connection.execute, "SELECT 1")

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    show("dump", list(connection.iterdump())[:2])
    fails("weak", weakref.ref, connection)
    fails("pickled", pickle.dumps, connection)
    connection.close()
    gc.collect()


def with_psycopg2():
    import psycopg2
    import psycopg2.extensions
    import psycopg2.extras
    import psycopg2.sql as sql

    connection = psycopg2.connect(URL)
    show("types", type(connection) is psycopg2.extensions.connection, type(connection.cursor()))
    show("looks", type(psycopg2._connect), type(psycopg2.extensions.cursor.execute), psycopg2.extensions.cursor.execute)
    cursor = connection.cursor()
    show("none", cursor.execute("CREATE TEMP TABLE t (a serial PRIMARY KEY, b text UNIQUE)"))
    show("many", cursor.executemany("INSERT INTO t (b) VALUES (%s)", [("x%d" % n,) for n in range(5)]), cursor.rowcount)
    psycopg2.extras.execute_values(cursor, "INSERT INTO t (b) VALUES %s", [("y%d" % n,) for n in range(300)])
    cursor.execute("SELECT count(*) FROM t")
    show("values", cursor.fetchone(), cursor.query, cursor.statusmessage)
    connection.commit()
    fails("unique", cursor.execute, "INSERT INTO t (b) VALUES (%s)", ("x1",))
    fails("aborted", cursor.execute, "SELECT 1")
    connection.rollback()
    fails("syntax", cursor.execute, "SELEC 1")
    connection.rollback()
    fails("no statement", cursor.execute)
    fails("no text", cursor.execute, 7)
    fails("parameters", cursor.execute, "SELECT %s, %s", (1,))
    connection.rollback()
    cursor.execute(query="SELECT %(a)s", vars={"a": 3})
    show("named", cursor.fetchall())
    cursor.execute(sql.SQL("SELECT {} FROM {} WHERE b = {}").format(sql.Identifier("a"), sql.Identifier("t"), sql.Literal("x1")))
    show("composed", cursor.fetchall())
    cursor.execute(b"SELECT 'bytes'")
    show("bytes", cursor.fetchall())
    with connection:
        with connection.cursor(cursor_factory=psycopg2.extras.DictCursor) as own:
            own.execute("SELECT 1 AS one")
            show("dict", own.fetchone()["one"], type(own))
    with connection.cursor("server") as server:
        server.itersize = 10
        server.execute("SELECT generate_series(1, 35)")
        show("server side", sum(row[0] for row in server))
    show("notices", cursor.execute("DO $$ BEGIN RAISE NOTICE 'hello'; END $$"), connection.notices)
    cursor.copy_expert("COPY (SELECT 1, 'a') TO STDOUT", out := io.StringIO())
    cursor.copy_from(io.StringIO("z1\nz2\n"), "t", columns=("b",))
    show("copy", out.getvalue(), cursor.rowcount)
    show("proc", cursor.callproc("pg_backend_pid") is None, cursor.fetchone()[0] == connection.info.backend_pid)
    connection.commit()
    connection.autocommit = True
    cursor.execute("LISTEN odd")
    cursor.execute("NOTIFY odd, 'payload'")
    connection.poll()
    show("notify", [(note.channel, note.payload) for note in connection.notifies])

    class Own(psycopg2.extensions.connection):
        def cursor(self, *args, **kwargs):
            kwargs.setdefault("cursor_factory", psycopg2.extras.RealDictCursor)
            return super().cursor(*args, **kwargs)

    own = psycopg2.connect(URL, connection_factory=Own)
    own_cursor = own.cursor()
    own_cursor.execute("SELECT 1 AS one")
    show("own", type(own) is Own, own_cursor.fetchall())
    own.close()
    show("closed", own.closed, own.close())
    fails("after close", own.cursor)
    fails("refused", psycopg2.connect, f"host={HOST} port=1 user=tester")
    fails("dsn", psycopg2.connect, "nonsense")
    fails("no such option", psycopg2.connect, URL, nonsense=1)
    show("weak", weakref.ref(connection)() is connection)

    class Adapted:
        def __conform__(self, protocol):
            return psycopg2.extensions.AsIs("17") if protocol is psycopg2.extensions.ISQLQuote else None

        def __repr__(self):
            raise AssertionError("nobody may look at a parameter")

    cursor.execute("SELECT %s", (Adapted(),))
    show("adapter", cursor.fetchall())
    results = []
    threads = [threading.Thread(target=lambda n=n: results.append(in_thread(connection, n))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    show("threads", sorted(results))
    connection.close()


def in_thread(connection, number):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s", (number,))
        return cursor.fetchone()[0]


def with_psycopg():
    import psycopg
    from psycopg import sql
    from psycopg.rows import dict_row, namedtuple_row

    connection = psycopg.connect(URL)
    show("types", type(connection) is psycopg.Connection, type(connection.cursor()) is psycopg.Cursor)
    show("looks", psycopg.Cursor.execute.__name__, psycopg.Cursor.execute.__qualname__, psycopg.Cursor.execute.__doc__)
    show("signature", inspect.signature(psycopg.Cursor.execute), inspect.signature(psycopg.connect))
    connection.execute("CREATE TEMP TABLE t (a serial PRIMARY KEY, b text UNIQUE)")
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO t (b) VALUES (%s) RETURNING a", [("x%d" % n,) for n in range(5)], returning=True)
        show("many", cursor.rowcount, cursor.fetchone(), cursor.nextset(), cursor.fetchone())
    connection.commit()
    fails("unique", connection.execute, "INSERT INTO t (b) VALUES (%s)", ("x1",))
    fails("aborted", connection.execute, "SELECT 1")
    connection.rollback()
    fails("syntax", connection.execute, "SELEC 1")
    connection.rollback()
    fails("no statement", connection.cursor().execute)
    fails("no text", connection.cursor().execute, 7)
    fails("parameters", connection.execute, "SELECT %s, %s", (1,))
    fails("not adaptable", connection.execute, "SELECT %s", (object,))
    connection.rollback()
    show("named", connection.execute(query="SELECT %(a)s::int", params={"a": 3}).fetchall())
    query = sql.SQL("SELECT {} FROM {} WHERE b = {}").format(sql.Identifier("a"), sql.Identifier("t"), sql.Literal("x1"))
    show("composed", connection.execute(query).fetchall(), connection.execute(b"SELECT 'bytes'").fetchall())
    show("binary", connection.execute("SELECT 5::int8", binary=True).fetchone())
    for factory in (dict_row, namedtuple_row):
        show("rows", connection.cursor(row_factory=factory).execute("SELECT 1 AS one").fetchall())
    with connection.cursor("server") as server:
        server.itersize = 10
        show("server side", sum(row[0] for row in server.execute("SELECT generate_series(1, 35)")), server.fetchone())
    show("stream", list(connection.cursor().stream("SELECT generate_series(1, 3)")))
    fails("broken stream", list, connection.cursor().stream("SELECT nothing"))
    connection.rollback()
    with connection.cursor() as cursor:
        with cursor.copy("COPY t (b) FROM STDIN") as out:
            out.write_row(("z1",))
        with cursor.copy("COPY (SELECT 1, 'a') TO STDOUT") as rows:
            show("copy", list(rows.rows()), cursor.rowcount)
    fails("broken copy", lambda: connection.cursor().copy("COPY nothing TO STDOUT").__enter__())
    connection.rollback()
    with connection.pipeline() as pipeline:
        first, second = connection.execute("SELECT 1"), connection.execute("SELECT 2")
        pipeline.sync()
        show("pipeline", first.fetchone(), second.fetchone())
    try:
        with connection.transaction():
            connection.execute("INSERT INTO t (b) VALUES ('w')")
            with connection.transaction(force_rollback=True):
                connection.execute("INSERT INTO t (b) VALUES ('v')")
            raise KeyError("rolled back")
    except KeyError as error:
        show("transaction", error, connection.info.transaction_status)
    connection.rollback()
    connection.autocommit = True
    connection.execute("LISTEN odd")
    connection.execute("NOTIFY odd, 'payload'")
    show("notify", [(note.channel, note.payload) for note in connection.notifies(timeout=2, stop_after=1)])

    class Own(psycopg.Connection):
        @classmethod
        def connect(cls, *args, **kwargs):
            made = super().connect(*args, **kwargs)
            made.is_own = True
            return made

    with Own.connect(URL, cursor_factory=psycopg.ClientCursor) as own:
        show("own", type(own) is Own, own.is_own, own.execute("SELECT %s", ("a",)).fetchone())
    show("closed", own.closed, own.close())
    fails("after close", own.execute, "SELECT 1")
    fails("refused", psycopg.connect, f"host={HOST} port=1 user=tester")
    fails("conninfo", psycopg.connect, "nonsense")
    fails("no such option", psycopg.connect, URL, nonsense=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        psycopg.connect(URL)
        gc.collect()
        show("leaked", [(str(one.category), os.path.basename(one.filename)) for one in caught])
    connection.close()
    asyncio.run(with_psycopg_async(psycopg))


async def with_psycopg_async(psycopg):
    import psycopg_pool

    show("coroutines", inspect.iscoroutinefunction(psycopg.AsyncCursor.execute), inspect.signature(psycopg.AsyncCursor.execute))
    connection = await psycopg.AsyncConnection.connect(URL)
    await connection.execute("CREATE TEMP TABLE t (a serial PRIMARY KEY, b text UNIQUE)")
    await afails("unique", connection.execute, "INSERT INTO t (b) VALUES ('x'), ('x')")
    await connection.rollback()
    task = asyncio.ensure_future(connection.execute("SELECT pg_sleep(30)"))
    await asyncio.sleep(0.2)
    task.cancel()
    show("cancelled", await asyncio.gather(task, return_exceptions=True))
    await connection.rollback()
    show("after", await (await connection.execute("SELECT 1")).fetchone())
    show("stream", [row async for row in connection.cursor().stream("SELECT generate_series(1, 3)")])
    async with connection.cursor("server") as server:
        await server.execute("SELECT generate_series(1, 5)")
        show("server side", await server.fetchall())
    await connection.close()
    await afails("after close", connection.execute, "SELECT 1")
    await afails("refused", psycopg.AsyncConnection.connect, f"host={HOST} port=1 user=tester")
    coroutine = connection.close()
    show("never awaited", coroutine.__name__, coroutine.__qualname__, inspect.iscoroutine(coroutine))
    coroutine.close()
    async with psycopg_pool.AsyncConnectionPool(URL, min_size=1, max_size=1, open=False) as pool:
        async with pool.connection() as taken:
            await afails("pool", pool.getconn, 0.2)
            show("taken", (await (await taken.execute("SELECT 1")).fetchone()))
        await afails("not its own", pool.putconn, connection)


async def with_asyncpg():
    import asyncpg

    connection = await asyncpg.connect(URL)
    show("types", type(connection) is asyncpg.Connection, inspect.signature(asyncpg.connect) is not None)
    show("coroutines", inspect.iscoroutinefunction(asyncpg.Connection.execute), asyncpg.Connection.execute.__doc__[:20])
    show("status", await connection.execute("CREATE TEMP TABLE t (a serial PRIMARY KEY, b text UNIQUE)"))
    show("many", await connection.executemany("INSERT INTO t (b) VALUES ($1)", [("x%d" % n,) for n in range(5)]))
    await afails("unique", connection.execute, "INSERT INTO t (b) VALUES ($1)", "x1")
    await afails("syntax", connection.fetch, "SELEC 1")
    await afails("no statement", connection.execute)
    await afails("parameters", connection.fetch, "SELECT $1::int", "text")
    show("rows", await connection.fetch("SELECT a, b FROM t ORDER BY a LIMIT 2"), await connection.fetchval("SELECT 5"))
    show("row", await connection.fetchrow("SELECT 1 AS one WHERE false"))
    statement = await connection.prepare("SELECT $1::int + 1")
    show("prepared", await statement.fetchval(4), await statement.fetch(5), statement.get_query())
    await afails("not preparable", connection.prepare, "SELECT nothing")
    async with connection.transaction():
        show("cursor", [row[0] async for row in connection.cursor("SELECT generate_series(1, 60)")][-1])
        cursor = await connection.cursor("SELECT generate_series(1, 6)")
        show("cursor", await cursor.fetch(2), await cursor.fetchrow())
    try:
        async with connection.transaction():
            await connection.execute("INSERT INTO t (b) VALUES ('w')")
            raise KeyError("rolled back")
    except KeyError as error:
        show("transaction", error, connection.is_in_transaction())
    show("copy", await connection.copy_records_to_table("t", records=[("z1",)], columns=["b"]))
    await connection.copy_from_query("SELECT 1, 'a'", output=(out := io.BytesIO()))
    show("copy", out.getvalue())
    notes = asyncio.Queue()
    await connection.add_listener("odd", lambda *note: notes.put_nowait(note[2:]))
    await connection.execute("NOTIFY odd, 'payload'")
    show("notify", await notes.get())
    await afails("time-out", connection.fetch, "SELECT pg_sleep(30)", timeout=0.2)
    task = asyncio.ensure_future(connection.execute("SELECT pg_sleep(30)"))
    await asyncio.sleep(0.2)
    task.cancel()
    show("cancelled", await asyncio.gather(task, return_exceptions=True))
    show("after", await connection.fetchval("SELECT 1"))
    await connection.close()
    await afails("after close", connection.execute, "SELECT 1")
    await afails("refused", asyncpg.connect, host=HOST, port=1, user="tester")
    await afails("dsn", asyncpg.connect, "nonsense://")
    pool = await asyncpg.create_pool(URL, min_size=1, max_size=1)
    async with pool.acquire() as taken:
        show("proxy", isinstance(taken, asyncpg.Connection), await taken.fetchval("SELECT 1"))
        try:
            await pool.acquire(timeout=0.2)
        except asyncio.TimeoutError as error:
            show("pool", type(error))
    await afails("released", taken.fetchval, "SELECT 1")
    await pool.close()
    await afails("closed pool", pool.fetch, "SELECT 1")


def with_sqlalchemy():
    import sqlalchemy as sa
    from sqlalchemy import orm

    engine = sa.create_engine(URL.replace("postgresql:", "postgresql+psycopg2:"), pool_size=1, max_overflow=0, pool_timeout=0.2)
    seen = []
    sa.event.listen(engine, "before_cursor_execute", lambda *call: seen.append(call[2]))
    show("pool", engine.pool.status(), type(engine.pool).__name__, inspect.signature(sa.pool.Pool.connect))
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE TEMP TABLE t (a serial PRIMARY KEY, b text UNIQUE)"))
        connection.execute(sa.text("INSERT INTO t (b) VALUES (:b)"), [{"b": "x1"}, {"b": "x2"}])
        show("rows", connection.execute(sa.text("SELECT b FROM t ORDER BY a")).scalars().all())
        fails("unique", connection.execute, sa.text("INSERT INTO t (b) VALUES ('x1')"))
        connection.rollback()
        fails("pool", engine.connect)
        show("status", engine.pool.status(), engine.pool.checkedout())
    show("events", len(seen) > 0, engine.pool.status())
    with orm.Session(engine) as session:
        show("session", session.execute(sa.select(sa.literal(4))).scalar_one())
    raw = engine.raw_connection()
    show("raw", raw.cursor().execute("SELECT 1"))
    raw.detach()
    raw.close()
    show("detached", engine.pool.status())
    engine.dispose()
    memory = sa.create_engine("sqlite://")
    with memory.begin() as connection:
        show("memory", connection.execute(sa.text("SELECT 1")).scalar(), type(memory.pool).__name__)
    other = copy.copy(memory.url)
    show("url", other == memory.url)
    memory.dispose()


{
    "sqlite3": with_sqlite3,
    "psycopg2": with_psycopg2,
    "psycopg": with_psycopg,
    "asyncpg": lambda: asyncio.run(with_asyncpg()),
    "sqlalchemy": with_sqlalchemy,
}[sys.argv[1]]()
print("done", flush=True)
