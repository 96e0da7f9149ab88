//! Databases and stores.

use super::{Entry, PYTHON};
use crate::syscalls::Wait;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "SQLAlchemy",
        calls: &["sqlalchemy.create_engine", "create_engine"],
        frames: &[
            ("sqlalchemy/engine/", &[]),
            ("sqlalchemy/orm/", &[]),
            ("sqlalchemy/pool/", &[]),
            ("sqlmodel/", &[]),
        ],
        replacement: Some("await session.execute(...)  # session of an AsyncSession"),
        steps: &[
            "stop the bleeding: run the unit of work in a thread, `await asyncio.to_thread(work)`",
            "fix: `create_async_engine(\"postgresql+psycopg://…\")` and `async_sessionmaker`; load relations \
             ahead with `selectinload`, since lazy loading blocks",
        ],
        ..PYTHON
    },
    Entry {
        name: "Django ORM",
        frames: &[("django/db/", &[])],
        replacement: Some("await Model.objects.aget(...)"),
        steps: &[
            "stop the bleeding: `await sync_to_async(function)(...)`",
            "fix: the `a…` methods of the ORM: `aget`, `acreate`, `async for` over a query set",
        ],
        ..PYTHON
    },
    Entry {
        name: "psycopg",
        calls: &["psycopg.connect"],
        frames: &[("psycopg/", &[]), ("psycopg_pool/", &[])],
        replacement: Some(
            "await conn.execute(...)  # conn = await psycopg.AsyncConnection.connect(...)",
        ),
        steps: &[
            "stop the bleeding: a `statement_timeout` for this role, and the call in a thread, \
             `await asyncio.to_thread({call}, ...)`",
            "fix: `psycopg.AsyncConnection` and `psycopg_pool.AsyncConnectionPool`; the methods are the same",
        ],
        ..PYTHON
    },
    Entry {
        name: "psycopg2",
        calls: &["psycopg2.connect"],
        frames: &[("psycopg2/", &[])],
        replacement: Some("await conn.fetch(...)  # conn of an asyncpg pool"),
        steps: &[
            "stop the bleeding: a `statement_timeout` for this role, and the call in a thread, \
             `await asyncio.to_thread({call}, ...)`",
            "fix: psycopg 3 with `AsyncConnection`, whose calls are closest, or asyncpg",
        ],
        ..PYTHON
    },
    Entry {
        name: "PyMySQL",
        calls: &["pymysql.connect", "MySQLdb.connect"],
        frames: &[("pymysql/", &[]), ("MySQLdb/", &[])],
        replacement: Some("await cursor.execute(...)  # of an aiomysql or asyncmy pool"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: `aiomysql` or `asyncmy`, with one pool for the service",
        ],
        ..PYTHON
    },
    Entry {
        name: "mysql.connector",
        calls: &["mysql.connector.connect"],
        frames: &[("mysql/connector/", &[])],
        replacement: Some("await cursor.execute(...)  # of mysql.connector.aio"),
        steps: &["fix: `mysql.connector.aio` has the same calls, to be awaited"],
        ..PYTHON
    },
    Entry {
        name: "oracledb",
        calls: &["oracledb.connect", "cx_Oracle.connect"],
        frames: &[("oracledb/", &[])],
        replacement: Some("await cursor.execute(...)  # of oracledb.connect_async(...)"),
        steps: &["fix: `oracledb.connect_async` and `create_pool_async`, in thin mode"],
        ..PYTHON
    },
    Entry {
        name: "pyodbc",
        calls: &["pyodbc.connect"],
        replacement: Some("await aioodbc.connect(...)"),
        steps: &["fix: `aioodbc`, which runs the same driver in threads"],
        ..PYTHON
    },
    Entry {
        name: "redis",
        calls: &["redis.Redis", "redis.from_url", "redis.StrictRedis"],
        frames: &[("redis/", &[])],
        replacement: Some("await client.get(...)  # client = redis.asyncio.Redis(...)"),
        steps: &[
            "stop the bleeding: a short `socket_timeout`",
            "fix: `import redis.asyncio as redis`; the methods are the same, to be awaited",
        ],
        ..PYTHON
    },
    Entry {
        name: "pymongo",
        calls: &["pymongo.MongoClient"],
        frames: &[("pymongo/", &[])],
        replacement: Some("await collection.find_one(...)  # of a pymongo.AsyncMongoClient"),
        steps: &[
            "fix: `pymongo.AsyncMongoClient` (PyMongo 4.9 or newer), whose methods are awaited",
        ],
        ..PYTHON
    },
    Entry {
        name: "elasticsearch",
        frames: &[
            ("elasticsearch/", &[]),
            ("elastic_transport/", &[]),
            ("opensearchpy/", &[]),
        ],
        replacement: Some("await client.search(...)  # client = AsyncElasticsearch(...)"),
        steps: &["fix: `AsyncElasticsearch` or `AsyncOpenSearch`, whose methods are awaited"],
        ..PYTHON
    },
    Entry {
        name: "sqlite3",
        calls: &["sqlite3.connect"],
        frames: &[("sqlite3/", &[])],
        replacement: Some("await db.execute(...)  # db = await aiosqlite.connect(...)"),
        steps: &[
            "stop the bleeding: `PRAGMA journal_mode=WAL` and a short `timeout`, so that writers wait less",
            "fix: `aiosqlite`, or run each unit of work in a thread, `await asyncio.to_thread(work)`",
        ],
        ..PYTHON
    },
    // Drivers in C have no frames of their own; what the thread waits for tells a server from a file.
    Entry {
        name: "database call over the network",
        calls: &[
            ".execute",
            ".executemany",
            ".fetchone",
            ".fetchmany",
            ".fetchall",
            ".commit",
        ],
        waits: &[Wait::Network],
        replacement: Some(
            "await conn.execute(...)  # conn = await psycopg.AsyncConnection.connect(...)",
        ),
        steps: &[
            "stop the bleeding: a statement timeout, and the call in a thread, \
             `await asyncio.to_thread({call}, ...)`",
            "fix: the asynchronous form of the driver: psycopg 3's `AsyncConnection` or asyncpg for psycopg2, \
             aiomysql for MySQL",
        ],
        ..PYTHON
    },
    Entry {
        name: "database call in the process",
        calls: &[
            ".execute",
            ".executemany",
            ".executescript",
            ".fetchone",
            ".fetchmany",
            ".fetchall",
            ".commit",
        ],
        waits: &[
            Wait::File,
            Wait::Timer,
            Wait::Lock,
            Wait::Computing,
            Wait::Other,
        ],
        replacement: Some("await db.execute(...)  # db = await aiosqlite.connect(...)"),
        steps: &[
            "stop the bleeding: for SQLite `PRAGMA journal_mode=WAL` and a short `timeout`; look at the \
             statement with `EXPLAIN QUERY PLAN`",
            "fix: `aiosqlite`, or run each unit of work in a thread, `await asyncio.to_thread(work)`",
        ],
        ..PYTHON
    },
];
