"""Commands of a service and their outcomes, over all lanes: one id can be in several partitions."""

from collections.abc import Iterable

from cohost.audit.report import ReportBuilder
from cohost_schemas.ids import COMMAND_ID_RETENTION_MS

_MAX_WRITE_DELAY_MS = 60 * 60 * 1000
"""Milliseconds after its decision in which an outcome may have been written."""


class CommandLedger:
    """Command ids of one commands topic. An id reused after the retention may have a second outcome."""

    def __init__(self, topic: str, report: ReportBuilder) -> None:
        self._topic = topic
        self._report = report
        self._starts_at_zero = True
        self._first_seen: dict[str, int] = {}
        self._repeats: dict[str, list[int]] = {}
        self._decided_at: dict[str, int] = {}
        self._undecided_offsets: dict[str, int] = {}
        self._second_outcomes: dict[str, list[tuple[int, str]]] = {}

    def mark_truncated(self) -> None:
        """Record that the oldest commands of a lane are no longer in the log."""
        self._starts_at_zero = False

    def add_command(self, command_id: str, timestamp: int) -> None:
        """Add a command record and its timestamp, from any lane."""
        if command_id in self._first_seen:
            self._repeats.setdefault(command_id, [self._first_seen[command_id]]).append(timestamp)
        else:
            self._first_seen[command_id] = timestamp

    def add_outcome(self, command_id: str, timestamp: int) -> None:
        """Add a lane's outcome of a command, written at `timestamp`."""
        if command_id in self._decided_at:
            self.add_second_outcome(command_id, timestamp, "in another partition")
        self._decided_at.setdefault(command_id, timestamp)
        self._undecided_offsets.pop(command_id, None)

    def add_undecided(self, command_id: str, offset: int) -> None:
        """Add a command that has no outcome in a lane that has the command."""
        if command_id not in self._decided_at:
            self._undecided_offsets.setdefault(command_id, offset)

    def add_second_outcome(self, command_id: str, timestamp: int, location: str) -> None:
        """Add a second outcome of a command, written at `timestamp`."""
        self._second_outcomes.setdefault(command_id, []).append((timestamp, location))

    def report_outcomes(self) -> None:
        """Report commands with no outcome or with two, and count all."""
        for command_id, second_outcomes in self._second_outcomes.items():
            allowed = len(second_outcomes) < self._allowed_outcomes(command_id)
            for _, location in second_outcomes:
                if allowed:
                    self._report.add_unchecked("second outcomes of commands that came back after a week")
                else:
                    self._report.add_violation(
                        f"command {command_id} of {self._topic} has a second outcome, {location}"
                    )
        for command_id, offset in self._undecided_offsets.items():
            self._report.add_violation(
                f"command {command_id} of {self._topic}, offset {offset}, has no outcome"
            )
        self._report.counts["commands"] += len(self._decided_at) + len(self._undecided_offsets)
        self._report.counts["outcomes"] += len(self._decided_at)

    def _allowed_outcomes(self, command_id: str) -> int:
        """Return the number of outcomes that an id may have."""
        allowed = _count_spaced(self._repeats.get(command_id, [0]), COMMAND_ID_RETENTION_MS)
        if self._starts_at_zero:
            return allowed
        # The first outcome may belong to a record that is no longer in the log: judge by the outcomes' times.
        written = [
            self._decided_at[command_id],
            *(timestamp for timestamp, _ in self._second_outcomes[command_id]),
        ]
        return max(allowed, _count_spaced(written, COMMAND_ID_RETENTION_MS - _MAX_WRITE_DELAY_MS))


def _count_spaced(timestamps: Iterable[int], min_gap: int) -> int:
    """Count timestamps that are further apart than the gap, starting at the first."""
    first, *later = sorted(timestamps)
    count, last = 1, first
    for timestamp in later:
        if timestamp - last > min_gap:
            count, last = count + 1, timestamp
    return count
