"""Turn overdue invitations and ineligible users into commands, which the pipeline then decides.

The sweeper finds its work in rows, not in memory, so a lane's next owner continues it.
"""

import asyncio
import math
import time
from collections.abc import Collection, Sequence

import asyncpg
import structlog

from cohost.kafka.backoff import Backoff
from cohost_schemas import ids, timestamps, topics
from cohost_schemas.commands import ExcludeUser, ExpireInvitation
from cohost_schemas.envelope import Correlation
from messaging import errors
from messaging.database import Connection
from messaging.pipeline import Pipeline
from messaging.producer import AtLeastOnceProducer
from services.invitations.effects import scheduled_commands
from services.invitations.effects.scheduled_commands import DueItem, ScheduledCommand
from services.invitations.store import rows

_PERIOD_SECONDS = 1.0
_MAX_BACKOFF_SECONDS = 5.0
_BATCH_LIMIT = 1000
_FULL_SCAN_SECONDS = 300

log = structlog.get_logger()


class Sweeper:
    """Publish `ExpireInvitation` and `ExcludeUser` commands for what is due in the owned lanes."""

    def __init__(self, pipeline: Pipeline, pool: asyncpg.Pool, producer: AtLeastOnceProducer) -> None:
        self._pipeline = pipeline
        self._pool = pool
        self._producer = producer
        self._last_full_scan: dict[int, float] = {}
        self._backoff = Backoff(_PERIOD_SECONDS, _MAX_BACKOFF_SECONDS)

    async def run(self) -> None:
        """Sweep until cancelled. Wait out outages with back-off; log their start and end once."""
        while True:
            try:
                has_more = await self.sweep_lanes(self._pipeline.owned_lanes)
            except Exception as error:
                if not errors.is_transient(error):
                    raise
                await self._back_off(error)
            else:
                if self._backoff.failing:
                    log.info("sweeper resumed")
                self._backoff.reset()
                await asyncio.sleep(0 if has_more else _PERIOD_SECONDS)

    async def sweep_lanes(self, lanes: Collection[int]) -> bool:
        """Publish commands for what is due in these lanes; return whether more may be due."""
        self._last_full_scan = {lane: at for lane, at in self._last_full_scan.items() if lane in lanes}
        if not lanes:
            return False
        async with self._pool.acquire() as connection:
            await scheduled_commands.delete_decided(connection, lanes)
            due = await self._find_due(connection, lanes)
            if due:
                await scheduled_commands.add_commands(
                    connection, [ScheduledCommand(entry, ids.uuid7()) for entry in due]
                )
            to_publish = await scheduled_commands.commands_to_publish(connection, lanes, _BATCH_LIMIT)
            if to_publish:
                await self._publish_commands(connection, to_publish)
        return len(to_publish) == _BATCH_LIMIT

    async def _find_due(self, connection: Connection, lanes: Collection[int]) -> list[DueItem]:
        now = time.monotonic()
        unscanned = [
            lane for lane in lanes if self._last_full_scan.get(lane, -math.inf) < now - _FULL_SCAN_SECONDS
        ]
        due = await scheduled_commands.overdue_invitations(
            connection, lanes, timestamps.current_timestamp(), _BATCH_LIMIT
        )
        due += await scheduled_commands.recently_ineligible(connection, lanes, _BATCH_LIMIT)
        if unscanned:
            found = await scheduled_commands.all_ineligible(connection, unscanned, _BATCH_LIMIT)
            due += found
            if len(found) < _BATCH_LIMIT:
                self._last_full_scan.update(dict.fromkeys(unscanned, now))
        return due

    async def _publish_commands(self, connection: Connection, to_publish: Sequence[ScheduledCommand]) -> None:
        """Publish commands and mark the confirmed ones as published. Raises `NotConfirmed` if one is not."""
        results = await asyncio.gather(*map(self._publish_command, to_publish), return_exceptions=True)
        published = [sent for sent, result in zip(to_publish, results, strict=True) if result is None]
        await scheduled_commands.mark_published(connection, published)
        for result in results:
            if result is not None:
                raise result

    async def _publish_command(self, scheduled: ScheduledCommand) -> None:
        _, command, room_id, subject, column = scheduled.item
        data: ExpireInvitation | ExcludeUser
        correlation = None
        if command == "ExpireInvitation":
            data = ExpireInvitation(room_id=room_id, invitation_id=subject)
            correlation = rows.correlation_from_column(column) or Correlation(subject)
        else:
            data = ExcludeUser(room_id=room_id, user_id=subject)
        await self._producer.send_message(
            topics.INVITATION_COMMANDS, scheduled.command_id, data, room_id, correlation
        )

    async def _back_off(self, error: Exception) -> None:
        if not self._backoff.failing:
            log.warning("sweeper paused", cause=type(error).__name__, error=str(error))
        # Scan everything again: a user banned during a long pause is no longer recently ineligible.
        self._last_full_scan.clear()
        await asyncio.sleep(self._backoff.next_wait())
