"""Sweep what is due into records: `DeadlineReached`, `QualityDue` and `ReleaseSeat`."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

import asyncpg
import structlog

from cohost.kafka.backoff import Backoff
from cohost_schemas import ids, timestamps, topics
from cohost_schemas.commands import ReleaseSeat
from cohost_schemas.signals import DeadlineReached, QualityDue
from messaging import errors
from messaging.lanes.lease import LaneLease
from messaging.producer import AtLeastOnceProducer
from services.broadcast import store
from services.broadcast.domain.state import Member, MemberKey, ReleaseRequest, Room, Seat
from services.broadcast.effects.resyncer import RoomResyncer
from services.broadcast.livekit.calls import CallFailed
from services.broadcast.livekit.client import LiveKitClient

_PERIOD_SECONDS = 0.5
_RECHECK_SECONDS = 1.0
_SIGNAL_RESEND_SECONDS = 5.0
_COMMAND_RESEND_SECONDS = 30.0
_MAX_UNVERIFIED_SECONDS = 5.0
"""For how long LiveKit is asked again before a seat ends without its answer: slow calls prove no absence."""
_MAX_DEADLINES = 500
_MAX_CALLS = 32

log = structlog.get_logger()


class _DeadlineKey(NamedTuple):
    """One deadline of a seat: a later deadline of the same seat is another one."""

    member: MemberKey
    invitation_id: str
    due_at: str


class _QualityKey(NamedTuple):
    """A user's unpublished quality, by when it is to be published."""

    member: MemberKey
    due_at: str


_PostponedKey = _DeadlineKey | _QualityKey | str
"""A deadline, an unpublished quality, or the command id of a release."""


