"""Publish commands and wait for their outcomes."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from typing import Any, Literal

from aiokafka.errors import KafkaError

from cohost import ids, past, reads
from cohost.channels import Channel, channel, last_types
from cohost.connection import Connection
from cohost.errors import OutcomeUnknown, ProblemError, Rejected
from cohost.outcomes import Expectation, Outcomes
from cohost.producing import Delivery, Producer
from cohost.reads import Service
from cohost.records import Accepted
from schemas import timestamps
from schemas.answers import CommandOutcome
from schemas.partitions import partition_of
from schemas.types import CommandData, is_id

_log = logging.getLogger("cohost")

_PATIENCE_SECONDS = 1.0
_TELL_SECONDS = 2


class Asking:
    """Publish commands and wait for their outcomes."""

    def __init__(
        self,
        connection: Connection,
        producer: Producer,
        outcomes: Outcomes,
        services: Mapping[Channel, Service],
        seconds: float,
    ) -> None:
        self._connection = connection
        self._producer = producer
        self._outcomes = outcomes
        self._services = services
        self._seconds = seconds

    async def ask(self, data: CommandData, command_id: str | None) -> Accepted[Any]:
        """Publish a command and return its outcome.

        Raises `Rejected`, `OutcomeUnknown`, aiokafka's errors if publishing cannot succeed, and `ValueError`
        for an invalid id.
        """
        identifier = command_id if command_id is not None else ids.uuid7()
        if not is_id(identifier):
            msg = f"invalid command id {identifier!r}: use 1 to 64 characters of A-Z a-z 0-9 . _ : @ -"
            raise ValueError(msg)
        where = channel(data)
        delivery = Delivery()
        with self._outcomes.expecting(where, identifier, last_types(data)) as expectation:
            steps = [self._send(where, data, identifier, delivery)]
            if command_id is not None:
                # A repeated id gets no second outcome, so search the log for its first one.
                steps.append(self._search(where, data.room_id, expectation))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await expectation.during(steps)
            return _result(expectation, delivery)

    async def _send(self, where: Channel, data: CommandData, identifier: str, delivery: Delivery) -> None:
        value = self._producer.event(identifier, data, data.room_id)
        await self._producer.send(where.commands, data.room_id, value, delivery)

    async def _search(self, where: Channel, room_id: str, expectation: Expectation) -> None:
        patience = _PATIENCE_SECONDS
        while not expectation.outcome.done():
            await asyncio.sleep(patience)
            patience *= 2
            try:
                await self._look(where, room_id, expectation)
            except (KafkaError, OSError, TimeoutError):
                continue

    async def _look(self, where: Channel, room_id: str, expectation: Expectation) -> None:
        now = time.time_ns() // 1_000_000
        known = await self._known(where, expectation.command_id)
        if known == "undecided" and not past.forgotten(expectation.command_id, now):
            return
        after = past.since(expectation.command_id, now)
        if isinstance(known, CommandOutcome):
            after = timestamps.to_ms(known.decided_at) - past.SLACK_MS
            room_id = known.room_id or room_id
        partition = partition_of(room_id, await self._producer.partitions(where.commands))
        await past.find(self._connection, where, partition, after, expectation)
        if isinstance(known, CommandOutcome) and known.reason is not None:
            expectation.settle(Rejected(known.command_id, known.reason, known.message or ""))

    async def _known(
        self, where: Channel, command_id: str
    ) -> CommandOutcome | Literal["undecided", "not told"]:
        """Return the outcome over HTTP, or why HTTP has none."""
        service = self._services[where]
        if not service.there:
            return "not told"
        try:
            async with asyncio.timeout(_TELL_SECONDS):
                return await reads.outcome(service, command_id)
        except ProblemError as problem:
            return "undecided" if problem.reason == "command_not_found" else "not told"
        except Exception as error:  # noqa: BLE001 - the log has the outcome too, so any HTTP failure is tolerable
            _log.warning("command outcome not available over HTTP: %r", error)
            return "not told"


def _result(expectation: Expectation, delivery: Delivery) -> Accepted[Any]:
    outcome = expectation.outcome.result() if expectation.outcome.done() else None
    if outcome is None:
        raise OutcomeUnknown(
            expectation.command_id,
            published=delivery.published,
            partition=delivery.partition,
            offset=delivery.offset,
        )
    if isinstance(outcome, Rejected):
        raise outcome.with_traceback(None)
    return outcome
