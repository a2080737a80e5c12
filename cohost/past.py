"""Outcomes of commands that were decided before anybody here listened."""

import contextlib
from typing import Any

from aiokafka import TopicPartition

from cohost import tail
from cohost.channels import Channel
from cohost.closing import close
from cohost.connection import Connection
from cohost.outcomes import Expectation
from schemas import envelope, ids
from schemas.envelope import NotACloudEvent

SLACK_MS = 5 * 60 * 1000
"""How far apart the clocks may be of whoever made the id and whoever published its outcome."""


def since(command_id: str, now: int) -> int:
    """Return the time before which a command cannot have been decided, in milliseconds since the epoch.

    A UUIDv7 tells it, however old it is: a `SendInvitation` has one outcome for ever. Any other id may be as
    old as ids are remembered.
    """
    made_at = ids.made_at(command_id)
    # An id from a clock that is ahead was used no later than now.
    return now - ids.REMEMBERED_MS if made_at is None else max(min(made_at, now) - SLACK_MS, 0)


def forgotten(command_id: str, now: int) -> bool:
    """Say whether an id is so old that the services may have forgotten it, though not what came of it."""
    made_at = ids.made_at(command_id)
    return made_at is not None and now - made_at > ids.REMEMBERED_MS


async def find(
    connection: Connection, channel: Channel, partition: int, after: int, expectation: Expectation
) -> None:
    """Read one partition's outcomes from a time to the present end, until the expected one is complete."""
    rejections = connection.name(channel.rejections)
    places = [
        TopicPartition(connection.name(channel.events), partition),
        TopicPartition(rejections, partition),
    ]
    consumer = connection.consumer()
    # A copy: what the background reader has of it already must not be counted twice.
    found = Expectation(expectation.command_id, expectation.last, expectation.outcome)
    mark = found.command_id.encode()
    try:
        await consumer.start()
        starts = await consumer.offsets_for_times(dict.fromkeys(places, after))
        ends = await consumer.end_offsets(places)
        ahead = {place: start.offset for place, start in starts.items() if start is not None}
        async for record in tail.upto(consumer, ahead, ends):
            if mark in (record.value or b""):
                _take(found, record, connection.suffix(record.topic), rejection=record.topic == rejections)
            if expectation.outcome.done():
                return
    finally:
        await close(consumer.stop())


def _take(expectation: Expectation, record: Any, topic: str, *, rejection: bool) -> None:
    with contextlib.suppress(NotACloudEvent):
        found = envelope.decode(record.value, record.headers)
        expectation.take(record, found, topic, rejection=rejection)
