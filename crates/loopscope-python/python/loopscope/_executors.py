"""Follows the work of thread pools, from its submission to its end."""

import functools
import threading
import weakref
from typing import Any

from . import _native


def watch(module: Any) -> None:
    """Follows every pool of `concurrent.futures.thread` from now on."""
    current = threading.local()
    module._WorkItem = _work_item(module._WorkItem, current)
    pool = module.ThreadPoolExecutor
    pool.submit = _submit(pool.submit, current)
    pool.shutdown = _shutdown(pool.shutdown)


_sites: "weakref.WeakKeyDictionary[Any, _native.ExecutorSite]" = weakref.WeakKeyDictionary()


def _site_of(executor: Any) -> "_native.ExecutorSite":
    site = _sites.get(executor)
    if site is None:
        name = getattr(executor, "_thread_name_prefix", "") or type(executor).__name__
        site = _sites[executor] = _native.ExecutorSite(name)
    return site


def _sizes(executor: Any) -> "tuple[int, int]":
    return len(executor._threads), executor._max_workers


def _submit(original: Any, current: threading.local) -> Any:
    @functools.wraps(original)
    def submit(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        # For the piece of work that this is going to make.
        current.executor = self
        try:
            return original(self, *args, **kwargs)
        finally:
            current.executor = None

    return submit


def _shutdown(original: Any) -> Any:
    @functools.wraps(original)
    def shutdown(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        site = _sites.get(self)
        if site is not None:
            site.shut_down()
        return result

    return shutdown


def _submitted(executor: Any) -> Any:
    """What follows a piece of work that this executor was given; nothing where it cannot be followed."""
    try:
        # Weakly: a pool that nobody else holds any more ends its threads.
        return _site_of(executor).submitted(*_sizes(executor)), weakref.ref(executor)
    except Exception:
        return None


def _begun(followed: Any) -> None:
    piece, executor = followed
    try:
        pool = executor()
        piece.begun(*((0, 0) if pool is None else _sizes(pool)))
    except Exception:
        piece.begun(0, 0)


def _work_item(original: Any, current: threading.local) -> Any:
    class _WorkItem(original):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            executor = getattr(current, "executor", None)
            self._loopscope = None if executor is None else _submitted(executor)

        def run(self, *args: Any) -> Any:
            followed = self._loopscope
            if followed is None:
                return super().run(*args)
            piece = followed[0]
            future = self.future
            if future.cancelled():
                piece.cancelled()
                return super().run(*args)
            _begun(followed)
            try:
                return super().run(*args)
            finally:
                piece.ended(future._exception is None)

    _WorkItem.__qualname__ = original.__qualname__
    _WorkItem.__module__ = original.__module__
    return _WorkItem
