"""Commands of a service and their outcomes, over all lanes: one id can be in several partitions."""

from collections.abc import Iterable

from cohost.audit.findings import Findings
from schemas.ids import REMEMBERED_MS

_DELAY_MS = 60 * 60 * 1000
"""How long after its decision an outcome may have been written, in milliseconds."""


class Ledger:
    """Command ids of one commands topic. An id reused after the retention may have a second outcome."""

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
        """Mark the oldest commands of a lane as no longer in the log."""
        self._whole = False

    def met(self, identifier: str, timestamp: int) -> None:
        """Add a command record and its timestamp, from any lane."""
        if identifier in self._met:
            self._again.setdefault(identifier, [self._met[identifier]]).append(timestamp)
        else:
            self._met[identifier] = timestamp

    def decided(self, identifier: str, timestamp: int) -> None:
        """Add a lane's outcome of a command, written at `timestamp`."""
        if identifier in self._decided:
            self.second(identifier, timestamp, "in another partition")
        self._decided.setdefault(identifier, timestamp)
        self._undecided.pop(identifier, None)

    def undecided(self, identifier: str, offset: int) -> None:
        """Add a command that has no outcome in a lane that has the command."""
        if identifier not in self._decided:
            self._undecided.setdefault(identifier, offset)

    def second(self, identifier: str, timestamp: int, where: str) -> None:
        """Add a second outcome of a command, written at `timestamp`."""
        self._seconds.setdefault(identifier, []).append((timestamp, where))

    def close(self) -> None:
        """Report commands with no outcome or with two, and count all."""
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
        """Return the number of outcomes that an id may have."""
        most = _apart(self._again.get(identifier, [0]), REMEMBERED_MS)
        if self._whole:
            return most
        # The first outcome may belong to a record that is no longer in the log: judge by the outcomes' times.
        written = [self._decided[identifier], *(timestamp for timestamp, _ in self._seconds[identifier])]
        return max(most, _apart(written, REMEMBERED_MS - _DELAY_MS))


def _apart(timestamps: Iterable[int], gap: int) -> int:
    """Count timestamps that are further apart than the gap, starting at the first."""
    first, *later = sorted(timestamps)
    count, last = 1, first
    for timestamp in later:
        if timestamp - last > gap:
            count, last = count + 1, timestamp
    return count
