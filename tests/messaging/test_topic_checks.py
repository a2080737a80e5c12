"""Topics whose settings or partition counts do not fit stop the pipeline, at its start and while it runs."""

import dataclasses
from collections.abc import Iterable

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.errors import UnknownTopicOrPartitionError
from structlog.testing import capture_logs

from cohost.kafka.connection import TopicDescription, describe_topics
from cohost_schemas import topics
from cohost_schemas.topics import Topic
from messaging import cluster
from messaging.cluster import ClusterInfo
from messaging.errors import IncompatibleDeployment, LogMismatch
from messaging.lanes.takeover import Takeover
from tests import kafka_topics
from tests.messaging.counter_processor import TOPOLOGY
from tests.messaging.pipeline_in_process import create_topic, running_pipeline, wait_until
from tests.messaging.worker_fleet import PARTITIONS, WorkerFleet

CLEANUP_POLICY = "cleanup.policy"
COUNTED = [topics.ROOMS, topics.INVITATION_COMMANDS, topics.BROADCAST_EVENTS, topics.INVITATION_DEAD_LETTERS]


@pytest.mark.parametrize("topic", [topics.ROOMS, topics.USERS], ids=lambda topic: topic.suffix)
@pytest.mark.parametrize("policy", ["delete", "compact,delete", "delete,compact"])
async def test_facts_that_the_broker_would_delete_are_refused(
    fleet: WorkerFleet, topic: Topic, policy: str
) -> None:
    await create_topic(fleet.config, topic, CLEANUP_POLICY, policy)
    name = topic.full_name(fleet.config.prefix)
    with pytest.raises(
        IncompatibleDeployment, match=f"^topic {name} has cleanup.policy={policy}; set it to compact$"
    ):
        await kafka_topics.ensure_topics(fleet.config)


@pytest.mark.parametrize(
    "topic", [topics.INVITATION_COMMANDS, topics.BROADCAST_EVENTS], ids=lambda topic: topic.suffix
)
async def test_records_that_compaction_would_remove_unread_are_refused(
    fleet: WorkerFleet, topic: Topic
) -> None:
    await create_topic(fleet.config, topic, CLEANUP_POLICY, "compact,delete")
    with pytest.raises(
        IncompatibleDeployment, match=rf"{topic.suffix} has cleanup.policy=compact,delete; set it to delete$"
    ):
        await kafka_topics.ensure_topics(fleet.config)


async def test_every_wrong_setting_is_in_the_one_line(fleet: WorkerFleet) -> None:
    await create_topic(fleet.config, topics.ROOMS, "message.timestamp.type", "CreateTime")
    await create_topic(fleet.config, topics.USERS, CLEANUP_POLICY, "delete")
    with pytest.raises(IncompatibleDeployment) as refused:
        await kafka_topics.ensure_topics(fleet.config)
    prefix = fleet.config.prefix
    assert str(refused.value) == (
        f"topic {prefix}rooms has message.timestamp.type=CreateTime; set it to LogAppendTime; "
        f"topic {prefix}users has cleanup.policy=delete; set it to compact"
    )


async def test_badges_that_the_broker_would_delete_are_reported(fleet: WorkerFleet) -> None:
    await create_topic(fleet.config, topics.BADGES, CLEANUP_POLICY, "delete")
    with capture_logs() as logs:
        await kafka_topics.ensure_topics(fleet.config)
    assert [(line["event"], line["topic"], line["cleanup_policy"]) for line in logs] == [
        ("last records of a topic will be deleted", "badges", "delete")
    ]


async def test_topics_without_replicas_are_reported_where_replicas_are_expected(fleet: WorkerFleet) -> None:
    with capture_logs() as logs:
        await kafka_topics.ensure_topics(fleet.config)
        await kafka_topics.ensure_topics(dataclasses.replace(fleet.config, expects_replicas=True))
    [line] = logs
    assert line["event"] == "topics without replicas"
    assert line["topics"] == sorted(topic.full_name(fleet.config.prefix) for topic in topics.ALL)


