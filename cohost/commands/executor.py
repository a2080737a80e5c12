"""Publish commands and wait for their outcomes."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from cohost import http_reader, ids
from cohost.commands import history
from cohost.commands.open_command import OpenCommand
from cohost.commands.outcomes import OutcomeReader
from cohost.commands.routes import ANY_FINAL_TYPE, ROUTES, CommandRoute, final_event_types, route_of
from cohost.errors import OutcomeUnknown, ProblemError, Rejected
from cohost.events import Accepted
from cohost.http_reader import ServiceClient
from cohost.kafka.backoff import Backoff
from cohost.kafka.connection import KafkaConnection
from cohost.kafka.errors import UNAVAILABLE_ERRORS
from cohost.kafka.producer import CloudEventProducer
from cohost_schemas.answers import CommandOutcome
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

    @contextlib.contextmanager
    def open_command(self, data: CommandData, command_id: str | None) -> Iterator[OpenCommand]:
        """Collect the outcome of a command during the block. Raises `ValueError` for an invalid id."""
        identifier = command_id if command_id is not None else ids.uuid7()
        if not is_id(identifier):
            msg = f"invalid command id {identifier!r}: use 1 to 64 characters of A-Z a-z 0-9 . _ : @ -"
            raise ValueError(msg)
        route = route_of(data)
        with contextlib.ExitStack() as expected:
            expect = self._outcomes.expect_outcome
            pending = expected.enter_context(expect(route, identifier, final_event_types(data)))
            # An id that this call has made is nobody else's.
            others = [] if command_id is None else [other for other in ROUTES if other is not route]
            rivals = [
                expected.enter_context(expect(other, identifier, ANY_FINAL_TYPE, remember=False))
                for other in others
            ]
            yield OpenCommand(self._connection, self._producer, route, data, pending, rivals)

    async def execute_command(self, data: CommandData, command_id: str | None) -> Accepted[Any]:
        """Publish a command and return its outcome.

        Raises `Rejected`, `OutcomeUnknown`, aiokafka's errors if publishing cannot succeed, and `ValueError`
        for an invalid id.
        """
        with self.open_command(data, command_id) as command:
            steps = [command.publish()]
            if command_id is not None:
                # A repeated id gets no second outcome, so search the log for its first one.
                steps.append(self._search_log(command))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timeout):
                    await command.pending.run_until_resolved(steps)
            return _unwrap_outcome(command)

    async def _search_log(self, command: OpenCommand) -> None:
        backoff = Backoff(_FIRST_SEARCH_SECONDS, self._timeout)
        while command.outcome is None:
            await asyncio.sleep(backoff.next_wait())
            try:
                await self._search_once(command)
            except UNAVAILABLE_ERRORS:
                continue

    async def _search_once(self, command: OpenCommand) -> None:
        found = await self._fetch_outcome(route_of(command.data), command.command_id)
        if isinstance(found, CommandOutcome):
            await command.search_log(decided_at=found.decided_at, room_id=found.room_id)
            if found.reason is not None:
                command.pending.resolve(Rejected(found.command_id, found.reason, found.message or ""))
        elif found == "unavailable" or history.is_past_retention(
            command.command_id, time.time_ns() // 1_000_000
        ):
            await command.search_log()

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


def _unwrap_outcome(command: OpenCommand) -> Accepted[Any]:
    outcome = command.outcome
    if outcome is None:
        raise OutcomeUnknown(
            command.command_id,
            published=command.delivery.is_published,
            partition=command.delivery.partition,
            offset=command.delivery.offset,
        )
    if isinstance(outcome, Rejected):
        raise outcome.with_traceback(None)
    return outcome
