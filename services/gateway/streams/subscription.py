"""One client's stream: the events that wait to be written to it, and what it may see."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from services.gateway.streams.hosts import HostHistory
from services.gateway.streams.records import StreamRecord

EndReason = Literal["slow", "expired", "position_lost", "stopped", "closed"]

MAX_EVENTS_BEHIND = 1_000
MAX_PAST_EVENTS = 500
"""The number of events from before that are queued at once: the next ones wait until these are written."""

_MAX_WRITE_BYTES = 64 * 1024


class Viewer(Protocol):
    """What a caller may see of the events of a stream."""

    def can_see(self, record: StreamRecord) -> bool:
        """Return whether the caller may see an event; records come in log order per partition."""


class UnrestrictedViewer:
    """Ops on any stream, and a user on the own one."""

    def can_see(self, record: StreamRecord) -> bool:  # noqa: ARG002 - a viewer's method
        """Return true."""
        return True


class RoomViewer:
    """A caller on a room's stream: some events are for the one who was the host at that event."""

    def __init__(self, user_id: str, hosts: HostHistory) -> None:
        self._user_id = user_id
        self._hosts = hosts

    def can_see(self, record: StreamRecord) -> bool:
        """Return whether everybody may see an event, or the caller was the host at it."""
        if record.host_change is not None:
            self._hosts.add_change(record.host_change)
        return record.is_public or self._host_at(record) == self._user_id

    def _host_at(self, record: StreamRecord) -> str | None:
        if record.sequence is not None:
            return self._hosts.host_at_sequence(record.sequence)
        return None if record.time is None else self._hosts.host_at_time(record.time)


class Subscription:
    """The queue of a client's stream. It ends when the client is more than 1 000 events behind.

    `on_slow` is then called, for the queue's reader may wait for the client. Events from before the client
    was connected do not count: they are queued a part at a time.
    """

    def __init__(self, viewer: Viewer, on_slow: Callable[[], None] | None = None) -> None:
        self.viewer = viewer
        self.end_reason: EndReason | None = None
        self._on_slow = on_slow
        self._events: deque[bytes] = deque()
        self._past_count = 0
        self._changed = asyncio.Event()
        self._drained = asyncio.Event()

    def push_past(self, events: Sequence[bytes]) -> None:
        """Queue events from before; nothing newer may be queued yet."""
        self._events.extend(events)
        self._past_count += len(events)
        self._changed.set()

    def push_event(self, event: bytes) -> None:
        """Queue an event, or end the stream if too many wait."""
        if len(self._events) - self._past_count >= MAX_EVENTS_BEHIND:
            self.end("slow")
            return
        self._events.append(event)
        self._changed.set()

    def end(self, reason: EndReason) -> None:
        """End the stream without writing what still waits."""
        if self.end_reason is None:
            self.end_reason = reason
            self._changed.set()
            if reason == "slow" and self._on_slow is not None:
                self._on_slow()

    async def wait_until_drained(self) -> None:
        """Wait until everything that was queued is being written."""
        while self._events:
            self._drained.clear()
            await self._drained.wait()

    async def take_events(self) -> bytes:
        """Wait for events and return the next ones, empty once the stream has ended."""
        while not self._events and self.end_reason is None:
            self._changed.clear()
            await self._changed.wait()
        return b"" if self.end_reason is not None else self._take_waiting()

    def _take_waiting(self) -> bytes:
        taken: list[bytes] = []
        size = 0
        while self._events and size < _MAX_WRITE_BYTES:
            taken.append(self._events.popleft())
            size += len(taken[-1])
        self._past_count = max(0, self._past_count - len(taken))
        if not self._events:
            self._drained.set()
        return b"".join(taken)
