"""The hosts that a room has had, which decide what a host may see of the past."""

import bisect
from collections.abc import Iterable
from typing import NamedTuple


class HostChange(NamedTuple):
    """A room's host from a `StageChanged` on: its sequence on `invitations.events`, and its time."""

    sequence: int
    since: str
    host_id: str


class HostHistory:
    """The hosts of one room, in the order of the log."""

    def __init__(self, changes: Iterable[HostChange] = ()) -> None:
        self._changes = sorted(changes)

    def add_change(self, change: HostChange) -> None:
        """Add what a `StageChanged` says; it may be known already, and older than what is known."""
        if self.host_at_sequence(change.sequence) != change.host_id:
            bisect.insort(self._changes, change)

    def host_at_sequence(self, sequence: int) -> str | None:
        """Return the host at an event of `invitations.events`, None if it is not known."""
        for change in reversed(self._changes):
            if change.sequence <= sequence:
                return change.host_id
        return None

    def host_at_time(self, time: str) -> str | None:
        """Return the host at a time, None if it is not known."""
        for change in reversed(self._changes):
            if change.since <= time:
                return change.host_id
        return None
