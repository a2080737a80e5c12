"""The clock: deadlines that are over become signals, seats whose end was asked for are asked for again."""

import asyncio
import time

import structlog

from messaging import errors, ids
from schemas import timestamps, topics
from schemas.commands import ReleaseSeat
from schemas.signals import DeadlineReached
from services.broadcast import store
from services.broadcast.state import Member, Release, Room, Seat
from services.broadcast.surroundings import Surroundings

_PERIOD_SECONDS = 0.5
_SIGNAL_SECONDS = 5.0
_COMMAND_SECONDS = 30.0
_LIMIT = 500

log = structlog.get_logger()


class Sweeper:
    """Sweeps the lanes that are ours twice a second. What it writes is harmless when written twice."""

    def __init__(self, around: Surroundings) -> None:
        self._producer = around.producer
        self._pool = around.pool
        self._ownership = around.ownership
        self._written: dict[tuple[str, ...], float] = {}

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                await self._sweep()
            except Exception as error:
                if not errors.worth_retrying(error):
                    raise
                log.info("deadlines not swept", error=type(error).__name__)
            await asyncio.sleep(_PERIOD_SECONDS)

    async def _sweep(self) -> None:
        lanes = self._ownership.lanes()
        if not lanes:
            return
        now = time.monotonic()
        self._written = {key: until for key, until in self._written.items() if until > now}
        async with self._pool.acquire() as connection:
            due = await store.due(connection, lanes, timestamps.now(), _LIMIT)
            releasing = await store.releasing(connection, lanes)
        for room, member in due:
            if member.seat is not None and member.deadline is not None:
                await self._reached(room, member, member.seat, member.deadline)
        for room, member in releasing:
            if member.seat is not None and member.seat.release is not None:
                await self._release(room, member, member.seat, member.seat.release)

    async def _reached(self, room: Room, member: Member, seat: Seat, due_at: str) -> None:
        if not self._may_write((room.room_id, member.user_id, seat.invitation_id, due_at), _SIGNAL_SECONDS):
            return
        signal = DeadlineReached(
            room_id=room.room_id,
            user_id=member.user_id,
            invitation_id=seat.invitation_id,
            kind="grace" if member.presence.grace_ends_at is not None else "no_show",
            due_at=due_at,
            command_id=ids.uuid7(),
        )
        await self._producer.send(topics.BROADCAST_SIGNALS, ids.uuid7(), signal, room.room_id)

    async def _release(self, room: Room, member: Member, seat: Seat, release: Release) -> None:
        if not self._may_write((release.command_id,), _COMMAND_SECONDS):
            return
        command = ReleaseSeat(
            room_id=room.room_id,
            user_id=member.user_id,
            invitation_id=seat.invitation_id,
            reason=release.reason,
        )
        await self._producer.send(topics.INVITATION_COMMANDS, release.command_id, command, room.room_id)

    def _may_write(self, key: tuple[str, ...], seconds: float) -> bool:
        """Say whether this was not written lately. A failed write counts: the rest are written first."""
        now = time.monotonic()
        if self._written.get(key, 0.0) > now:
            return False
        self._written[key] = now + seconds
        return True
