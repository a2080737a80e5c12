"""Waiting for what becomes of commands: one reader of all outcomes, and who waits for which."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
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

REMEMBERED = 2_000
"""How many outcomes of a client's own commands are remembered."""

Outcome = Accepted[Message] | Rejected


@dataclass(slots=True)
class Expectation:
    """One command's outcome, as it comes in. `last` are the event types that end it."""

    command_id: str
    last: frozenset[str]
    outcome: asyncio.Future[Outcome]
    events: list[Event] = field(default_factory=list)
    waiting: int = 0

    async def wait(self) -> Accepted[Message]:
        """Wait for the outcome. Raises `Rejected`."""
        self.waiting += 1
        try:
            # Shielded: others may wait for the same outcome, or ask for it again.
            outcome = await asyncio.shield(self.outcome)
        finally:
            self.waiting -= 1
        if isinstance(outcome, Rejected):
            raise outcome.with_traceback(None)
        return outcome

    def take(self, record: Any, topic: str, *, rejection: bool) -> None:
        """Take a record in, if it names the command as its cause; `topic` goes without prefix."""
        try:
            found = envelope.decode(record.value, record.headers)
        except NotACloudEvent:
            return
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
        """Give the outcome to whoever waits for it."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class Outcomes:
    """Reads outcomes in the background. Positioned before the first command, it misses none that follows."""

    def __init__(self, connection: Connection, tail: Tail, channels: Iterable[Channel]) -> None:
        self._tail = tail
        self._expected: OrderedDict[tuple[str, str], Expectation] = OrderedDict()
        self._open = 0
        self._channels = {
            connection.name(topic): (channel, topic)
            for channel in channels
            for topic in (channel.events, channel.rejections)
        }

    async def run(self) -> None:
        """Read until the tail is stopped."""
        async for records in self._tail.read():
            if self._open:
                for record in records:
                    self._take(record)

    def expect(self, channel: Channel, command_id: str, last: frozenset[str]) -> Expectation:
        """Return what is known of a command's outcome, and listen for it from now on."""
        key = (channel.commands.suffix, command_id)
        expectation = self._expected.get(key)
        if expectation is None:
            future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            expectation = self._expected[key] = Expectation(command_id, last, future)
            self._open += 1
            future.add_done_callback(self._closed)
            self._forget()
        self._expected.move_to_end(key)
        return expectation

    def _closed(self, _: object) -> None:
        self._open -= 1

    def _forget(self) -> None:
        while len(self._expected) > REMEMBERED:
            key, oldest = next(iter(self._expected.items()))
            if oldest.waiting:
                return
            del self._expected[key]
            oldest.outcome.cancel()

    def _take(self, record: Any) -> None:
        channel, topic = self._channels[record.topic]
        cause = _cause(record)
        expectation = self._expected.get((channel.commands.suffix, cause)) if cause else None
        if expectation is not None:
            expectation.take(record, topic.suffix, rejection=topic is channel.rejections)


def _cause(record: Any) -> str | None:
    try:
        return envelope.decode(record.value, record.headers).causationid
    except NotACloudEvent:
        return None


def rejected(command_id: str, found: Envelope) -> Rejected:
    """Return the rejection that an event is, also where its reason is newer than this version."""
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
