"""Says when a package that is to be watched has been imported.

Used by the module that brings the agent into an interpreter, before the package itself is imported: this
module imports nothing of it, and costs a program that imports nothing to be watched next to nothing.
"""

import sys

# Taken for true by type checkers alone: `typing` takes longer to import than all of this.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple

# Libraries that are tracked of themselves: the module after whose import that is done, what it has once the
# import has ended, the name by which a user switches it off, and the module of this package that does it.
LIBRARIES: "Dict[str, Tuple[str, str, str]]" = {
    "agno.agent.agent": ("Agent", "agno", "_clients.agno"),
    "agno.team.team": ("Team", "agno", "_clients.agno"),
    "agno.workflow.workflow": ("Workflow", "agno", "_clients.agno"),
    "aiohttp.client": ("request", "aiohttp", "_clients.aiohttp"),
    "asyncpg": ("__all__", "asyncpg", "_databases.asyncpg"),
    "http.client": ("error", "http.client", "_clients.http_client"),
    "httpx._client": ("AsyncClient", "httpx", "_clients.httpx"),
    "httpx2._client": ("AsyncClient", "httpx", "_clients.httpx"),
    "openai._base_client": ("AsyncAPIClient", "openai", "_clients.openai"),
    "psycopg": ("__all__", "psycopg", "_databases.psycopg"),
    "psycopg2": ("connect", "psycopg2", "_databases.psycopg2"),
    "psycopg_pool": ("__all__", "psycopg_pool", "_databases.psycopg_pool"),
    "requests.sessions": ("session", "requests", "_clients.requests"),
    "sqlalchemy.engine.base": ("OptionEngine", "sqlalchemy", "_databases.sqlalchemy_engines"),
    "sqlalchemy.pool.impl": ("AssertionPool", "sqlalchemy", "_databases.sqlalchemy"),
    "sqlite3": ("connect", "sqlite3", "_databases.sqlite3"),
    "urllib.request": ("getproxies", "urllib", "_clients.urllib"),
}

# Modules after whose import something is watched.
WATCHED = frozenset(("asyncio", "concurrent.futures.thread", "uvloop", *LIBRARIES))


class Finder:
    """Leaves the finding to others, and looks on while what they found is run."""

    # Where this package itself is found, if not where every other one is.
    packages: "Optional[str]" = None

    @classmethod
    def find_spec(cls, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        if name == "loopscope" and cls.packages is not None:
            machinery: "Any" = sys.modules["_frozen_importlib_external"]
            return machinery.PathFinder.find_spec(name, [cls.packages], target)
        if name in WATCHED:
            return cls._found_by_others(name, path, target)
        return None

    @classmethod
    def _found_by_others(cls, name: str, path: "Any", target: "Any") -> "Any":
        for finder in list(sys.meta_path):
            find_spec = getattr(finder, "find_spec", None)
            if find_spec is None or getattr(finder, "is_loopscope", False):
                continue
            spec = find_spec(name, path, target)
            if spec is not None:
                _look_on(spec.loader)
                return spec
        return None

    is_loopscope = True


def install(packages: "Optional[str]" = None) -> None:
    """Looks on from now on. `packages` is the folder that this package lies in, if it is on no path."""
    for finder in sys.meta_path:
        if getattr(finder, "is_loopscope", False):
            return
    Finder.packages = packages
    sys.meta_path.insert(0, Finder)
    if not WATCHED.isdisjoint(sys.modules):
        imported()


def imported() -> None:
    """Watches what can be watched by now. Never fails: the program runs on without being watched."""
    try:
        from loopscope import _agent

        _agent.begin()
    except Exception:
        pass


def _look_on(loader: "Any") -> None:
    run = getattr(loader, "exec_module", None)
    if run is None or isinstance(loader, type):
        return

    def exec_module(module: "Any") -> None:
        del loader.exec_module
        run(module)
        imported()

    try:
        loader.exec_module = exec_module
    except AttributeError:
        pass
