"""Wait for command outcomes: one background reader and the commands that wait for it."""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from cohost.commands.routes import CommandRoute
from cohost.errors import Rejected
from cohost.events import Accepted, Event, Position, build_event
from cohost.kafka.connection import KafkaConnection
from cohost.kafka.log_reader import LogReader
from cohost_schemas import envelope
from cohost_schemas.envelope import Envelope, NotACloudEvent
from cohost_schemas.invitation import Invitation
from cohost_schemas.types import Message

_log = logging.getLogger("cohost")

_PAUSE_SECONDS = 0.5
MAX_REMEMBERED = 2_000
"""The number of outcomes of a client's own commands that are kept after the wait for them."""

Outcome = Accepted[Message] | Rejected | None
"""None: the reader was closed before the outcome arrived."""


@dataclass(slots=True)
class PendingCommand:
    """A command whose outcome is being collected. An event of one of the `final_types` completes it."""

    command_id: str
    final_types: frozenset[str]
    outcome: asyncio.Future[Outcome]
    events: list[Event] = field(default_factory=list)
    waiters: int = 0
    seen_at: float | None = None
    """When the first record was read, by the performance counter."""

    async def run_until_resolved(self, steps: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Run `steps` concurrently until the outcome is known, then cancel them. Raises a step's error."""
        tasks = [asyncio.ensure_future(step) for step in steps]
        pending: set[asyncio.Future[Any]] = {self.outcome, *tasks}
        try:
            while not self.outcome.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done.intersection(tasks):
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def add_record(self, record: Any, cloud_event: Envelope, topic: str, *, rejection: bool) -> None:
        """Add a record if this command caused it; `topic` is the name without prefix."""
        if cloud_event.causationid != self.command_id or self.outcome.done():
            return
        if self.seen_at is None:
            self.seen_at = time.perf_counter()
        if rejection:
            self.resolve(parse_rejection(self.command_id, cloud_event))
            return
        position = Position({(topic, record.partition): record.offset + 1})
        self.events.append(build_event(record, cloud_event, topic, position))
        if cloud_event.type in self.final_types:
            self.resolve(Accepted(self.command_id, tuple(self.events)))

    def resolve(self, outcome: Outcome) -> None:
        """Set the outcome, unless there is one already."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class OutcomeReader:
    """Read outcomes in the background.

    The log reader must be positioned before the first command is sent, so that no outcome is missed.
    """

    def __init__(
        self, connection: KafkaConnection, log_reader: LogReader, routes: Iterable[CommandRoute]
    ) -> None:
        self._log_reader = log_reader
        self._pending: dict[tuple[str, str], PendingCommand] = {}
        self._remembered: OrderedDict[tuple[str, str], PendingCommand] = OrderedDict()
        self._unresolved = 0
        self._routes = {
            connection.topic_name(topic): (route, topic)
            for route in routes
            for topic in (route.events, route.rejections)
        }

    async def run(self) -> None:
        """Read until the log reader is stopped; an unexpected error is logged and reading starts again."""
        while not self._log_reader.is_stopped:
            try:
                async for records in self._log_reader.read_batches():
                    if self._unresolved:
                        for record in records:
                            self._dispatch_record(record)
            except Exception:  # noqa: BLE001 - without this reader no command would get an outcome
                _log.exception("reading outcomes failed; retrying")
                await asyncio.sleep(_PAUSE_SECONDS)

    @contextlib.contextmanager
    def expect_outcome(
        self, route: CommandRoute, command_id: str, final_types: frozenset[str], *, remember: bool = True
    ) -> Iterator[PendingCommand]:
        """Collect a command's outcome during the block, including records of it that were read before.

        What is collected by the end of the block is kept for later ones, unless it is nothing and `remember`
        is false.
        """
        key = (route.commands.suffix, command_id)
        pending = (
            self._pending.get(key)
            or self._remembered.pop(key, None)
            or self._create_pending(command_id, final_types)
        )
        self._pending[key] = pending
        pending.waiters += 1
        try:
            yield pending
        finally:
            pending.waiters -= 1
            if not pending.waiters:
                del self._pending[key]
                if remember or pending.events or pending.outcome.done():
                    self._remembered[key] = pending
                    self._evict_oldest()
                else:
                    pending.outcome.cancel()

    def abandon_pending(self) -> None:
        """Resolve every pending command with None: no outcome will arrive any more."""
        for pending in self._pending.values():
            pending.resolve(None)

    def _create_pending(self, command_id: str, final_types: frozenset[str]) -> PendingCommand:
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._unresolved += 1
        future.add_done_callback(self._on_resolved)
        return PendingCommand(command_id, final_types, future)

    def _on_resolved(self, _: object) -> None:
        self._unresolved -= 1

    def _evict_oldest(self) -> None:
        while len(self._remembered) > MAX_REMEMBERED:
            _, oldest = self._remembered.popitem(last=False)
            oldest.outcome.cancel()

    def _dispatch_record(self, record: Any) -> None:
        route, topic = self._routes[record.topic]
        try:
            cloud_event = envelope.decode_event(record.value, record.headers)
        except NotACloudEvent:
            return
        key = (route.commands.suffix, cloud_event.causationid or "")
        pending = self._pending.get(key) or self._remembered.get(key)
        if pending is not None:
            pending.add_record(record, cloud_event, topic.suffix, rejection=topic is route.rejections)


def parse_rejection(command_id: str, cloud_event: Envelope) -> Rejected:
    """Return the event as a rejection; a reason that this version does not know is accepted."""
    data = cloud_event.data if isinstance(cloud_event.data, dict) else {}
    try:
        current = Invitation.model_validate(data.get("current"), by_alias=True, by_name=False)
    except ValidationError:
        current = None
    retry_at = data.get("retryAt")
    return Rejected(
        command_id,
        str(data.get("reason", "")),
        str(data.get("message", "")),
        current=current,
        retry_at=retry_at if isinstance(retry_at, str) else None,
        envelope=cloud_event,
    )
