"""Find outcomes of commands that were decided before this client started to read."""

import contextlib
from typing import Any

from aiokafka import TopicPartition

from cohost.commands.outcomes import PendingCommand
from cohost.commands.routes import CommandRoute
from cohost.kafka import log_reader
from cohost.kafka.connection import KafkaConnection
from cohost_schemas import envelope, ids
from cohost_schemas.envelope import NotACloudEvent

CLOCK_SKEW_MS = 5 * 60 * 1000
"""Allowed clock difference between the machine that made the id and the one that wrote the outcome."""


def earliest_ms(command_id: str, now_ms: int) -> int:
    """Return the earliest time at which a command can have been decided, in milliseconds since the epoch.

    A UUIDv7 contains its time, however old it is: the outcome of a `SendInvitation` is permanent. Any other
    id can be as old as the retention of outcomes.
    """
    made_at = ids.made_at(command_id)
    # A clock that is ahead can make an id from the future, but it was used no later than now.
    return (
        now_ms - ids.COMMAND_ID_RETENTION_MS
        if made_at is None
        else max(min(made_at, now_ms) - CLOCK_SKEW_MS, 0)
    )


def is_past_retention(command_id: str, now_ms: int) -> bool:
    """Return whether the services may have forgotten the id; its outcome can still be in the log."""
    made_at = ids.made_at(command_id)
    return made_at is not None and now_ms - made_at > ids.COMMAND_ID_RETENTION_MS


async def find_outcome(
    connection: KafkaConnection, route: CommandRoute, partition: int, after_ms: int, pending: PendingCommand
) -> None:
    """Search one partition's outcomes from `after_ms` to the current end, until `pending` is resolved."""
    rejections = connection.topic_name(route.rejections)
    partitions = [
        TopicPartition(connection.topic_name(route.events), partition),
        TopicPartition(rejections, partition),
    ]
    # A copy: events that the background reader has already added must not be added twice.
    pending_copy = PendingCommand(pending.command_id, pending.final_types, pending.outcome)
    encoded_id = pending_copy.command_id.encode()
    async with connection.open_consumer() as consumer:
        starts = await consumer.offsets_for_times(dict.fromkeys(partitions, after_ms))
        ends = await consumer.end_offsets(partitions)
        start_offsets = {partition: start.offset for partition, start in starts.items() if start is not None}
        async for fetched in log_reader.poll_partitions(consumer, start_offsets, ends):
            for record in (record for records in fetched.values() for record in records):
                if encoded_id in (record.value or b""):
                    _add_record(
                        pending_copy,
                        record,
                        connection.topic_suffix(record.topic),
                        rejection=record.topic == rejections,
                    )
            if pending.outcome.done():
                return


def _add_record(pending: PendingCommand, record: Any, topic: str, *, rejection: bool) -> None:
    with contextlib.suppress(NotACloudEvent):
        cloud_event = envelope.decode_event(record.value, record.headers)
        pending.add_record(record, cloud_event, topic, rejection=rejection)