async def test_topics_that_a_broker_does_not_know_yet_are_waited_for(
    fleet: WorkerFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = await cluster.ensure_topics(fleet.config)
    answers = 0

    async def describe_late(admin: AIOKafkaAdminClient, names: Iterable[str]) -> list[TopicDescription]:
        nonlocal answers
        answers += 1
        described = await describe_topics(admin, names)
        if answers > 2:
            return described
        return [*described[:-1], described[-1]._replace(error=UnknownTopicOrPartitionError())]

    monkeypatch.setattr(cluster, "describe_topics", describe_late)
    assert await cluster.ensure_topics(dataclasses.replace(fleet.config, create_topics=False)) == info


async def add_partition(fleet: WorkerFleet, *changed: Topic) -> None:
    """Add a partition to each of these topics, and wait until the broker reports it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=fleet.config.bootstrap_servers)
    await admin.start()
    names = [topic.full_name(fleet.config.prefix) for topic in changed]
    try:
        await admin.create_partitions({name: NewPartitions(PARTITIONS + 1) for name in names})
        await wait_until(lambda: _has_added(admin, names))
    finally:
        await admin.close()


async def _has_added(admin: AIOKafkaAdminClient, names: list[str]) -> bool:
    counts = {topic.partition_count for topic in await describe_topics(admin, names)}
    return counts == {PARTITIONS + 1}


def described_change(fleet: WorkerFleet, *changed: Topic) -> str:
    """Return the pattern of the error that names the topics with an added partition."""
    names = sorted(topic.full_name(fleet.config.prefix) for topic in changed)
    counts = ", ".join(f"{name} {PARTITIONS + 1}" for name in names)
    return f"^topics had {PARTITIONS} partitions when the service started, and have others now: {counts}; "


@pytest.mark.parametrize(
    "changed", [*[(topic,) for topic in COUNTED], topics.ALL], ids=lambda changed: changed[0].suffix
)
async def test_partitions_added_while_running_end_the_pipeline(
    fleet: WorkerFleet, monkeypatch: pytest.MonkeyPatch, changed: tuple[Topic, ...]
) -> None:
    monkeypatch.setattr(cluster, "_WATCH_SECONDS", 0.2)
    with pytest.raises(IncompatibleDeployment, match=described_change(fleet, *changed)):
        await _run_until_interrupted(fleet, *changed)


async def _run_until_interrupted(fleet: WorkerFleet, *changed: Topic) -> None:
    async with running_pipeline(fleet.config) as pipeline:
        await add_partition(fleet, *changed)
        await wait_until(lambda: not pipeline.is_ready)


def test_a_changed_partition_count_is_noticed_within_a_minute() -> None:
    assert cluster._WATCH_SECONDS + 2 * 10 < 60  # noqa: SLF001 - two requests may time out


@pytest.mark.parametrize("changed", [(topics.ROOMS,), topics.ALL], ids=["one", "all"])
async def test_an_assignment_of_added_partitions_names_them(
    fleet: WorkerFleet, changed: tuple[Topic, ...]
) -> None:
    info = await kafka_topics.ensure_topics(fleet.config)
    await add_partition(fleet, *changed)
    with pytest.raises(IncompatibleDeployment, match=described_change(fleet, *changed)):
        await acquire_assigned(fleet, info, added=[topic for topic in changed if topic in INPUTS])


async def test_an_assignment_that_splits_a_lane_names_the_assignor(fleet: WorkerFleet) -> None:
    info = await kafka_topics.ensure_topics(fleet.config)
    with pytest.raises(LogMismatch, match="must use the range assignor"):
        await acquire_assigned(fleet, info, missing=[topics.ROOMS])


INPUTS = [entry.topic for entry in TOPOLOGY.inputs]


async def acquire_assigned(
    fleet: WorkerFleet,
    info: ClusterInfo,
    *,
    added: list[Topic] | None = None,
    missing: list[Topic] | None = None,
) -> None:
    """Take over an assignment of every lane, with added and missing partitions."""
    assigned = [(topic, number) for topic in INPUTS if topic not in (missing or ()) for number in range(3)]
    assigned += [(topic, PARTITIONS) for topic in added or ()]
    takeover = Takeover(fleet.config, info, TOPOLOGY, None)  # type: ignore[arg-type] - fails before any query
    await takeover.acquire_lanes(
        [TopicPartition(topic.full_name(fleet.config.prefix), number) for topic, number in assigned], "worker"
    )
