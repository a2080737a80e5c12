"""Counts per interval of time, over a window that ends now."""

from collections import Counter

INTERVAL_SECONDS = 5
"""The length of an interval."""

INTERVAL_COUNT = 180
"""The number of intervals in the window: fifteen minutes."""

RATE_SECONDS = 10
"""The time over which the rate of commands is taken."""


class SampleCounts:
    """Counts by name for each interval, and commands for each second.

    A record counts for its time on the broker, whenever it is read: after an outage the curves are as they
    would have been. A time before `since` counts as `since`, one ahead of this machine's clock as now.
    """

    def __init__(self, since: float) -> None:
        self._since = since
        self._intervals: dict[int, Counter[str]] = {}
        self._commands: Counter[int] = Counter()

    def count(self, at: float, now: float, *names: str) -> None:
        """Count a record by these names, with its time in seconds since the epoch."""
        number = int(min(max(at, self._since), now) // INTERVAL_SECONDS)
        counts = self._intervals.get(number)
        if counts is None:
            counts = self._intervals[number] = Counter()
            self._drop_old(now)
        for name in names:
            counts[name] += 1

    def count_command(self, at: float, now: float) -> None:
        """Count a command for the rate."""
        self._commands[int(min(at, now))] += 1

    def intervals(self, now: float) -> list[tuple[int, Counter[str]]]:
        """Return the start of each interval, in seconds since the epoch, with its counts; oldest first."""
        last = int(now // INTERVAL_SECONDS)
        first = max(int(self._since // INTERVAL_SECONDS), last - INTERVAL_COUNT + 1)
        empty: Counter[str] = Counter()
        numbers = range(first, last + 1)
        return [(number * INTERVAL_SECONDS, self._intervals.get(number, empty)) for number in numbers]

    def command_rate(self, now: float) -> float:
        """Return the commands per second, over the last seconds that are complete."""
        return sum(self._commands[int(now) - back] for back in range(1, RATE_SECONDS + 1)) / RATE_SECONDS

    def _drop_old(self, now: float) -> None:
        first = int(now // INTERVAL_SECONDS) - INTERVAL_COUNT + 1
        for number in [number for number in self._intervals if number < first]:
            del self._intervals[number]
        for second in [second for second in self._commands if second < int(now) - RATE_SECONDS]:
            del self._commands[second]
