"""Exponential back-off with jitter."""

import random

_MIN_JITTER = 0.5


class Backoff:
    """The waits between failing attempts: doubling, from `first` to `longest` seconds.

    Each wait is shortened by a random part of up to a half, so that clients that failed together do not
    retry together.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._ceiling = first
        self.failing = False
        """Whether an attempt failed since the last reset, for logging the start and end of an outage once."""

    def next_wait(self) -> float:
        """Record a failure and return the seconds to wait before the next attempt."""
        self.failing = True
        seconds = self._ceiling * random.uniform(_MIN_JITTER, 1.0)  # noqa: S311 - jitter
        self._ceiling = min(self._longest, 2 * self._ceiling)
        return seconds

    def reset(self) -> None:
        """Record a success: the next wait is the first again."""
        self.failing = False
        self._ceiling = self._first
