"""Sweep expired deadlines and pending releases into records: `DeadlineReached` and `ReleaseSeat`."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

import structlog

from messaging import errors, ids
from schemas import timestamps, topics
from schemas.commands import ReleaseSeat
from schemas.signals import DeadlineReached
from services.broadcast import store
from services.broadcast.comparison import Comparison
from services.broadcast.livekit import CallFailed
from services.broadcast.state import Member, Release, Room, Seat
from services.broadcast.surroundings import Surroundings

_PERIOD_SECONDS = 0.5
_LOOK_SECONDS = 1.0
_SIGNAL_SECONDS = 5.0
_COMMAND_SECONDS = 30.0
_LIMIT = 500
_AT_ONCE = 32

log = structlog.get_logger()

Key = tuple[str, ...]


class Sweeper:
    """Sweeps our lanes twice a second. Its records are harmless when written twice."""

    def __init__(self, around: Surroundings, comparison: Comparison) -> None:
        self._livekit = around.livekit
        self._producer = around.producer
        self._pool = around.pool
        self._ownership = around.ownership
        self._comparison = comparison
        self._looks = asyncio.Semaphore(_AT_ONCE)
        self._resting: dict[Key, float] = {}
        self._away = False

    async def run(self) -> None:
        """Sweep until cancelled."""
        # Two loops: deadlines wait for LiveKit, which may be slow, and releases must not wait for them.
        await asyncio.gather(self._repeat(self._deadlines), self._repeat(self._releases))

    async def _repeat(self, sweep: Callable[[list[int]], Awaitable[None]]) -> None:
        while True:
            try:
                if lanes := self._ownership.lanes():
                    await sweep(lanes)
            except Exception as error:
                if not errors.is_transient(error):
                    raise
                log.info("sweep failed", error=type(error).__name__)
            await asyncio.sleep(_PERIOD_SECONDS)

    async def _deadlines(self, lanes: list[int]) -> None:
        now = time.monotonic()
        self._resting = {key: until for key, until in self._resting.items() if until > now}
        self._away = False
        async with self._pool.acquire() as connection:
            due = await store.due(connection, lanes, timestamps.current_timestamp(), _LIMIT)
        await _all(
            self._reached(room, member, member.seat, member.deadline)
            for room, member in due
            if member.seat is not None and member.deadline is not None
        )

    async def _reached(self, room: Room, member: Member, seat: Seat, due_at: str) -> None:
        key = (room.room_id, member.user_id, seat.invitation_id, due_at)
        if self._rests(key):
            return
        async with self._looks:
            if not self._ownership.holds(room.lane):
                return
            self._rest(key, _LOOK_SECONDS)
            if not self._away and await self._there(room, member):
                return
        signal = DeadlineReached(
            room_id=room.room_id,
            user_id=member.user_id,
            invitation_id=seat.invitation_id,
            kind="grace" if member.presence.grace_ends_at is not None else "no_show",
            due_at=due_at,
            command_id=ids.uuid7(),
        )
        await self._producer.send_message(topics.BROADCAST_SIGNALS, ids.uuid7(), signal, room.room_id)
        self._rest(key, _SIGNAL_SECONDS)

    async def _there(self, room: Room, member: Member) -> bool:
        """Return whether a user is connected without a webhook. While LiveKit is unreachable, nobody is."""
        try:
            found = await self._livekit.participant(room.room_id, member.user_id)
        except CallFailed as error:
            if not self._away:
                log.info("LiveKit unreachable, deadlines not verified", error=error.error)
            # LiveKit is not called again in this sweep: a call to it may take seconds.
            self._away = True
            return False
        if found is None or found.sid in member.presence.ended:
            return False
        self._comparison.soon(room.room_id)
        return True

    async def _releases(self, lanes: list[int]) -> None:
        async with self._pool.acquire() as connection:
            releasing = await store.releasing(connection, lanes)
        await _all(
            self._release(room, member, member.seat, member.seat.release)
            for room, member in releasing
            if member.seat is not None and member.seat.release is not None
        )

    async def _release(self, room: Room, member: Member, seat: Seat, release: Release) -> None:
        if self._rests((release.command_id,)):
            return
        command = ReleaseSeat(
            room_id=room.room_id,
            user_id=member.user_id,
            invitation_id=seat.invitation_id,
            reason=release.reason,
        )
        await self._producer.send_message(
            topics.INVITATION_COMMANDS, release.command_id, command, room.room_id
        )
        self._rest((release.command_id,), _COMMAND_SECONDS)

    def _rests(self, key: Key) -> bool:
        return self._resting.get(key, 0.0) > time.monotonic()

    def _rest(self, key: Key, seconds: float) -> None:
        self._resting[key] = time.monotonic() + seconds


async def _all(work: Iterable[Awaitable[None]]) -> None:
    """Run all concurrently to the end, even if some fail, then raise the first error."""
    for ended in await asyncio.gather(*work, return_exceptions=True):
        if ended is not None:
            raise ended
