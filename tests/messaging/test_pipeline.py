"""The pipeline with invalid records in its topics and with failing servers."""

import asyncio
import datetime as dt
import json
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer, codec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.record import default_records
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from prometheus_client import CollectorRegistry

from cohost_schemas import facts, ids, topics
from cohost_schemas.partitions import partition_of
from messaging import cluster, outcomes
from messaging import pipeline as pipeline_module
from tests.messaging.counter_processor import CounterProcessor
from tests.messaging.lane_inputs import COMMANDS, LANE, ROOM, leave_command, send_record
from tests.messaging.pipeline_in_process import (
    create_topic,
    fetch_rows,
    read_topic,
    running_pipeline,
    wait_until,
)
from tests.messaging.worker_fleet import PARTITIONS, WorkerFleet, command_record


async def test_malformed_records_become_dead_letters_and_lose_no_outcome(
    fleet: WorkerFleet, producer: AIOKafkaProducer
) -> None:
    name = COMMANDS.full_name(fleet.config.prefix)
    poison: list[tuple[bytes | None, list[tuple[str, bytes | None]]]] = [
        (None, []),
        (b"\xff\xfe", []),
        (b"{}", [("content-type", b"application/json")]),
        (b'{"specversion":"1.0"', [("content-type", None)]),
        (b"[" * 100_000, []),
        (b'{"specversion":"1.0","id":"a\\u0000","source":"/s","type":"t"}', [("x", b"\xff")]),
        (b"9" * 5000, []),
        (b"x" * 900_000, [("big", b"y" * 100_000)]),
    ]
    async with running_pipeline(fleet.config):
        for value, headers in poison:
            await send_record(producer, name, value, headers=headers)
        await fleet.publish_commands(10)
        await fleet.wait_until_decided()
    letters = await read_topic(fleet.config, topics.INVITATION_DEAD_LETTERS)
    assert [
        (letter.value, list(letter.headers[: len(headers)]))
        for letter, (_, headers) in zip(letters, poison, strict=True)
    ] == poison
    assert {dict(letter.headers)["dead-letter-reason"] for letter in letters} == {b"not_a_cloud_event"}
    assert [int(dict(letter.headers)["sequence"]) for letter in letters] == list(range(1, len(poison) + 1))
    assert (await fleet.run_audit()).violations == []


class CommitRecorder(CounterProcessor):
    """Records the committed changes."""

    def __init__(self) -> None:
        super().__init__()
        self.committed_changes: dict[str, tuple[int, int]] = {}

    def on_committed(self, changes: dict[str, tuple[int, int]]) -> None:
        self.committed_changes |= changes


async def test_the_processor_is_called_with_the_committed_changes(fleet: WorkerFleet) -> None:
    domain = CommitRecorder()
    async with running_pipeline(fleet.config, domain):
        await fleet.publish_commands(50)
        await fleet.wait_until_decided()
    stored = await fetch_rows(fleet.config, "SELECT room, lane, left_count FROM departures")
    assert domain.committed_changes
    assert {row["room"]: (row["lane"], row["left_count"]) for row in stored} == domain.committed_changes


async def test_an_oversized_dead_letter_is_truncated(fleet: WorkerFleet, producer: AIOKafkaProducer) -> None:
    await create_topic(fleet.config, topics.INVITATION_DEAD_LETTERS, "max.message.bytes", "100000")
    async with running_pipeline(fleet.config):
        for size in (90_000, 120_000):
            await send_record(producer, COMMANDS.full_name(fleet.config.prefix), b"x" * size)
        await fleet.publish_commands(10)
        await fleet.wait_until_decided()
    letters = await read_topic(fleet.config, topics.INVITATION_DEAD_LETTERS)
    found = [(len(letter.value), dict(letter.headers).get("dead-letter-truncated")) for letter in letters]
    assert found == [(90_000, None), (0, b"120000")]


async def test_no_batch_exceeds_the_topics_limit(fleet: WorkerFleet) -> None:
    await create_topic(fleet.config, topics.INVITATION_EVENTS, "max.message.bytes", "20000")
    async with running_pipeline(fleet.config):
        await fleet.publish_commands(1000)
        await fleet.wait_until_decided()
    assert (await fleet.run_audit()).violations == []


