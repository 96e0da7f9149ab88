"""What the modules of the drivers share."""

import functools
import os
from contextvars import ContextVar
from typing import Any, Callable, Dict, Optional, Tuple

from .. import _native

# The pool that a connection is being made for.
POOL: "ContextVar[Optional[_native.PoolSite]]" = ContextVar("loopscope_pool", default=None)

# As the recording has room for.
_SERVER_BYTES = 64

# Servers that are told apart; a program that knows more has one name for the others.
_MOST_SERVERS = 100

# Pools of one kind to one server that are told apart.
_MOST_POOLS = 16

# What an error may say, by what its text contains. Texts themselves hold parameters and worse.
_PHRASES = (
    ("statement timeout", "statement timeout"),
    ("lock timeout", "lock timeout"),
    ("onnection refused", "connection refused"),
    ("Errno 111", "connection refused"),
    ("timeout expired", "timeout"),
    ("timed out", "timeout"),
    ("could not translate host name", "host name not found"),
    ("Name or service not known", "host name not found"),
    ("password authentication failed", "password authentication failed"),
    ("no password supplied", "no password supplied"),
    ("no pg_hba.conf entry", "no pg_hba.conf entry"),
    ("too many clients", "too many connections"),
    ("remaining connection slots", "too many connections"),
    ("starting up", "the server is starting up"),
    ("shutting down", "the server is shutting down"),
    ("terminating connection", "the server ended the connection"),
    ("server closed the connection", "the server ended the connection"),
    ("unable to open database file", "unable to open the file"),
    ("database is locked", "the database is locked"),
)

# Only errors of these packages are asked for anything: those of others might run code of their own.
_PACKAGES = frozenset(("asyncio", "asyncpg", "builtins", "psycopg", "psycopg2", "psycopg_pool", "sqlite3"))


def quietly(function: Callable[..., Any]) -> Callable[..., Any]:
    """Has a function fail into a counter."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception:
            _native.count_fault()
            return None

    return called


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Puts what `make` makes of a function in the function's place, where there is one."""
    original = owner.__dict__.get(name)
    if original is not None:
        setattr(owner, name, make(original))


def describe(error: BaseException) -> str:
    """What may be written down of an error beside its type: its code, the constraint, known phrases."""
    if type(error).__module__.partition(".")[0] not in _PACKAGES:
        return ""
    code = _attribute(error, "sqlstate") or _attribute(error, "pgcode") or _attribute(error, "sqlite_errorname")
    diagnosis = getattr(error, "diag", error)
    constraint = _attribute(diagnosis, "constraint_name")
    text = str(error)
    phrase = next((phrase for known, phrase in _PHRASES if known in text), None)
    return " ".join(part for part in (code, constraint, phrase) if part)


def _attribute(error: Any, name: str) -> Optional[str]:
    value = getattr(error, name, None)
    return value if isinstance(value, str) else None


def server(host: Any, port: Any, database: Any) -> str:
    """`host:port/database`; of one that is too long, the end."""
    place = f"{host or 'localhost'}:{port or 5432}"
    text = f"{place}/{database}" if database else place
    return text if len(text) <= _SERVER_BYTES else "…" + text[3 - _SERVER_BYTES :]


def postgres_server(known: Dict[str, Any]) -> str:
    """The server that these parameters of libpq lead to."""

    def get(name: str, variable: str) -> Any:
        return known.get(name) or os.environ.get(variable)

    host = known.get("hostaddr") or get("host", "PGHOST")
    user = get("user", "PGUSER")
    return server(host, get("port", "PGPORT"), get("dbname", "PGDATABASE") or user)


_sites: Dict[Tuple[str, str], "_native.PoolSite"] = {}


def site_of_server(driver: str, name: str) -> "_native.PoolSite":
    """Where the connections to a server are counted that no pool holds."""
    site = _sites.get((driver, name))
    if site is None:
        if len(_sites) >= _MOST_SERVERS:
            name = "(other)"
        site = _sites[driver, name] = _native.PoolSite("", driver, name)
    return site


