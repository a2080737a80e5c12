"""Create LiveKit rooms on request, with one call for many concurrent requests."""

import asyncio

import asyncpg
import structlog
from cachetools import TTLCache

from cohost_schemas import ids, topics
from cohost_schemas.signals import RoomMade
from messaging.errors import NotConfirmed
from messaging.producer import AtLeastOnceProducer
from services.broadcast import store
from services.broadcast.domain.state import Stage
from services.broadcast.livekit.calls import CallFailed
from services.broadcast.livekit.client import LiveKitClient

_MAX_CALLS = 16
_MAX_ROOMS_SEEN = 10_000
_SEEN_SECONDS = 600.0

_DELETION_POLL_SECONDS = 0.2
_MAX_DELETION_SECONDS = 10.0

log = structlog.get_logger()


class RoomProvisioner:
    """Creates LiveKit rooms, which outlive a join token and an absence of `departure_seconds`.

    A room has one call at a time. Requests that arrive during a call share the next one, which starts after
    them: the effect of the present call may already have been undone by a deletion.
    """

    def __init__(
        self,
        livekit: LiveKitClient,
        pool: asyncpg.Pool,
        producer: AtLeastOnceProducer,
        departure_seconds: int,
    ) -> None:
        self._livekit = livekit
        self._pool = pool
        self._producer = producer
        self._departure_seconds = departure_seconds
        self._call_slots = asyncio.Semaphore(_MAX_CALLS)
        self._next_calls: dict[str, asyncio.Task[Stage | None]] = {}
        self._call_locks: dict[str, asyncio.Lock] = {}
        self._delayed_reports: dict[str, asyncio.Task[None]] = {}
        self._deletions: dict[str, asyncio.Task[Stage | None]] = {}
        self._seen: TTLCache[str, str] = TTLCache(_MAX_ROOMS_SEEN, _SEEN_SECONDS)
        """The rooms that LiveKit confirmed, with `host_since`, which changes when a room opens again."""

    @property
    def is_key_refused(self) -> bool:
        """Return whether LiveKit refused our key at the last call."""
        failure = self._livekit.last_failure
        return failure is not None and failure.refused

    async def provide_room(self, stage: Stage) -> Stage | None:
        """Make sure that an open room's LiveKit room exists; only look for it if it was seen alive.

        Return the stage after that, None for an unknown room. Raises `CallFailed` or `TimeoutError`.
        """
        room = stage.room
        if room.is_deletion_pending:
            after = await self._wait_for_deletion(room.room_id)
            return after if after is None or not after.room.is_open else await self.provide_room(after)
        was_seen = room.room_sid is not None or self._seen.get(room.room_id) == room.host_since
        current = await self.ensure_room(room.room_id, look_first=was_seen)
        if (
            current is not None
            and current.room.can_apply_rights
            and current.room.host_since == room.host_since
        ):
            self._seen[room.room_id] = room.host_since
        return current

    async def _wait_for_deletion(self, room_id: str) -> Stage | None:
        """Wait until a pending deletion is done: it would disconnect users who join the old LiveKit room.

        All requests for a room share its queries.
        """
        if room_id not in self._deletions:
            task = asyncio.create_task(self._poll_deletion(room_id))
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            self._deletions[room_id] = task
        return await asyncio.shield(self._deletions[room_id])

    async def _poll_deletion(self, room_id: str) -> Stage | None:
        try:
            async with asyncio.timeout(_MAX_DELETION_SECONDS):
                while True:
                    stage = await self._load_stage(room_id)
                    if stage is None or not stage.room.is_deletion_pending:
                        return stage
                    await asyncio.sleep(_DELETION_POLL_SECONDS)
        finally:
            del self._deletions[room_id]

    async def ensure_room(self, room_id: str, *, look_first: bool = False) -> Stage | None:
        """Make sure that the LiveKit room exists; return the stage after that, None for an unknown room.

        With `look_first`, create it only if LiveKit does not list it: that costs LiveKit far less. Raises
        `CallFailed`.
        """
        if room_id not in self._next_calls:
            task = asyncio.create_task(self._create_room(room_id, look_first=look_first))
            # Retrieve the error even if all requests were cancelled before, or asyncio logs it as lost.
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            self._next_calls[room_id] = task
        return await asyncio.shield(self._next_calls[room_id])

    async def _create_room(self, room_id: str, *, look_first: bool) -> Stage | None:
        call_lock = self._call_locks.setdefault(room_id, asyncio.Lock())
        try:
            async with call_lock, self._call_slots:
                del self._next_calls[room_id]
                if not (look_first and await self._livekit.list_rooms([room_id])):
                    await self._livekit.create_room(room_id, self._departure_seconds)
        except CallFailed as error:
            if error.outcome_unknown and room_id not in self._delayed_reports:
                self._delayed_reports[room_id] = asyncio.create_task(self._report_after_timeout(room_id))
            raise
        finally:
            if room_id not in self._next_calls:
                self._call_locks.pop(room_id, None)
        # The room may have closed, and its LiveKit room been deleted, before this call created it again.
        current = await self._load_stage(room_id)
        if current is not None and not current.room.is_open:
            await self._report_room(room_id)
        return current

    async def _load_stage(self, room_id: str) -> Stage | None:
        async with self._pool.acquire() as connection:
            return (await store.load_stages(connection, [room_id])).get(room_id)

    async def _report_after_timeout(self, room_id: str) -> None:
        """Report a room that a call without an answer may have created after the room closed."""
        await asyncio.sleep(self._livekit.timeout_seconds)
        del self._delayed_reports[room_id]
        await self._report_room(room_id)

    async def _report_room(self, room_id: str) -> None:
        """Write `RoomMade`, so that the room's lane decides: the room may have opened again by now."""
        try:
            await self._producer.send_message(
                topics.BROADCAST_SIGNALS, ids.uuid7(), RoomMade(room_id=room_id), room_id
            )
        except NotConfirmed:
            log.info("room report not written, left to the resync", room_id=room_id)
