"""Loopscope's way into an interpreter that it was asked to watch.

The pulse puts this folder first on PYTHONPATH. This module leaves no trace of that, sets up what waits for
asyncio, and then does what the import of ``sitecustomize`` would have done without it: runs the user's own,
or fails as it fails where there is none.
"""

import os
import sys

_FOLDER = os.path.dirname(__file__)
_PACKAGES = os.path.join(os.path.dirname(_FOLDER), "package")


def _leave_no_trace():
    sys.path[:] = [folder for folder in sys.path if folder != _FOLDER]
    sys.path_importer_cache.pop(_FOLDER, None)
    given = os.environ.get("PYTHONPATH")
    if given is None:
        return
    rest = [folder for folder in given.split(os.pathsep) if folder != _FOLDER]
    if rest:
        os.environ["PYTHONPATH"] = os.pathsep.join(rest)
    else:
        del os.environ["PYTHONPATH"]


def _is_in_reach():
    has_lock = getattr(sys, "_is_gil_enabled", lambda: True)() and "t" not in getattr(sys, "abiflags", "")
    return sys.implementation.name == "cpython" and sys.version_info >= (3, 9) and has_lock


class _Finder:
    """Finds Loopscope's own package, and says when another one has been imported."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "loopscope":
            return _path_finder().find_spec(name, [_PACKAGES], target)
        if name == "asyncio":
            return _found_by_others(name, path, target)
        return None


def _path_finder():
    return sys.modules["_frozen_importlib_external"].PathFinder


def _found_by_others(name, path, target):
    for finder in list(sys.meta_path):
        find_spec = getattr(finder, "find_spec", None)
        if finder is _Finder or find_spec is None:
            continue
        spec = find_spec(name, path, target)
        if spec is not None:
            _call_when_run(spec.loader)
            return spec
    return None


def _call_when_run(loader):
    run = getattr(loader, "exec_module", None)
    if run is None or isinstance(loader, type):
        return

    def exec_module(module):
        del loader.exec_module
        run(module)
        _begin()

    try:
        loader.exec_module = exec_module
    except AttributeError:
        pass


def _begin():
    try:
        from loopscope import _agent

        # Importing the package began it, unless somebody had imported it before.
        _agent.begin()
    except Exception:
        # The program runs on unwatched; its recording says so by having no adapter.
        pass


try:
    _leave_no_trace()
    if "LOOPSCOPE_RUN_ID" in os.environ and _is_in_reach():
        if "asyncio" in sys.modules:
            _begin()
        sys.meta_path.insert(0, _Finder)
except Exception:
    pass

sys.modules.pop("sitecustomize", None)
import sitecustomize  # noqa: E402, F401
