"""The engine and the health endpoint on native threads, written in Rust."""

from typing import final

__all__ = ["Monitor", "own_address"]

def own_address() -> int: ...
@final
class Monitor:
    def __new__(
        cls,
        *,
        service: str,
        run_id: int,
        listen: str | None,
        token: str | None,
        stall_threshold_nanos: int,
        blocked_threshold_nanos: int,
        unwatched: str | None,
    ) -> Monitor: ...
    @property
    def address(self) -> str | None: ...
    @property
    def problems(self) -> list[str]: ...
    @property
    def is_here(self) -> bool: ...
    def answer(self, question: str, accept: str) -> tuple[int, str, float, bytes]: ...
    def stop(self) -> None: ...
