"""Resync stages with LiveKit's rooms periodically: webhooks get lost, and rights drift."""

import asyncio
import random
import time
from collections.abc import Collection, Mapping

import asyncpg
import structlog

from cohost.kafka.backoff import Backoff
from cohost_schemas import timestamps, topics
from cohost_schemas.types import is_stored_id
from messaging import errors
from messaging.lanes import lane_store
from messaging.lanes.lease import LaneLease
from services.broadcast import store
from services.broadcast.domain.state import Stage
from services.broadcast.effects.resync_schedule import ResyncSchedule
from services.broadcast.effects.room_snapshots import SnapshotWriter
from services.broadcast.livekit.calls import CallFailed
from services.broadcast.livekit.client import LiveKitClient

_ROOMS_PER_ROUND = 200
_TAKEOVER_DELAY_SECONDS = 1.0
_RETRY_SECONDS = 2.0
_SHORT_PERIOD_SECONDS = 9.5
_LOOKUP_SECONDS = 2.0
_OLD_RIGHTS_SECONDS = 3600
_GATHERING_SECONDS = 0.2
"""Seconds in which due rooms are gathered, so that a few calls and queries serve many of them."""

log = structlog.get_logger()


class RoomResyncer:
    """Compares LiveKit's rooms with the stages of our lanes, each room every `period_seconds`.

    Rooms where rights ended within the last hour are compared every 10 s: old tokens still give these rights.
    It does not wait before lanes are released: a snapshot changes nothing on LiveKit.
    """

    def __init__(
        self,
        livekit: LiveKitClient,
        pool: asyncpg.Pool,
        lease: LaneLease,
        snapshots: SnapshotWriter,
        period_seconds: float,
    ) -> None:
        self._livekit = livekit
        self._pool = pool
        self._lease = lease
        self._snapshots = snapshots
        self._period_seconds = period_seconds
        self._schedule = ResyncSchedule(time.monotonic, period_seconds, _SHORT_PERIOD_SECONDS)
        self._next_discovery_at = 0.0
        self._next_lookup_at = 0.0
        self._woken = asyncio.Event()
        retry_seconds = min(_RETRY_SECONDS, period_seconds)
        self._backoff = Backoff(retry_seconds, retry_seconds)

    async def run(self) -> None:
        """Resync rooms until cancelled."""
        while True:
            pause = min(_GATHERING_SECONDS, self._period_seconds / 4)
            try:
                if time.monotonic() >= self._next_discovery_at:
                    await self._discover_rooms()
                if time.monotonic() >= self._next_lookup_at:
                    await self._look_up_rooms()
                await self._resync_rooms(self._schedule.take_due(_ROOMS_PER_ROUND))
            except Exception as error:
                if not _is_transient(error):
                    raise
                pause = self._back_off(error)
            await asyncio.sleep(pause)
            next_at = min(self._next_discovery_at, self._next_lookup_at)
            await self._wait_for_request(min(self._schedule.seconds_until_due(), next_at - time.monotonic()))

    async def on_lanes_acquired(self, _: Mapping[int, bool]) -> None:
        """Resync the rooms of new lanes soon, because their last snapshot may be old.

        Resync them once more when every call of the previous owner must have ended, even after a clean
        handover: a call that it waited for may have timed out and still take effect.
        """
        self._schedule.reset_schedule(2 * self._livekit.timeout_seconds)
        self._next_discovery_at = time.monotonic() + _TAKEOVER_DELAY_SECONDS
        self._woken.set()

    def oldest_look_seconds(self) -> float:
        """Return the seconds since the room that waits the longest was compared."""
        return self._schedule.oldest_look_seconds()

    def schedule_resync(self, room_id: str, seconds: float = 0.0) -> None:
        """Resync a room once more after this many seconds."""
        if seconds:
            self._schedule.schedule_after([room_id], seconds)
        else:
            self._schedule.schedule_now(room_id)
        self._woken.set()

    async def _wait_for_request(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()

    async def _discover_rooms(self) -> None:
        """Schedule the rooms of our lanes that exist on LiveKit or have connected members."""
        owned = self._lease.valid_lanes()
        if not owned:
            self._next_discovery_at = time.monotonic() + min(_RETRY_SECONDS, self._period_seconds)
            return
        rooms = await self._livekit.list_rooms()
        async with self._pool.acquire() as connection:
            found = await store.rooms_to_resync(connection, owned, list(filter(is_stored_id, rooms)))
        self._schedule.set_rooms(found)
        self._next_discovery_at = time.monotonic() + self._period_seconds * random.uniform(0.9, 1.0)  # noqa: S311 - jitter

    async def _look_up_rooms(self) -> None:
        """Schedule the rooms where a user lost rights within the last hour more often.

        Rooms where a co-host could unmute what a hard mute covers are due at once: no webhook reports that.
        """
        self._next_lookup_at = time.monotonic() + _LOOKUP_SECONDS
        owned = self._lease.valid_lanes()
        if not owned:
            return
        since = timestamps.add_seconds(timestamps.current_timestamp(), -_OLD_RIGHTS_SECONDS)
        async with self._pool.acquire() as connection:
            with_ended_rights = await store.rooms_with_ended_rights(connection, owned, since)
            with_disguises = await store.rooms_with_disguised_tracks(connection, owned)
        self._schedule.set_frequent(with_ended_rights)
        for room_id in with_disguises:
            self._schedule.schedule_now(room_id)

    async def _resync_rooms(self, room_ids: Collection[str]) -> None:
        """Resync rooms. A room that fails is retried and does not hold up the others."""
        if not room_ids:
            return
        try:
            # Positions before stages before rooms: a snapshot is then never older than it claims to be.
            async with self._pool.acquire() as connection:
                positions = await lane_store.input_positions(connection, topics.BROADCAST_SIGNALS)
                stages = await store.load_stages(connection, list(room_ids))
            rooms = await self._livekit.list_rooms(stages) if stages else {}
        except Exception:
            for room_id in room_ids:
                self._schedule.schedule_now(room_id)
            raise
        snapshots = {
            room_id: self._write_snapshot(stage, rooms.get(room_id), max(0, positions[stage.room.lane]))
            for room_id, stage in stages.items()
            if self._lease.is_valid(stage.room.lane)
        }
        for room_id in set(room_ids) - snapshots.keys():
            self._schedule.drop_room(room_id)
        found = dict(
            zip(snapshots, await asyncio.gather(*snapshots.values(), return_exceptions=True), strict=True)
        )
        for room_id, error in found.items():
            (self._schedule.mark_synced if error is None else self._schedule.mark_failed)(room_id)
        self._handle_errors([error for error in found.values() if error is not None])

    async def _write_snapshot(self, stage: Stage, room_sid: str | None, position: int) -> None:
        if not await self._snapshots.write_snapshot(stage, room_sid, position):
            self.schedule_resync(stage.room.room_id, _RETRY_SECONDS)

    def _handle_errors(self, room_errors: Collection[BaseException]) -> None:
        for error in room_errors:
            if not _is_transient(error):
                raise error
        if room_errors:
            self._back_off(next(iter(room_errors)), len(room_errors))
        elif self._backoff.failing:
            self._backoff.reset()
            log.info("room resync recovered")

    def _back_off(self, error: BaseException, rooms: int | None = None) -> float:
        """Log the first of several failures; return the seconds to wait."""
        if not self._backoff.failing:
            log.info("room resync failed", error=type(error).__name__, rooms=rooms)
        return self._backoff.next_wait()


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, CallFailed) or errors.is_transient(error)
