"""Wait for command outcomes: one background reader and the commands that wait for it."""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from cohost.channels import Channel
from cohost.connection import Connection
from cohost.errors import Rejected
from cohost.records import Accepted, Event, Position, event
from cohost.tail import Tail
from schemas import envelope
from schemas.envelope import Envelope, NotACloudEvent
from schemas.invitation import Invitation
from schemas.types import Message

_log = logging.getLogger("cohost")

_PAUSE_SECONDS = 0.5
REMEMBERED = 2_000
"""How many outcomes of a client's own commands are kept besides those being waited for."""

Outcome = Accepted[Message] | Rejected | None
"""None: the reader was closed before the outcome arrived."""


@dataclass(slots=True)
class Expectation:
    """A command whose outcome is being collected. An event of one of the `final_types` completes it."""

    command_id: str
    last: frozenset[str]
    outcome: asyncio.Future[Outcome]
    events: list[Event] = field(default_factory=list)
    askers: int = 0

    async def during(self, steps: Iterable[Coroutine[Any, Any, None]]) -> None:
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

    def take(self, record: Any, found: Envelope, topic: str, *, rejection: bool) -> None:
        """Add a record if this command caused it; `topic` is the name without prefix."""
        if found.causationid != self.command_id or self.outcome.done():
            return
        if rejection:
            self.settle(rejected(self.command_id, found))
            return
        position = Position({(topic, record.partition): record.offset + 1})
        self.events.append(event(record, found, topic, position))
        if found.type in self.last:
            self.settle(Accepted(self.command_id, tuple(self.events)))

    def settle(self, outcome: Outcome) -> None:
        """Set the outcome, unless there is one already."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class Outcomes:
    """Read outcomes in the background.

    The log reader must be positioned before the first command is sent, so that no outcome is missed.
    """

    def __init__(self, connection: Connection, tail: Tail, channels: Iterable[Channel]) -> None:
        self._tail = tail
        self._asked: dict[tuple[str, str], Expectation] = {}
        self._remembered: OrderedDict[tuple[str, str], Expectation] = OrderedDict()
        self._open = 0
        self._channels = {
            connection.name(topic): (channel, topic)
            for channel in channels
            for topic in (channel.events, channel.rejections)
        }

    async def run(self) -> None:
        """Read until the log reader is stopped; an unexpected error is logged and reading starts again."""
        while not self._tail.stopped:
            try:
                async for records in self._tail.read():
                    if self._open:
                        for record in records:
                            self._take(record)
            except Exception:  # noqa: BLE001 - without this reader no command would get an outcome
                _log.exception("reading outcomes failed; retrying")
                await asyncio.sleep(_PAUSE_SECONDS)

    @contextlib.contextmanager
    def expecting(self, channel: Channel, command_id: str, last: frozenset[str]) -> Iterator[Expectation]:
        """Collect a command's outcome for at least the duration of the block, with records seen before."""
        key = (channel.commands.suffix, command_id)
        expectation = self._asked.get(key) or self._remembered.pop(key, None) or self._new(command_id, last)
        self._asked[key] = expectation
        expectation.askers += 1
        try:
            yield expectation
        finally:
            expectation.askers -= 1
            if not expectation.askers:
                self._remembered[key] = self._asked.pop(key)
                self._forget()

    def close(self) -> None:
        """Resolve every pending command with None: no outcome will arrive any more."""
        for expectation in self._asked.values():
            expectation.settle(None)

    def _new(self, command_id: str, last: frozenset[str]) -> Expectation:
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._open += 1
        future.add_done_callback(self._closed)
        return Expectation(command_id, last, future)

    def _closed(self, _: object) -> None:
        self._open -= 1

    def _forget(self) -> None:
        while len(self._remembered) > REMEMBERED:
            _, oldest = self._remembered.popitem(last=False)
            oldest.outcome.cancel()

    def _take(self, record: Any) -> None:
        channel, topic = self._channels[record.topic]
        try:
            found = envelope.decode(record.value, record.headers)
        except NotACloudEvent:
            return
        key = (channel.commands.suffix, found.causationid or "")
        expectation = self._asked.get(key) or self._remembered.get(key)
        if expectation is not None:
            expectation.take(record, found, topic.suffix, rejection=topic is channel.rejections)


def rejected(command_id: str, found: Envelope) -> Rejected:
    """Return the event as a rejection; a reason that this version does not know is accepted."""
    data = found.data if isinstance(found.data, dict) else {}
    try:
        current = Invitation.model_validate(data.get("current"), by_alias=True, by_name=False)
    except ValidationError:
        current = None
    return Rejected(
        command_id,
        str(data.get("reason", "")),
        str(data.get("message", "")),
        current=current,
        envelope=found,
    )
