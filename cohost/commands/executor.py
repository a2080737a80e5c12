"""Publish commands and wait for their outcomes."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from typing import Any, Literal

from cohost import http_reader, ids
from cohost.commands import history
from cohost.commands.outcomes import OutcomeReader, PendingCommand
from cohost.commands.routes import CommandRoute, final_event_types, route_of
from cohost.errors import OutcomeUnknown, ProblemError, Rejected
from cohost.events import Accepted
from cohost.http_reader import ServiceClient
from cohost.kafka.backoff import Backoff
from cohost.kafka.connection import KafkaConnection
from cohost.kafka.errors import UNAVAILABLE_ERRORS
from cohost.kafka.producer import CloudEventProducer, DeliveryState
from cohost_schemas import timestamps
from cohost_schemas.answers import CommandOutcome
from cohost_schemas.partitions import partition_of
from cohost_schemas.types import CommandData, is_id

_log = logging.getLogger("cohost")

_FIRST_SEARCH_SECONDS = 1.0
_HTTP_SECONDS = 2


class CommandExecutor:
    """Publish commands and wait for their outcomes."""

    def __init__(
        self,
        connection: KafkaConnection,
        producer: CloudEventProducer,
        outcomes: OutcomeReader,
        services: Mapping[CommandRoute, ServiceClient],
        timeout: float,
    ) -> None:
        self._connection = connection
        self._producer = producer
        self._outcomes = outcomes
        self._services = services
        self._timeout = timeout

    async def execute_command(self, data: CommandData, command_id: str | None) -> Accepted[Any]:
        """Publish a command and return its outcome.

        Raises `Rejected`, `OutcomeUnknown`, aiokafka's errors if publishing cannot succeed, and `ValueError`
        for an invalid id.
        """
        identifier = command_id if command_id is not None else ids.uuid7()
        if not is_id(identifier):
            msg = f"invalid command id {identifier!r}: use 1 to 64 characters of A-Z a-z 0-9 . _ : @ -"
            raise ValueError(msg)
        route = route_of(data)
        delivery = DeliveryState()
        with self._outcomes.expect_outcome(route, identifier, final_event_types(data)) as pending:
            steps = [self._publish_command(route, data, identifier, delivery)]
            if command_id is not None:
                # A repeated id gets no second outcome, so search the log for its first one.
                steps.append(self._search_log(route, data.room_id, pending))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timeout):
                    await pending.run_until_resolved(steps)
            return _unwrap_outcome(pending, delivery)

    async def _publish_command(
        self, route: CommandRoute, data: CommandData, command_id: str, delivery: DeliveryState
    ) -> None:
        value = self._producer.encode_event(command_id, data, data.room_id)
        await self._producer.send_record(route.commands, data.room_id, value, delivery)

    async def _search_log(self, route: CommandRoute, room_id: str, pending: PendingCommand) -> None:
        backoff = Backoff(_FIRST_SEARCH_SECONDS, self._timeout)
        while not pending.outcome.done():
            await asyncio.sleep(backoff.next_wait())
            try:
                await self._search_once(route, room_id, pending)
            except UNAVAILABLE_ERRORS:
                continue

    async def _search_once(self, route: CommandRoute, room_id: str, pending: PendingCommand) -> None:
        now_ms = time.time_ns() // 1_000_000
        http_outcome = await self._fetch_outcome(route, pending.command_id)
        if http_outcome == "undecided" and not history.is_past_retention(pending.command_id, now_ms):
            return
        after_ms = history.earliest_ms(pending.command_id, now_ms)
        if isinstance(http_outcome, CommandOutcome):
            after_ms = timestamps.to_ms(http_outcome.decided_at) - history.CLOCK_SKEW_MS
            room_id = http_outcome.room_id or room_id
        partition = partition_of(room_id, await self._producer.partition_count(route.commands))
        await history.find_outcome(self._connection, route, partition, after_ms, pending)
        if isinstance(http_outcome, CommandOutcome) and http_outcome.reason is not None:
            pending.resolve(
                Rejected(http_outcome.command_id, http_outcome.reason, http_outcome.message or "")
            )

    async def _fetch_outcome(
        self, route: CommandRoute, command_id: str
    ) -> CommandOutcome | Literal["undecided", "unavailable"]:
        """Return the outcome over HTTP, or why HTTP has none."""
        service = self._services[route]
        if not service.is_configured:
            return "unavailable"
        try:
            async with asyncio.timeout(_HTTP_SECONDS):
                return await http_reader.fetch_outcome(service, command_id)
        except ProblemError as problem:
            return "undecided" if problem.reason == "command_not_found" else "unavailable"
        except Exception as error:  # noqa: BLE001 - the log has the outcome too, so any HTTP failure is tolerable
            _log.warning("command outcome not available over HTTP: %r", error)
            return "unavailable"


def _unwrap_outcome(pending: PendingCommand, delivery: DeliveryState) -> Accepted[Any]:
    outcome = pending.outcome.result() if pending.outcome.done() else None
    if outcome is None:
        raise OutcomeUnknown(
            pending.command_id,
            published=delivery.is_published,
            partition=delivery.partition,
            offset=delivery.offset,
        )
    if isinstance(outcome, Rejected):
        raise outcome.with_traceback(None)
    return outcome
