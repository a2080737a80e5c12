"""Resync stages with LiveKit's rooms periodically: webhooks get lost, and rights drift."""

import asyncio
import random
import time
from collections.abc import Collection, Iterable, Mapping

import structlog

from messaging import errors, ids, lanes
from schemas import timestamps, topics
from schemas.signals import Participant, RoomCompared
from schemas.types import is_id
from services.broadcast import differences, rights, store
from services.broadcast.change import Cause
from services.broadcast.livekit import CallFailed
from services.broadcast.rota import Rota
from services.broadcast.state import Patience, Stage
from services.broadcast.surroundings import Surroundings
from services.broadcast.worker import SIGNALS_INPUT

_AT_ONCE = 16
_CHUNK = 200
_MOST = 500
"""How many participants one record may list: it has to fit into Kafka."""

_FIRST_SECONDS = 1.0
_RETRY_SECONDS = 2.0
_GATHER_SECONDS = 0.2
"""How long due rooms are gathered, so that a few calls and queries serve many of them."""

log = structlog.get_logger()


class Comparison:
    """Compares LiveKit's rooms with the stages of our lanes, each room every `period_seconds`."""

    def __init__(self, around: Surroundings, patience: Patience, seconds: float) -> None:
        self._livekit = around.livekit
        self._producer = around.producer
        self._pool = around.pool
        self._ownership = around.ownership
        self._patience = patience
        self.seconds = seconds
        """The longest time between two snapshots of a room."""
        self._rota = Rota(time.monotonic, seconds)
        self._survey_at = 0.0
        self._asked = asyncio.Event()
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._failing = False

    async def run(self) -> None:
        """Resync rooms until cancelled."""
        while True:
            pause = min(_GATHER_SECONDS, self.seconds / 4)
            try:
                if time.monotonic() >= self._survey_at:
                    await self._survey()
                await self._compare(self._rota.turns(_CHUNK))
            except Exception as error:
                if not _passes(error):
                    raise
                pause = min(_RETRY_SECONDS, self.seconds)
                self._fail(error)
            await asyncio.sleep(pause)
            await self._wait(min(self._rota.wait(), self._survey_at - time.monotonic()))

    async def taken(self, _: Mapping[int, bool]) -> None:
        """Resync the rooms of new lanes soon: their last snapshot may be old.

        Resync them once more when no call of the last owner can still be under way, even after a clean
        hand-over: a call that it waited for may have ended without an answer.
        """
        self._rota.start_over(2 * self._livekit.seconds)
        self._survey_at = time.monotonic() + _FIRST_SECONDS
        self._asked.set()

    async def releasing(self, _: Collection[int]) -> None:
        """Do nothing: a snapshot changes nothing on LiveKit."""

    def soon(self, room_id: str, seconds: float = 0.0) -> None:
        """Resync a room once more after this many seconds."""
        if seconds:
            self._rota.ask([room_id], seconds)
        else:
            self._rota.hurry(room_id)
        self._asked.set()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._asked.wait()
        except TimeoutError:
            return
        self._asked.clear()

    async def _survey(self) -> None:
        """Schedule the rooms of our lanes that exist on LiveKit or have connected members."""
        owned = self._ownership.lanes()
        if not owned:
            self._survey_at = time.monotonic() + min(_RETRY_SECONDS, self.seconds)
            return
        rooms = await self._livekit.rooms()
        async with self._pool.acquire() as connection:
            found = await store.to_compare(connection, owned, list(filter(is_id, rooms)))
        self._rota.found(found)
        self._survey_at = time.monotonic() + self.seconds * random.uniform(0.9, 1.0)  # noqa: S311 - jitter

    async def _compare(self, room_ids: Collection[str]) -> None:
        """Resync rooms. A room that fails is retried and does not hold up the others."""
        if not room_ids:
            return
        try:
            # Positions before stages before rooms: a snapshot is then never older than it claims to be.
            async with self._pool.acquire() as connection:
                positions = await lanes.input_positions(connection, SIGNALS_INPUT)
                stages = await store.load(connection, list(room_ids))
            rooms = await self._livekit.rooms(stages) if stages else {}
        except Exception:
            for room_id in room_ids:
                self._rota.hurry(room_id)
            raise
        looks = {
            room_id: self._look(stage, rooms.get(room_id), max(0, positions[stage.room.lane]))
            for room_id, stage in stages.items()
            if self._ownership.holds(stage.room.lane)
        }
        for room_id in set(room_ids) - looks.keys():
            self._rota.skip(room_id)
        found = dict(zip(looks, await asyncio.gather(*looks.values(), return_exceptions=True), strict=True))
        for room_id, error in found.items():
            (self._rota.looked if error is None else self._rota.failed)(room_id)
        self._judge([error for error in found.values() if error is not None])

    def _judge(self, raised: Collection[BaseException]) -> None:
        for error in raised:
            if not _passes(error):
                raise error
        if raised:
            self._fail(next(iter(raised)), len(raised))
        elif self._failing:
            self._failing = False
            log.info("room resync recovered")

    def _fail(self, error: BaseException, rooms: int | None = None) -> None:
        if not self._failing:
            log.info("room resync failed", error=type(error).__name__, rooms=rooms)
        self._failing = True

    async def _look(self, stage: Stage, room_sid: str | None, position: int) -> None:
        async with self._at_once:
            there = await self._livekit.participants(stage.room.room_id) if room_sid is not None else []
        mattering = _mattering(stage, there)
        said = RoomCompared(
            room_id=stage.room.room_id,
            look_id=ids.uuid7(),
            room_sid=room_sid,
            position=position,
            version=stage.room.version,
            participants=tuple(mattering[:_MOST]),
        )
        if self._differs(stage, said):
            await self._producer.send_message(
                topics.BROADCAST_SIGNALS, said.look_id, said, stage.room.room_id
            )
        if len(mattering) > _MOST:
            self.soon(stage.room.room_id, _RETRY_SECONDS)

    def _differs(self, stage: Stage, said: RoomCompared) -> bool:
        """Return whether the snapshot would change anything if it were decided now."""
        cause = Cause(said.look_id, timestamps.current_timestamp(), said.position, stage.room.lane)
        change = differences.compared(stage, said, cause, self._patience)
        return change.stage != stage or bool(change.events)


def _mattering(stage: Stage, there: Iterable[Participant]) -> list[Participant]:
    """Return all participants with a badge, then those without one who have more rights than a viewer."""
    worn = {participant.sid: stage.badge(participant.user_id) is not None for participant in there}
    mattering = [who for who in there if worn[who.sid] or rights.suspicious(who)]
    return sorted(mattering, key=lambda who: not worn[who.sid])


def _passes(error: BaseException) -> bool:
    return isinstance(error, CallFailed) or errors.is_transient(error)