_taken: Dict[Tuple[str, str, str], Dict[int, int]] = {}


def name_of_pool(name: str, driver: str, of: str) -> str:
    """A name for one more pool of this name: the plain one for the first."""
    numbers = _taken.setdefault((name, driver, of), {})
    number = next((free for free in range(1, _MOST_POOLS) if not numbers.get(free)), _MOST_POOLS)
    numbers[number] = numbers.get(number, 0) + 1
    return name if number == 1 else f"{name} {number}"


def free_name(given: str, name: str, driver: str, of: str) -> None:
    """The pool that got this name is gone; the next one may have it."""
    numbers = _taken.get((name, driver, of), {})
    number = 1 if given == name else int(given.rpartition(" ")[2])
    numbers[number] = max(numbers.get(number, 0) - 1, 0)


def render_nothing(statement: Any) -> Optional[str]:
    """For drivers whose statements are texts."""
    return None


def followed(original: Any, begin: Callable[[Any, Any], Optional["_native.RunningCall"]]) -> Any:
    """A coroutine function whose calls `begin` with their arguments, plain and named; nothing is no call."""

    @functools.wraps(original)
    async def tracked(*args: Any, **kwargs: Any) -> Any:
        running = begin(args, kwargs)
        if running is None:
            return await original(*args, **kwargs)
        try:
            result = await original(*args, **kwargs)
        except BaseException as error:
            running.raised(error)
            raise
        running.returned()
        return result

    return tracked


def tracked_coroutine(original: Any, driver: "_native.Driver", place: int, name: str) -> Any:
    """A coroutine function whose argument at this place is a statement."""
    begin = driver.begin
    return followed(
        original, lambda args, kwargs: begin(args[place] if len(args) > place else kwargs.get(name))
    )


def tracked_generator(original: Any, driver: "_native.Driver", place: int, name: str) -> Any:
    """The same of a generator, as those that drivers run step by step."""
    begin = driver.begin

    @functools.wraps(original)
    def tracked(*args: Any, **kwargs: Any) -> Any:
        running = begin(args[place] if len(args) > place else kwargs.get(name))
        if running is None:
            return (yield from original(*args, **kwargs))
        try:
            result = yield from original(*args, **kwargs)
        except BaseException as error:
            running.raised(error)
            raise
        running.returned()
        return result

    return tracked


def tracked_call(original: Any, driver: "_native.Driver", name: str) -> Any:
    """A coroutine function that is counted by its name."""
    begin = driver.call
    return followed(original, lambda args, kwargs: begin(name))


def connecting(original: Any, opened: Callable[..., None], failed: Callable[..., None]) -> Any:
    """A coroutine function that makes a connection, or fails to."""

    @functools.wraps(original)
    async def connect(*args: Any, **kwargs: Any) -> Any:
        moment = _native.moment()
        try:
            connection = await original(*args, **kwargs)
        except BaseException as error:
            failed(error, moment, args, kwargs)
            raise
        opened(connection, moment, args, kwargs)
        return connection

    return connect


def for_pool(original: Any, site_of: Callable[[Any], "_native.PoolSite"]) -> Any:
    """A coroutine method of a pool that makes a connection for it."""

    @functools.wraps(original)
    async def connect(self: Any, *args: Any, **kwargs: Any) -> Any:
        token = POOL.set(quietly(site_of)(self))
        try:
            return await original(self, *args, **kwargs)
        finally:
            POOL.reset(token)

    return connect


def acquiring(original: Any, begun: Callable[..., Any], ended: Callable[..., None]) -> Any:
    """A coroutine method of a pool that gives out a connection."""

    @functools.wraps(original)
    async def acquire(*args: Any, **kwargs: Any) -> Any:
        moment = _native.moment()
        begun(args, kwargs)
        try:
            connection = await original(*args, **kwargs)
        except BaseException as error:
            ended(moment, None, error, args, kwargs)
            raise
        ended(moment, connection, None, args, kwargs)
        return connection

    return acquire