async def test_a_worker_without_lanes_has_no_lane_metrics(fleet: WorkerFleet) -> None:
    registry = CollectorRegistry()

    def shown() -> tuple[float | None, int]:
        lag = next(metric for metric in registry.collect() if metric.name == "cohost_lag_records")
        return registry.get_sample_value("cohost_lanes"), len(lag.samples)

    async with running_pipeline(fleet.config, registry=registry):
        # A partition has a lag once a fetch was answered, perhaps after the lanes are counted.
        await wait_until(lambda: shown()[0] == PARTITIONS and shown()[1] > 0)
    assert shown() == (0, 0)


@pytest.mark.parametrize("where", ["value", "key", "headers"])
async def test_highly_compressible_batches_are_published_in_parts(
    fleet: WorkerFleet, kafka: str, where: str
) -> None:
    name = COMMANDS.full_name(fleet.config.prefix)
    large = b"x" * 900_000
    options: dict[str, Any] = {"key": {"key": large}, "headers": {"headers": [("x", large)]}}.get(where, {})
    async with running_pipeline(fleet.config):
        packed = AIOKafkaProducer(
            bootstrap_servers=kafka, compression_type="gzip", max_batch_size=40_000_000, linger_ms=1000
        )
        async with packed:
            value = large if where == "value" else b"x"
            await asyncio.gather(*[send_record(packed, name, value, **options) for _ in range(30)])
        await fleet.publish_commands(10)
        await fleet.wait_until_decided()
    letters = await read_topic(fleet.config, topics.INVITATION_DEAD_LETTERS)
    assert [int(dict(letter.headers)["sequence"]) for letter in letters] == list(range(1, 31))
    (lane,) = await fetch_rows(fleet.config, "SELECT last_batch_number FROM lanes WHERE lane = $1", LANE)
    assert lane["last_batch_number"] >= 6
    assert (await fleet.run_audit()).violations == []


