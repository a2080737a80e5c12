"""Looks who really is in the LiveKit rooms, every half minute: webhooks get lost, and rights drift."""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice

import structlog

from messaging import errors, ids, lanes
from schemas import timestamps, topics
from schemas.signals import Participant, RoomCompared
from schemas.types import is_id
from services.broadcast import differences, rights, store
from services.broadcast.change import Cause
from services.broadcast.livekit import CallFailed
from services.broadcast.state import Patience, Stage
from services.broadcast.surroundings import Surroundings
from services.broadcast.worker import SIGNALS_INPUT

_AT_ONCE = 16
_CHUNK = 200
_FIRST_SECONDS = 1.0
_RETRY_SECONDS = 2.0

log = structlog.get_logger()


class Comparison:
    """Compares LiveKit's rooms with the stages of the lanes that are ours, every `seconds`."""

    def __init__(self, around: Surroundings, patience: Patience, seconds: float) -> None:
        self._livekit = around.livekit
        self._producer = around.producer
        self._pool = around.pool
        self._ownership = around.ownership
        self._patience = patience
        self._seconds = seconds
        self._due = asyncio.Event()
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        """Compare until cancelled."""
        while True:
            pause = self._seconds
            try:
                if not await self._compare():
                    pause = min(_RETRY_SECONDS, pause)
            except Exception as error:
                if not (isinstance(error, CallFailed) or errors.worth_retrying(error)):
                    raise
                log.info("rooms not compared", error=type(error).__name__)
                pause = min(_RETRY_SECONDS, pause)
            await self._wait(pause)

    async def taken(self, _: Mapping[int, bool]) -> None:
        """Compare the rooms of new lanes soon: nobody may have looked for a while."""
        self.soon(_FIRST_SECONDS)

    async def releasing(self, _: Collection[int]) -> None:
        """Nothing: a look changes nothing on LiveKit."""

    def soon(self, seconds: float) -> None:
        """Compare once more after this time."""
        asyncio.get_running_loop().call_later(seconds, self._due.set)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._due.wait()
        except TimeoutError:
            return
        self._due.clear()

    async def _compare(self) -> bool:
        """Compare every room that is there or ought to be; say whether any lane was ours."""
        if not self._ownership.lanes():
            return False
        # Positions before stages before rooms: what a look shows is then never older than it says.
        async with self._pool.acquire() as connection:
            positions = await lanes.positions(connection, SIGNALS_INPUT)
            occupied = await store.occupied(connection, self._ownership.lanes())
        rooms = await self._livekit.rooms()
        for room_ids in _chunks(sorted({*filter(is_id, rooms), *occupied})):
            async with self._pool.acquire() as connection:
                stages = await store.load(connection, room_ids)
            await asyncio.gather(
                *(
                    self._look(stage, rooms.get(room_id), max(0, positions[stage.room.lane]))
                    for room_id, stage in stages.items()
                )
            )
        return True

    async def _look(self, stage: Stage, room_sid: str | None, position: int) -> None:
        async with self._at_once:
            if not self._ownership.holds(stage.room.lane):
                return
            there = await self._livekit.participants(stage.room.room_id) if room_sid is not None else []
        said = RoomCompared(
            room_id=stage.room.room_id,
            look_id=ids.uuid7(),
            room_sid=room_sid,
            position=position,
            version=stage.room.version,
            participants=tuple(participant for participant in there if _matters(stage, participant)),
        )
        if self._differs(stage, said):
            await self._producer.send(topics.BROADCAST_SIGNALS, said.look_id, said, stage.room.room_id)

    def _differs(self, stage: Stage, said: RoomCompared) -> bool:
        """Say whether the record would change anything, if it were decided now."""
        cause = Cause(said.look_id, timestamps.now(), said.position, stage.room.lane)
        change = differences.compared(stage, said, cause, self._patience)
        return change.stage != stage or bool(change.events)


def _matters(stage: Stage, participant: Participant) -> bool:
    return rights.suspicious(participant) or stage.badge(participant.user_id) is not None


def _chunks(room_ids: Sequence[str]) -> Iterator[list[str]]:
    remaining = iter(room_ids)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk
