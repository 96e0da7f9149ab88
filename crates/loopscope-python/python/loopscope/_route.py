"""What the routes of all frameworks share."""

import sys

from ._health import QUESTIONS, Answer, answer, is_asked_elsewhere


def question_of(path: str) -> str:
    """What a path asks for: its last part names a probe, or else it is the report.

    >>> question_of("/internal/livez"), question_of("/status/")
    ('livez', 'health')
    """
    last = path.rstrip("/").rpartition("/")[2]
    return last if last in QUESTIONS else "health"


async def answer_on_loop(question: str, accept: str) -> Answer:
    """As :func:`answer`, without keeping the loop that it is called on."""
    asyncio = sys.modules.get("asyncio")
    loop = None if asyncio is None else asyncio._get_running_loop()
    if loop is None or not is_asked_elsewhere():
        return answer(question, accept)
    result: Answer = await loop.run_in_executor(None, answer, question, accept)
    return result
