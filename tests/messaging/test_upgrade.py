"""Databases written before topics were stored by name: every lane, outbox record and stage goes on.

`databases/` has, for each service, the rows of its schema at a crash with unpublished outbox batches, and the
records of its topics at that time. The version that wrote them stored topics by their place in a list.
"""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from prometheus_client import CollectorRegistry

from cohost_schemas import commands, topics
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message
from messaging import database
from messaging.config import Config
from messaging.outbox import store
from messaging.outbox.store import OutboxBatch
from messaging.processor import Processor
from services.broadcast.dirty_keys import DirtyKeys
from services.broadcast.domain.state import SeatTimeouts
from services.broadcast.metrics import LiveKitMetrics
from services.broadcast.processor import BroadcastProcessor
from services.invitations.domain.state import Policy
from services.invitations.processor import InvitationsProcessor
from tests import kafka_topics
from tests.messaging.pipeline_in_process import fetch_rows, read_topic, running_pipeline, wait_until
from tests.messaging.worker_fleet import command_record

DATABASES = Path(__file__).with_name("databases")
PARTITIONS = 2


@dataclass(frozen=True)
class OldService:
    """A service as it was: its topics in the order of its rows; a command that its stages accept."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    commands: Topic
    command: Message
    processor: Callable[[], Processor[Any]]


INVITATIONS = OldService(
    "invitations",
    ("rooms", "users", "invitations.commands"),
    ("invitations.events", "invitations.rejections", "invitations.dead-letters"),
    topics.INVITATION_COMMANDS,
    commands.DeclineInvitation(room_id="room-b", invitation_id="send-room-b-carol", actor_id="carol"),
    lambda: InvitationsProcessor(Policy()),
)
BROADCAST = OldService(
    "broadcast",
    ("invitations.events", "broadcast.signals", "broadcast.commands"),
    ("broadcast.events", "broadcast.rejections", "badges", "broadcast.dead-letters"),
    topics.BROADCAST_COMMANDS,
    commands.UnmuteCoHost(room_id="room-b", user_id="bob", actor_id="host", source="microphone"),
    lambda: BroadcastProcessor(SeatTimeouts(30, 120), DirtyKeys(), LiveKitMetrics(CollectorRegistry())),
)


@pytest.fixture(params=[INVITATIONS, BROADCAST], ids=lambda old: old.name)
def old(request: pytest.FixtureRequest) -> OldService:
    service: OldService = request.param
    return service


@pytest.fixture
async def config(old: OldService, kafka: str, database_url: str, prefix: str) -> Config:
    """The configuration of a service whose database and topics are restored from the old version's."""
    config = Config(
        kafka, database_url, old.name, prefix=prefix, partitions=PARTITIONS, session_timeout_ms=6000
    )
    cluster_info = await kafka_topics.ensure_topics(config)
    await restore_database(config, old.name, cluster_info.cluster_id)
    await restore_log(config, old.name)
    return config


async def restore_database(config: Config, service: str, cluster_id: str) -> None:
    connection = await asyncpg.connect(config.database_url)
    await connection.execute(f'CREATE SCHEMA "{service}"; SET search_path = "{service}"')
    await connection.execute("CREATE TABLE migrations (package text, name text, PRIMARY KEY (package, name))")
    for package, name in (("messaging", "0001_pipeline.sql"), (f"services.{service}", "0001_stage.sql")):
        await connection.execute((resources.files(package) / "sql" / name).read_text())
    await connection.execute((DATABASES / f"{service}.sql").read_text())
    await connection.execute(
        "UPDATE installation SET (cluster, prefix) = ($1, $2)", cluster_id, config.prefix
    )
    await connection.close()


async def restore_log(config: Config, service: str) -> None:
    """Write the old records at their old offsets. A gap of one is the end of a transaction."""
    producer = AIOKafkaProducer(
        bootstrap_servers=config.bootstrap_servers, transactional_id=f"{config.prefix}restore"
    )
    async with producer:
        for _, transaction in itertools.groupby(enumerate(old_log(service)), transaction_key):
            async with producer.transaction():
                for _, record in transaction:
                    written = await producer.send_and_wait(
                        config.prefix + record["topic"],
                        None if record["value"] is None else record["value"].encode(),
                        key=record["key"].encode(),
                        partition=record["partition"],
                        headers=[(name, value.encode()) for name, value in record["headers"]],
                    )
                    assert written.offset == record["offset"]


def old_log(service: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATABASES / f"{service}.jsonl").read_text().splitlines()]


def transaction_key(entry: tuple[int, dict[str, Any]]) -> tuple[str, int, int]:
    """Return a key that is the same for consecutive records of one partition without a gap between them."""
    index, record = entry
    return record["topic"], record["partition"], record["offset"] - index


async def migrate(config: Config) -> None:
    connection = await asyncpg.connect(config.database_url)
    await connection.execute(f'SET search_path = "{config.schema}"')
    await database.migrate_schema(connection, config, "messaging", f"services.{config.schema}")
    await connection.close()


async def load_outbox(config: Config) -> list[OutboxBatch]:
    connection = await asyncpg.connect(config.database_url)
    await connection.execute(f'SET search_path = "{config.schema}"')
    batches = await store.load_pending(connection, range(PARTITIONS))
    await connection.close()
    return batches


