"""Outcomes of commands that were decided before this client started to read."""

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
"""Allowed clock difference between the machine that made the id and the one that wrote the outcome."""


def since(command_id: str, now: int) -> int:
    """Return the earliest time at which a command can have been decided, in milliseconds since the epoch.

    A UUIDv7 contains it, however old the id is: the outcome of a `SendInvitation` is permanent. Any other
    id can be as old as the services remember ids.
    """
    made_at = ids.made_at(command_id)
    # A clock that is ahead can make an id from the future, but it was used no later than now.
    return now - ids.REMEMBERED_MS if made_at is None else max(min(made_at, now) - SLACK_MS, 0)


def forgotten(command_id: str, now: int) -> bool:
    """Return whether the services may have forgotten the id; its outcome can still be in the log."""
    made_at = ids.made_at(command_id)
    return made_at is not None and now - made_at > ids.REMEMBERED_MS


async def find(
    connection: Connection, channel: Channel, partition: int, after: int, expectation: Expectation
) -> None:
    """Search one partition's outcomes from `after_ms` to the current end, until `pending` is resolved."""
    rejections = connection.name(channel.rejections)
    places = [
        TopicPartition(connection.name(channel.events), partition),
        TopicPartition(rejections, partition),
    ]
    consumer = connection.consumer()
    # A copy: events that the background reader has already added must not be added twice.
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
