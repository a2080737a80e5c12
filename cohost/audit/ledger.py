"""What a service's commands came to, over all lanes: one id may lie in several partitions."""

from collections.abc import Iterable

from cohost.audit.findings import Findings
from schemas.ids import REMEMBERED_MS

_DELAY_MS = 60 * 60 * 1000
"""How much later than it was decided an outcome may have been written."""


class Ledger:
    """The ids of one commands topic. An id that comes back after the retention may have a second outcome."""

    def __init__(self, topic: str, findings: Findings) -> None:
        self._topic = topic
        self._findings = findings
        self._whole = True
        self._met: dict[str, int] = {}
        self._again: dict[str, list[int]] = {}
        self._decided: dict[str, int] = {}
        self._undecided: dict[str, int] = {}
        self._seconds: dict[str, list[tuple[int, str]]] = {}

    def cut(self) -> None:
        """Note that the oldest commands of a lane are not in the log any more."""
        self._whole = False

    def met(self, identifier: str, timestamp: int) -> None:
        """Note a command and its time, in whatever lane."""
        if identifier in self._met:
            self._again.setdefault(identifier, [self._met[identifier]]).append(timestamp)
        else:
            self._met[identifier] = timestamp

    def decided(self, identifier: str, timestamp: int) -> None:
        """Note that a lane has the outcome of a command, written at that time."""
        if identifier in self._decided:
            self.second(identifier, timestamp, "in another partition")
        self._decided.setdefault(identifier, timestamp)
        self._undecided.pop(identifier, None)

    def undecided(self, identifier: str, offset: int) -> None:
        """Note that a lane has the command, and not its outcome."""
        if identifier not in self._decided:
            self._undecided.setdefault(identifier, offset)

    def second(self, identifier: str, timestamp: int, where: str) -> None:
        """Note a second outcome of a command, written at that time."""
        self._seconds.setdefault(identifier, []).append((timestamp, where))

    def close(self) -> None:
        """Say which commands have no outcome, or two, and count them."""
        for identifier, seconds in self._seconds.items():
            late = len(seconds) < self._outcomes(identifier)
            for _, where in seconds:
                if late:
                    self._findings.unchecked("second outcomes of commands that came back after a week")
                else:
                    self._findings.violation(
                        f"command {identifier} of {self._topic} has a second outcome, {where}"
                    )
        for identifier, offset in self._undecided.items():
            self._findings.violation(
                f"command {identifier} of {self._topic}, offset {offset}, has no outcome"
            )
        self._findings.counts["commands"] += len(self._decided) + len(self._undecided)
        self._findings.counts["outcomes"] += len(self._decided)

    def _outcomes(self, identifier: str) -> int:
        """Return how many outcomes an id may have."""
        most = _apart(self._again.get(identifier, [0]), REMEMBERED_MS)
        if self._whole:
            return most
        # A record that is not in the log any more may be what the first outcome was of: the outcomes tell.
        written = [self._decided[identifier], *(timestamp for timestamp, _ in self._seconds[identifier])]
        return max(most, _apart(written, REMEMBERED_MS - _DELAY_MS))


def _apart(timestamps: Iterable[int], gap: int) -> int:
    """Return how many of the times, from the first on, lie further apart than the gap."""
    first, *later = sorted(timestamps)
    count, last = 1, first
    for timestamp in later:
        if timestamp - last > gap:
            count, last = count + 1, timestamp
    return count