async def test_lanes_get_their_topics_names(old: OldService, config: Config) -> None:
    old_rows = await fetch_rows(config, "SELECT * FROM lanes ORDER BY lane")
    await migrate(config)
    rows = await fetch_rows(config, "SELECT * FROM lanes ORDER BY lane")
    for old_row, row in zip(old_rows, rows, strict=True):
        assert json.loads(row["positions"]) == by_topic(old.inputs, old_row["positions"], 0)
        assert json.loads(row["decided_sequences"]) == by_topic(old.outputs, old_row["decided"], 1)
        assert json.loads(row["published_sequences"]) == by_topic(old.outputs, old_row["acknowledged"], 1)
        assert json.loads(row["published_end_offsets"]) == by_topic(old.outputs, old_row["tails"], 1)
        assert (row["epoch"], row["last_batch_number"]) == (old_row["epoch"], old_row["segment"])


def by_topic(names: Sequence[str], numbers: Sequence[int], least: int) -> dict[str, int]:
    """Return the numbers by topic, without those that stand for nothing."""
    return {name: number for name, number in zip(names, numbers, strict=True) if number >= least}


async def test_outbox_records_get_their_topics_names(config: Config) -> None:
    await migrate(config)
    rows = await fetch_rows(config, "SELECT * FROM lanes ORDER BY lane")
    found: dict[tuple[int, str], list[int]] = {}
    for batch in await load_outbox(config):
        for record in batch.records:
            found.setdefault((batch.lane, record.topic), []).append(record.sequence)
            assert dict(record.headers)["sequence"] == b"%d" % record.sequence
            assert record.key
            if record.value is not None:
                assert partition_of(json.loads(record.value)["subject"], PARTITIONS) == batch.lane
    expected = {
        (row["lane"], topic): list(
            range(json.loads(row["published_sequences"]).get(topic, 0) + 1, decided + 1)
        )
        for row in rows
        for topic, decided in json.loads(row["decided_sequences"]).items()
    }
    assert found == {place: sequences for place, sequences in expected.items() if sequences}
    assert len(found) > 1


async def test_an_upgraded_service_publishes_what_was_decided_and_goes_on(
    old: OldService, config: Config, producer: AIOKafkaProducer
) -> None:
    await migrate(config)
    pending = [record for batch in await load_outbox(config) for record in batch.records]
    async with running_pipeline(config, old.processor(), migration_packages=(f"services.{old.name}",)):
        await producer.send_and_wait(
            old.commands.full_name(config.prefix),
            command_record("after-the-upgrade", old.command),
            key=b"room-b",
            partition=partition_of("room-b", PARTITIONS),
        )
        await wait_until(lambda: _is_published(config))
    (outcome,) = await fetch_rows(config, "SELECT reason FROM outcomes WHERE id = 'after-the-upgrade'")
    assert outcome["reason"] is None
    published = {topic: await read_topic(config, topic, PARTITIONS) for topic in old_outputs(old)}
    for records in published.values():
        for partition in range(PARTITIONS):
            sequences = [sequence_of(record) for record in records if record.partition == partition]
            assert sequences == list(range(1, len(sequences) + 1))
    values = {record.value for records in published.values() for record in records}
    assert {record.value for record in pending} <= values
    old_count = sum(record["topic"] in old.outputs for record in old_log(old.name))
    new_count = sum(b"after-the-upgrade" in (value or b"") for value in values)
    assert sum(map(len, published.values())) == old_count + len(pending) + new_count
    assert new_count > 0


@pytest.mark.parametrize("old", [INVITATIONS], indirect=True)
async def test_invitations_of_an_older_version_were_sent_once_and_not_seen(config: Config) -> None:
    await migrate(config)
    columns = "label, times_sent, resent_at, seen_at, left_at, leave_reason"
    rows = await fetch_rows(config, f"SELECT {columns} FROM invitations")
    assert {tuple(row) for row in rows} == {(None, 1, None, None, None, None)}
    rooms = await fetch_rows(config, "SELECT title, changed_at FROM rooms")
    assert {tuple(row) for row in rooms} == {(None, "1970-01-01T00:00:00.000Z")}


@pytest.mark.parametrize("old", [INVITATIONS], indirect=True)
async def test_rooms_of_an_older_version_have_had_one_host(config: Config) -> None:
    await migrate(config)
    hosts = await fetch_rows(config, "SELECT * FROM room_hosts")
    rooms = await fetch_rows(config, "SELECT room_id, 0, '1970-01-01T00:00:00.000Z', host_id FROM rooms")
    assert len(hosts) > 1
    assert sorted(map(tuple, hosts)) == sorted(map(tuple, rooms))


async def _is_published(config: Config) -> bool:
    (row,) = await fetch_rows(
        config,
        "SELECT EXISTS (SELECT FROM outcomes WHERE id = 'after-the-upgrade')"
        " AND NOT EXISTS (SELECT FROM outbox) AS published",
    )
    return bool(row["published"])


def old_outputs(old: OldService) -> list[Topic]:
    return [topic for topic in topics.ALL if topic.suffix in old.outputs]


def sequence_of(record: ConsumerRecord) -> int:
    return int(dict(record.headers)["sequence"])
