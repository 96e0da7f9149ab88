"""Calls of the openai client: one from the request to the answer's end, a stream's last piece included.

What the client tries again by itself is one call. The requests that it makes with httpx are a part of it.
"""

import functools
from typing import Any

from . import _tracking
from ._names import OTHER, Sites

# Operations that are called by their method's name in the client.
_OPERATIONS = {
    "/chat/completions": "chat.completions.create",
    "/completions": "completions.create",
    "/responses": "responses.create",
    "/embeddings": "embeddings.create",
    "/moderations": "moderations.create",
    "/images/generations": "images.generate",
    "/images/edits": "images.edit",
    "/audio/speech": "audio.speech.create",
    "/audio/transcriptions": "audio.transcriptions.create",
    "/audio/translations": "audio.translations.create",
}

# Everything else is called by the first word of its path, if that is one of these.
_AREAS = frozenset(
    (
        "assistants",
        "batches",
        "chat",
        "containers",
        "conversations",
        "evals",
        "files",
        "fine_tuning",
        "images",
        "models",
        "realtime",
        "responses",
        "threads",
        "uploads",
        "vector_stores",
        "videos",
    )
)


def watch(library: Any) -> None:
    """Tracks every client, sync and async."""
    sites = Sites("openai")

    def choose(client: Any, cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        return sites.named(_name(options.method, options.url))

    def end(result: Any, running: Any) -> Any:
        is_stream = isinstance(result, (library.Stream, library.AsyncStream))
        pieces = getattr(result, "_iterator", None) if is_stream else None
        if pieces is None:
            running.returned()
        else:
            result._iterator = _tracking.follow(pieces, running)
        return result

    _tracking.track(library.SyncAPIClient, "request", choose, end, _tracking.OPENAI)
    _tracking.track(library.AsyncAPIClient, "request", choose, end)
    _speak_for_requests(library.BaseClient)


def _name(method: Any, path: Any) -> str:
    if not isinstance(path, str):
        return OTHER
    operation = _OPERATIONS.get(path) if method == "post" else None
    if operation is not None:
        return operation
    area = path.lstrip("/").partition("/")[0]
    return f"{area}.{method}" if area in _AREAS else OTHER


def _speak_for_requests(client_type: Any) -> None:
    build = client_type._build_request

    @functools.wraps(build)
    def _build_request(*args: Any, **kwargs: Any) -> Any:
        request = build(*args, **kwargs)
        try:
            _tracking.spoken_for.add(request)
        except Exception:
            pass
        return request

    client_type._build_request = _build_request