class Sweeper:
    """Sweeps our lanes twice a second. Its records are harmless when written twice."""

    def __init__(
        self,
        livekit: LiveKitClient,
        producer: AtLeastOnceProducer,
        pool: asyncpg.Pool,
        lease: LaneLease,
        resyncer: RoomResyncer,
    ) -> None:
        self._livekit = livekit
        self._producer = producer
        self._pool = pool
        self._lease = lease
        self._resyncer = resyncer
        self._call_slots = asyncio.Semaphore(_MAX_CALLS)
        self._postponed_until: dict[_PostponedKey, float] = {}
        self._unverified_since: dict[_DeadlineKey, float] = {}
        self._is_livekit_unreachable = False

    async def run(self) -> None:
        """Sweep until cancelled."""
        # Loops of their own: deadlines wait for LiveKit, which may be slow, and the others must not wait.
        await asyncio.gather(
            self._sweep_periodically(self._sweep_deadlines),
            self._sweep_periodically(self._sweep_releases),
            self._sweep_periodically(self._sweep_qualities),
        )

    async def _sweep_periodically(self, sweep: Callable[[list[int]], Awaitable[None]]) -> None:
        backoff = Backoff(_PERIOD_SECONDS, _PERIOD_SECONDS)
        while True:
            pause = _PERIOD_SECONDS
            try:
                if lanes := self._lease.valid_lanes():
                    await sweep(lanes)
            except Exception as error:
                if not errors.is_transient(error):
                    raise
                if not backoff.failing:
                    log.info("sweep failed", error=type(error).__name__)
                pause = backoff.next_wait()
            else:
                if backoff.failing:
                    log.info("sweep recovered")
                backoff.reset()
            await asyncio.sleep(pause)

    async def _sweep_deadlines(self, lanes: list[int]) -> None:
        now = time.monotonic()
        self._postponed_until = {key: until for key, until in self._postponed_until.items() if until > now}
        self._is_livekit_unreachable = False
        async with self._pool.acquire() as connection:
            due = await store.expired_deadlines(
                connection, lanes, timestamps.current_timestamp(), _MAX_DEADLINES
            )
        deadlines = [
            (_DeadlineKey(MemberKey(room.room_id, member.user_id), seat.invitation_id, due_at), room, member)
            for room, member in due
            if (seat := member.seat) is not None and (due_at := member.seat_deadline) is not None
        ]
        unverified = self._unverified_since
        self._unverified_since = {key: unverified[key] for key, *_ in deadlines if key in unverified}
        await _run_all(self._expire_deadline(*each) for each in deadlines)

    async def _expire_deadline(self, key: _DeadlineKey, room: Room, member: Member) -> None:
        if self._is_postponed(key):
            return
        async with self._call_slots:
            if not self._lease.is_valid(room.lane):
                return
            self._postpone(key, _RECHECK_SECONDS)
            if await self._may_be_present(key, room, member):
                return
        signal = DeadlineReached(
            room_id=room.room_id,
            user_id=member.user_id,
            invitation_id=key.invitation_id,
            kind="grace" if member.presence.grace_ends_at is not None else "no_show",
            due_at=key.due_at,
            command_id=ids.uuid7(),
        )
        correlation = member.seat.correlation if member.seat is not None else None
        await self._producer.send_message(
            topics.BROADCAST_SIGNALS, ids.uuid7(), signal, room.room_id, correlation
        )
        self._postpone(key, _SIGNAL_RESEND_SECONDS)

    async def _may_be_present(self, key: _DeadlineKey, room: Room, member: Member) -> bool:
        """Return whether LiveKit shows the user as connected, or has not answered for a short time only."""
        began = time.monotonic()
        is_present = None if self._is_livekit_unreachable else await self._is_present(room, member)
        if is_present is not None:
            self._unverified_since.pop(key, None)
            return is_present
        since = self._unverified_since.setdefault(key, began)
        return time.monotonic() - since < _MAX_UNVERIFIED_SECONDS

    async def _is_present(self, room: Room, member: Member) -> bool | None:
        """Return whether LiveKit shows the user as connected; None if it does not answer."""
        try:
            found = await self._livekit.get_participant(room.room_id, member.user_id)
        except CallFailed as error:
            if not self._is_livekit_unreachable and not self._unverified_since:
                log.info("LiveKit unreachable, deadlines not verified", error=error.error)
            # LiveKit is not called again in this sweep: a call to it may take seconds.
            self._is_livekit_unreachable = True
            return None
        if found is None or found.sid in member.presence.ended_sids:
            return False
        self._resyncer.schedule_resync(room.room_id)
        return True

    async def _sweep_releases(self, lanes: list[int]) -> None:
        async with self._pool.acquire() as connection:
            pending = await store.pending_releases(connection, lanes)
        await _run_all(
            self._send_release(room, member, member.seat, member.seat.release)
            for room, member in pending
            if member.seat is not None and member.seat.release is not None
        )

    async def _send_release(self, room: Room, member: Member, seat: Seat, release: ReleaseRequest) -> None:
        if self._is_postponed(release.command_id):
            return
        command = ReleaseSeat(
            room_id=room.room_id,
            user_id=member.user_id,
            invitation_id=seat.invitation_id,
            reason=release.reason,
        )
        await self._producer.send_message(
            topics.INVITATION_COMMANDS, release.command_id, command, room.room_id, seat.correlation
        )
        self._postpone(release.command_id, _COMMAND_RESEND_SECONDS)

    async def _sweep_qualities(self, lanes: list[int]) -> None:
        async with self._pool.acquire() as connection:
            due = await store.due_qualities(connection, lanes, timestamps.current_timestamp(), _MAX_DEADLINES)
        await _run_all(
            self._send_due_quality(room, member, member.quality_due_at)
            for room, member in due
            if member.quality_due_at is not None
        )

    async def _send_due_quality(self, room: Room, member: Member, due_at: str) -> None:
        key = _QualityKey(MemberKey(room.room_id, member.user_id), due_at)
        if self._is_postponed(key):
            return
        signal = QualityDue(room_id=room.room_id, user_id=member.user_id, due_at=due_at)
        await self._producer.send_message(topics.BROADCAST_SIGNALS, ids.uuid7(), signal, room.room_id)
        self._postpone(key, _SIGNAL_RESEND_SECONDS)

    def _is_postponed(self, key: _PostponedKey) -> bool:
        return self._postponed_until.get(key, 0.0) > time.monotonic()

    def _postpone(self, key: _PostponedKey, seconds: float) -> None:
        self._postponed_until[key] = time.monotonic() + seconds


async def _run_all(work: Iterable[Awaitable[None]]) -> None:
    """Run all concurrently to the end, even if some fail, then raise the first error."""
    for error in await asyncio.gather(*work, return_exceptions=True):
        if error is not None:
            raise error
