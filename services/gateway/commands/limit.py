"""The number of commands that a user may send in a minute."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.strategies import FixedWindowRateLimiter

from services.gateway.commands.limit_storage import MinuteCounters
from services.gateway.commands.metrics import CommandMetrics
from services.runtime.http.problems import HttpProblem


class CommandLimit:
    """Count the commands of each user, in this copy's memory.

    A user's minute begins with the first command of it.
    """

    def __init__(self, per_minute: int, metrics: CommandMetrics) -> None:
        self._item = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._limiter = FixedWindowRateLimiter(MinuteCounters())
        self._metrics = metrics

    def count(self, user_id: str) -> None:
        """Count a command of the user. Raises `HttpProblem` (429) if there were too many before."""
        if self._item is None or self._limiter.hit(self._item, user_id):
            return
        self._metrics.limited.inc()
        reset_time, _ = self._limiter.get_window_stats(self._item, user_id)
        raise HttpProblem(
            429,
            "too_many_requests",
            f"A user may send {self._item.amount} commands in a minute.",
            retry_after=max(1, math.ceil(reset_time - time.time())),
        )
