"""Answers that many consoles ask for at once: made once, and shared for a moment."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from services.runtime.ops.shared_result import SharedResult

_MOST = 64

T = TypeVar("T")


class SharedAnswers(Generic[T]):
    """Answers by what was asked, each shared for half a second; the oldest are forgotten."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, SharedResult[T]] = {}

    async def get(self, question: Hashable, answer: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to a question, at most half a second old. Raises what `answer` raises."""
        shared = self._answers.pop(question, None)
        if shared is None or shared.is_over:
            # Each time by the present `answer`: it may use its caller's token, which expires.
            shared = SharedResult(answer)
        self._answers[question] = shared
        if len(self._answers) > _MOST:
            del self._answers[next(iter(self._answers))]
        return await shared.wait()
