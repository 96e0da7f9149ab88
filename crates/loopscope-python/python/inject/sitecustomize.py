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


def _wait_for_imports():
    import _frozen_importlib
    import _frozen_importlib_external

    # By itself, since importing the package loads all of the agent.
    folder = os.path.join(_PACKAGES, "loopscope")
    spec = _frozen_importlib_external.PathFinder.find_spec("_imports", [folder])
    imports = _frozen_importlib.module_from_spec(spec)
    spec.loader.exec_module(imports)
    imports.install(_PACKAGES)


try:
    _leave_no_trace()
    if "LOOPSCOPE_RUN_ID" in os.environ and _is_in_reach():
        _wait_for_imports()
except Exception:
    pass

sys.modules.pop("sitecustomize", None)
import sitecustomize  # noqa: E402, F401
