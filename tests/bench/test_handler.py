"""The baseline handler gives the pipeline's outcomes; otherwise comparing them would mean nothing."""

import json
from itertools import count, islice
from typing import Any, cast

from faststream.kafka import KafkaBroker

from bench.baseline import consumer
from bench.baseline.handler import BaselineHandler
from bench.workload import traffic, traffic_producer
from bench.workload.simulated_room import ACCEPTED, PlannedCommand
from cohost.audit.topology import LogRecord
from cohost_schemas import envelope
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import DEFAULT_PARTITIONS
from messaging import database
from messaging.config import Config

NOW_MS = 1_800_000_000_000


class RecordingBroker:
    """Records the published values."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    async def publish(self, value: bytes, *_: object, **__: object) -> None:
        self.events.append(json.loads(value))

    def outcomes(self) -> dict[str, str]:
        return {
            event["causationid"]: event["data"]["reason"] if _is_rejection(event) else ACCEPTED
            for event in self.events
        }


def command_record(command: PlannedCommand, offset: int) -> LogRecord:
    topic, key, event = traffic_producer.command_event(command)
    partition = partition_of(key, DEFAULT_PARTITIONS)
    value = envelope.encode_event(dict(event))
    headers = (("content-type", envelope.CONTENT_TYPE),)
    return LogRecord(
        topic.full_name("cohost."), partition, offset, NOW_MS + offset, key.encode(), value, headers
    )


async def test_the_baseline_handler_gives_each_command_one_outcome(
    database_url: str,
) -> None:
    config = Config("", database_url, "invitations", prefix="cohost.")
    made, broker = traffic.generate_traffic(rooms=6, seed=3), RecordingBroker()
    commands = list(islice(made.iterate_commands(), 600))
    pool = await database.create_pool(config, size=2)
    async with pool.acquire() as connection:
        await database.migrate_schema(connection, config, "messaging", "services.invitations")
        await consumer.store_facts(connection, made)
    handler = BaselineHandler(config, "cluster", pool, cast("KafkaBroker", broker))
    offsets = count()
    for command in commands:
        await handler.handle_command(command_record(command, next(offsets)))
    assert broker.outcomes() == {command.id: command.expected for command in commands}
    published = len(broker.events)
    for command in commands[:50]:
        await handler.handle_command(command_record(command, next(offsets)))
    assert len(broker.events) == published
    await pool.close()


def _is_rejection(event: dict[str, Any]) -> bool:
    return bool(event["type"] == "cohost.CommandRejected.v1")
