"""Answers that many consoles ask for at once: made once, and shared for a moment."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

_SECONDS = 0.5
_MOST = 64

T = TypeVar("T")


class SharedAnswers(Generic[T]):
    """Answers by what was asked, each shared for half a second."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, tuple[float, asyncio.Task[T]]] = {}

    async def get(self, question: Hashable, answer: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the answer to a question, at most half a second old. Raises what `answer` raises."""
        made_at, task = self._answers.get(question, (0.0, None))
        if task is None or (task.done() and time.monotonic() - made_at > _SECONDS):
            made_at, task = time.monotonic(), asyncio.create_task(answer())
            # Every caller may have been cancelled when it fails: its error counts as retrieved.
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            self._answers.pop(question, None)
            if len(self._answers) >= _MOST:
                del self._answers[next(iter(self._answers))]
            self._answers[question] = made_at, task
        return await asyncio.shield(task)