class _InvalidName(str):
    """A header name whose bytes are not UTF-8."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        return b"b\xff\xfed"


async def test_a_header_name_that_is_not_utf_8_does_not_stop_the_lane(fleet: WorkerFleet, kafka: str) -> None:
    async with (
        running_pipeline(fleet.config),
        AIOKafkaProducer(bootstrap_servers=kafka, acks="all") as producer,
    ):
        batch = producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 100_000)  # noqa: SLF001 - no public API writes such a record
        identifier, data = leave_command()
        batch.append(key=ROOM.encode(), value=command_record(*leave_command()), timestamp=None)
        batch.append(
            key=ROOM.encode(),
            value=command_record(identifier, data),
            timestamp=None,
            headers=[(_InvalidName("x"), b"1")],
        )
        batch.append(
            key=ROOM.encode(), value=b"no event", timestamp=None, headers=[(_InvalidName("x"), b"1")]
        )
        batch.close()
        await (await producer.send_batch(batch, COMMANDS.full_name(fleet.config.prefix), partition=LANE))
        await fleet.publish_commands(5)
        fleet.sent_ids += [identifier, "and the first"]
        await fleet.wait_until_decided()
    assert (await fleet.run_audit()).violations == []
    assert len(await read_topic(fleet.config, topics.INVITATION_DEAD_LETTERS)) == 1


@pytest.mark.parametrize(("kind", "attribute"), [("gzip", 1), ("lz4", 3)])
async def test_a_batch_with_trailing_bytes_does_not_stop_the_lane(
    fleet: WorkerFleet, kafka: str, monkeypatch: pytest.MonkeyPatch, kind: str, attribute: int
) -> None:
    encode = getattr(codec, f"{kind}_encode")
    monkeypatch.setattr(default_records, f"{kind}_encode", lambda data: encode(data) + b"garbage")
    async with (
        running_pipeline(fleet.config),
        AIOKafkaProducer(bootstrap_servers=kafka, acks="all") as producer,
    ):
        batch = producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(2, attribute, 0, -1, -1, -1, 100_000)  # noqa: SLF001 - as above
        for identifier, data in [leave_command(), leave_command()]:
            batch.append(key=ROOM.encode(), value=command_record(identifier, data), timestamp=None)
            fleet.sent_ids.append(identifier)
        batch.close()
        await (await producer.send_batch(batch, COMMANDS.full_name(fleet.config.prefix), partition=LANE))
        await fleet.publish_commands(50)
        await fleet.wait_until_decided()
    assert (await fleet.run_audit()).violations == []


async def test_a_poll_that_fails_after_fetching_loses_no_outcome(
    fleet: WorkerFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch, lost = Fetcher.fetched_records, []

    async def losing(self: Fetcher, *arguments: Any, **options: Any) -> Any:
        found = await fetch(self, *arguments, **options)
        if not lost and any(place.topic == COMMANDS.full_name(fleet.config.prefix) for place in found):
            lost.append(found)
            msg = "a batch that cannot be read"
            raise OSError(msg)
        return found

    async with running_pipeline(fleet.config):
        monkeypatch.setattr(Fetcher, "fetched_records", losing)
        # The poll in progress is the original one: it has ended once a command is decided.
        await fleet.publish_commands(1)
        await fleet.wait_until_decided()
        await fleet.publish_commands(50)
        await fleet.wait_until_decided()
    assert lost
    assert (await fleet.run_audit()).violations == []


async def test_an_id_used_in_two_lanes_at_once_has_one_outcome(fleet: WorkerFleet) -> None:
    rooms = {partition_of(room, PARTITIONS): room for room in map("room-{}".format, range(20))}
    shared = [ids.uuid7() for _ in range(50)]
    async with running_pipeline(fleet.config):
        for room in rooms.values():
            await fleet.publish_batch([(identifier, leave_command(room)[1]) for identifier in shared])
        await fleet.publish_commands(20)
        fleet.sent_ids += shared
        await fleet.wait_until_decided()
        # Every lane's commands are read, including those with a repeated id.
        await wait_until(lambda: _has_read(fleet, 3 * 50 + 20))
    assert (await fleet.run_audit()).violations == []
    events = await read_topic(fleet.config, topics.INVITATION_EVENTS)
    causes = [json.loads(event.value)["causationid"] for event in events]
    assert sorted(cause for cause in causes if cause in shared) == sorted(shared)


async def _has_read(fleet: WorkerFleet, count: int) -> bool:
    rows = await fetch_rows(
        fleet.config, "SELECT sum((positions ->> $1)::bigint) AS total FROM lanes", COMMANDS.suffix
    )
    return bool(rows[0]["total"] == count)


async def test_a_repeated_id_has_no_second_outcome_after_a_restart(fleet: WorkerFleet) -> None:
    again = [leave_command() for _ in range(5)]
    async with running_pipeline(fleet.config):
        await fleet.publish_batch(again)
        fleet.sent_ids += [identifier for identifier, _ in again]
        await fleet.wait_until_decided()
    async with running_pipeline(fleet.config):
        await fleet.publish_batch(again)
        await fleet.publish_commands(5)
        await fleet.wait_until_decided()
        await wait_until(lambda: _has_read(fleet, 15))
    report = await fleet.run_audit()
    assert (report.violations, report.commands) == ([], 10)
    assert len(await read_topic(fleet.config, topics.INVITATION_EVENTS)) == 9


async def test_a_batch_that_is_decided_again_is_counted_once(
    fleet: WorkerFleet, producer: AIOKafkaProducer
) -> None:
    repeated, new = leave_command(), leave_command()
    fleet.sent_ids += [repeated[0], new[0]]
    async with running_pipeline(fleet.config):
        await fleet.publish_batch([repeated])
        await wait_until(lambda: _is_decided(fleet, repeated[0]))
    # While no worker reads, so that one batch has them all. The repeated id is only found at the commit.
    name = COMMANDS.full_name(fleet.config.prefix)
    await send_record(producer, name, b"no CloudEvent")
    await fleet.publish_batch([repeated, new])
    registry = CollectorRegistry()
    async with running_pipeline(fleet.config, registry=registry):
        await fleet.wait_until_decided()
    labels = {"reason": "not_a_cloud_event"}
    assert registry.get_sample_value("cohost_dead_letters_total", labels) == 1
    labels = {"type": "LeaveStage", "outcome": "accepted"}
    assert registry.get_sample_value("cohost_commands_total", labels) == 1
    assert len(await read_topic(fleet.config, topics.INVITATION_DEAD_LETTERS)) == 1


async def _is_decided(fleet: WorkerFleet, command_id: str) -> bool:
    return bool(await fetch_rows(fleet.config, "SELECT FROM outcomes WHERE id = $1", command_id))


async def _recorded_ids(fleet: WorkerFleet) -> set[str]:
    return {row["id"] for row in await fetch_rows(fleet.config, "SELECT id FROM outcomes")}


async def test_outcomes_are_kept_as_long_as_a_command_lies_in_the_log(
    fleet: WorkerFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_pipeline(fleet.config):
        await fleet.publish_commands(10)
        await fleet.wait_until_decided()
    # The topic's retention.ms and segment.ms are seven days each.
    aged = "UPDATE outcomes SET decided_at = now() - {} WHERE id = ANY($1::text[])"
    await fetch_rows(fleet.config, aged.format("interval '14 days 2 hours'"), fleet.sent_ids[:5])
    await fetch_rows(fleet.config, aged.format("interval '14 days'"), fleet.sent_ids[5:])
    monkeypatch.setattr(pipeline_module, "_PRUNE_INTERVAL_SECONDS", 0.1)
    kept = set(fleet.sent_ids[5:])

    async def is_pruned() -> bool:
        return await _recorded_ids(fleet) == kept

    async with running_pipeline(fleet.config):
        await wait_until(is_pruned)


async def test_outcomes_of_a_log_without_limit_are_kept(fleet: WorkerFleet) -> None:
    await create_topic(fleet.config, COMMANDS, "retention.ms", "-1")
    assert await cluster.longest_retention(fleet.config, [COMMANDS]) is None
    assert outcomes.retention_for(None) is None
    assert outcomes.retention_for(dt.timedelta(days=2)) == dt.timedelta(days=7)


async def test_facts_are_read_to_their_end_before_the_first_command(
    fleet: WorkerFleet, producer: AIOKafkaProducer
) -> None:
    async with running_pipeline(fleet.config):
        """Makes the topics."""
    await fleet.publish_batch([leave_command()])
    fact = facts.RoomChanged(room_id=ROOM, host_id="alice", status="live", max_co_hosts=41)
    for _ in range(2000):
        await producer.send(
            topics.ROOMS.full_name(fleet.config.prefix),
            command_record(ids.uuid7(), fact),
            key=ROOM.encode(),
            partition=LANE,
        )
    await producer.flush()
    fleet.sent_ids.append("the one")
    async with running_pipeline(fleet.config):
        await fleet.wait_until_decided()
    (event,) = await read_topic(fleet.config, topics.INVITATION_EVENTS)
    assert json.loads(event.value)["data"]["invitationId"] == "42"


async def test_an_aborted_command_has_no_outcome(fleet: WorkerFleet, kafka: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=fleet.config.prefix + "aborting")
    async with running_pipeline(fleet.config):
        await producer.start()
        await producer.begin_transaction()
        await send_record(producer, COMMANDS.full_name(fleet.config.prefix), command_record(*leave_command()))
        await producer.abort_transaction()
        await producer.stop()
        await fleet.publish_commands(10)
        await fleet.wait_until_decided()
        await wait_until(lambda: _has_read(fleet, 12))
    assert len(await fetch_rows(fleet.config, "SELECT FROM outcomes")) == 10


async def test_a_clean_stop_releases_lanes_and_commits_their_offsets(fleet: WorkerFleet) -> None:
    async with running_pipeline(fleet.config):
        await fleet.publish_commands(10)
        await fleet.wait_until_decided()
        await wait_until(lambda: _committed_offsets(fleet))
    rows = await fetch_rows(fleet.config, "SELECT DISTINCT released, unfenced_owners FROM lanes")
    assert [tuple(row) for row in rows] == [(True, [])]


async def _committed_offsets(fleet: WorkerFleet) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=fleet.config.bootstrap_servers)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(fleet.config.prefix + "invitations")
    finally:
        await admin.close()
    name = COMMANDS.full_name(fleet.config.prefix)
    return sum(max(0, entry.offset) for place, entry in found.items() if place.topic == name) == 10


async def test_closed_postgres_connections_cost_only_time(fleet: WorkerFleet) -> None:
    async with running_pipeline(fleet.config) as pipeline:
        for _ in range(3):
            await fleet.publish_commands(50)
            await fetch_rows(
                fleet.config,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
        await fleet.wait_until_decided()
        await wait_until(lambda: pipeline.is_ready)
    report = await fleet.run_audit()
    assert (report.violations, report.commands) == ([], 150)


async def test_the_pool_is_closed_on_stop(fleet: WorkerFleet) -> None:
    async with running_pipeline(fleet.config):
        await fleet.publish_commands(5)
        await fleet.wait_until_decided()
    connection = await asyncpg.connect(fleet.config.database_url)

    async def is_alone() -> bool:
        """Postgres ends a connection's process some time after the connection."""
        query = "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database()"
        return bool(await connection.fetchval(query))

    await wait_until(is_alone)
    await connection.close()
