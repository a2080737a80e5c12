"""Turn overdue invitations and ineligible users into commands, which the room then decides.

The work is found in rows, not in memory, so a lane's next owner continues where the last one stopped.
"""

import asyncio
import math
import time
from collections.abc import Collection, Sequence

import asyncpg
import structlog

from messaging import errors, ids
from messaging.database import Connection
from messaging.pipeline import Pipeline
from messaging.producer import CloudEventProducer
from schemas import timestamps, topics
from schemas.commands import ExcludeUser, ExpireInvitation
from services.invitations.store import asks
from services.invitations.store.asks import Ask, Due

_PERIOD = 1.0
_LONGEST_WAIT = 5.0
_LIMIT = 1000
_FULL_LOOK_SECONDS = 300

log = structlog.get_logger()


class Sweeper:
    """Publish `ExpireInvitation` and `ExcludeUser` commands for what is due in the owned lanes."""

    def __init__(self, pipeline: Pipeline, pool: asyncpg.Pool, producer: CloudEventProducer) -> None:
        self._pipeline = pipeline
        self._pool = pool
        self._producer = producer
        self._looked: dict[int, float] = {}
        self._wait = _PERIOD

    async def run(self) -> None:
        """Sweep until cancelled. Wait out outages with back-off; log their start and end once."""
        while True:
            try:
                more = await self.sweep(self._pipeline.owned_lanes)
            except Exception as error:
                if not errors.is_transient(error):
                    raise
                await self._pause(error)
            else:
                self._resumed()
                await asyncio.sleep(0 if more else _PERIOD)

    async def sweep(self, lanes: Collection[int]) -> bool:
        """Publish commands for what is due in these lanes; return whether more may be due."""
        self._looked = {lane: at for lane, at in self._looked.items() if lane in lanes}
        if not lanes:
            return False
        async with self._pool.acquire() as connection:
            await asks.forget_decided(connection, lanes)
            due = await self._due(connection, lanes)
            await asks.add(connection, [Ask(entry, ids.uuid7()) for entry in due])
            waiting = await asks.waiting(connection, lanes, _LIMIT)
            await self._write(connection, waiting)
        return len(waiting) == _LIMIT

    async def _due(self, connection: Connection, lanes: Collection[int]) -> list[Due]:
        now = time.monotonic()
        unseen = [lane for lane in lanes if self._looked.get(lane, -math.inf) < now - _FULL_LOOK_SECONDS]
        due = await asks.overdue(connection, lanes, timestamps.current_timestamp(), _LIMIT)
        due += await asks.barred_lately(connection, lanes, _LIMIT)
        if unseen:
            found = await asks.barred(connection, unseen, _LIMIT)
            due += found
            if len(found) < _LIMIT:
                self._looked.update(dict.fromkeys(unseen, now))
        return due

    async def _write(self, connection: Connection, waiting: Sequence[Ask]) -> None:
        """Publish commands and mark the confirmed ones as published. Raises `NotConfirmed` if one is not."""
        results = await asyncio.gather(*map(self._send, waiting), return_exceptions=True)
        written = [ask for ask, result in zip(waiting, results, strict=True) if result is None]
        await asks.written(connection, written)
        for result in results:
            if result is not None:
                raise result

    async def _send(self, ask: Ask) -> None:
        _, command, room_id, subject = ask.due
        data = (
            ExpireInvitation(room_id=room_id, invitation_id=subject)
            if command == "ExpireInvitation"
            else ExcludeUser(room_id=room_id, user_id=subject)
        )
        await self._producer.send_message(topics.INVITATION_COMMANDS, ask.command_id, data, room_id)

    async def _pause(self, error: Exception) -> None:
        if self._wait == _PERIOD:
            log.warning("sweeper paused", cause=type(error).__name__, error=str(error))
        # Scan everything again: a user banned during a long pause is no longer recently ineligible.
        self._looked.clear()
        await asyncio.sleep(self._wait)
        self._wait = min(_LONGEST_WAIT, 2 * self._wait)

    def _resumed(self) -> None:
        if self._wait != _PERIOD:
            log.info("sweeper resumed")
        self._wait = _PERIOD
