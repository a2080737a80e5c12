"""Outcomes of commands that were decided before anybody here listened."""

from aiokafka import TopicPartition

from cohost import ids, tail
from cohost.channels import Channel
from cohost.closing import close
from cohost.connection import Connection
from cohost.outcomes import Expectation

RETENTION_MS = 7 * 24 * 60 * 60 * 1000
SLACK_MS = 5 * 60 * 1000
"""How far apart the clocks may be of whoever made the id and whoever published its outcome."""


def since(command_id: str, now: int) -> int:
    """Return the time before which a command cannot have been decided, in milliseconds since the epoch.

    A UUIDv7 tells it; any other id may be as old as outcomes are remembered.
    """
    made_at = ids.made_at(command_id)
    oldest = now - RETENTION_MS
    return oldest if made_at is None else max(oldest, made_at - SLACK_MS)


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
                found.take(record, connection.suffix(record.topic), rejection=record.topic == rejections)
            if expectation.outcome.done():
                return
    finally:
        await close(consumer.stop())
