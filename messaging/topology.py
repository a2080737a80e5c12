"""What the service runs on: topics with the contract's settings, and the cluster its database belongs to."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from messaging.closing import closed
from messaging.config import Config
from messaging.database import Connection
from messaging.errors import StartRefused
from schemas import topics
from schemas.topics import Topic

_UNKNOWN_TOPIC = 3
_CREATION_SECONDS = 5
_LOOK_SECONDS = 0.05
_CLOSE_SECONDS = 2
_CLOCK = "message.timestamp.type"


@dataclass(frozen=True, slots=True)
class Topology:
    """The cluster's id, how many partitions every topic has, and how many bytes a batch may take.

    `batch_bytes` is what every topic takes, `dead_letter_bytes` what those for dead letters do.
    """

    cluster: str
    partitions: int
    batch_bytes: int
    dead_letter_bytes: int


async def ensure(config: Config) -> Topology:
    """Create the topics that are missing and check those that are there.

    Raises `StartRefused` where partition counts differ, a topic is missing that may not be created, or a
    topic that must have the broker's timestamps has not; and aiokafka's errors while Kafka is away.
    """
    admin = AIOKafkaAdminClient(**config.client(), request_timeout_ms=10_000)
    try:
        await admin.start()
        cluster = (await admin.describe_cluster())["cluster_id"]
        if config.create_topics:
            await _create(admin, config)
        counts = await _counts(admin, config)
        await _check_clock(admin, config)
        sizes = await _setting(admin, config, topics.ALL, "max.message.bytes")
        letters = [int(sizes[topic.name(config.prefix)]) for topic in topics.DEAD_LETTERS]
        return Topology(cluster, _one(counts), min(map(int, sizes.values())), min(letters))
    finally:
        await closed(admin.close(), _CLOSE_SECONDS)


async def remember(connection: Connection, topology: Topology, prefix: str) -> None:
    """Tie the database to this cluster, prefix and partition count.

    Raises `StartRefused` if it is tied to others.
    """
    here = (topology.cluster, prefix, topology.partitions)
    await connection.execute(
        "INSERT INTO installation (cluster, prefix, partitions) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        *here,
    )
    row = await connection.fetchrow("SELECT cluster, prefix, partitions FROM installation")
    for name, remembered, found in zip(
        ("cluster", "prefix", "partition count"), row or (), here, strict=True
    ):
        if remembered != found:
            msg = f"the database belongs to {name} {remembered!r}, but this is {found!r}"
            raise StartRefused(msg)


async def _create(admin: AIOKafkaAdminClient, config: Config) -> None:
    present = {
        topic["topic"]: len(topic["partitions"])
        for topic in await _described(admin, config)
        if topic["error_code"] == 0
    }
    missing = [topic for topic in topics.ALL if topic.name(config.prefix) not in present]
    if not missing:
        return
    # Before anything is made: a topic too few partitions cannot be taken back.
    _one({**present, "COHOST_PARTITIONS": config.partitions})
    response = await admin.create_topics(
        [
            NewTopic(
                topic.name(config.prefix),
                config.partitions,
                config.replication_factor,
                topic_configs=dict(topic.config),
            )
            for topic in missing
        ]
    )
    for name, code, message in ((error[0], error[1], error[-1]) for error in response.topic_errors):
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            if error.retriable:
                raise error(message)
            msg = f"topic {name} cannot be created: {message or error.__name__}"
            raise StartRefused(msg)


async def _described(admin: AIOKafkaAdminClient, config: Config) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await admin.describe_topics(
        [topic.name(config.prefix) for topic in topics.ALL]
    )
    return found


async def _counts(admin: AIOKafkaAdminClient, config: Config) -> dict[str, int]:
    found = await _described(admin, config)
    deadline = time.monotonic() + _CREATION_SECONDS
    # A topic that was just created is not known to every broker at once.
    while config.create_topics and _lacking(found) and time.monotonic() < deadline:
        await asyncio.sleep(_LOOK_SECONDS)
        found = await _described(admin, config)
    for topic in found:
        if topic["error_code"] == _UNKNOWN_TOPIC and not config.create_topics:
            msg = f"topic {topic['topic']} does not exist, and COHOST_CREATE_TOPICS is false"
            raise StartRefused(msg)
        if topic["error_code"]:
            raise for_code(topic["error_code"])(topic["topic"])
    return {topic["topic"]: len(topic["partitions"]) for topic in found}


def _lacking(found: Iterable[Mapping[str, Any]]) -> bool:
    return any(topic["error_code"] == _UNKNOWN_TOPIC for topic in found)


def _one(counts: Mapping[str, int]) -> int:
    if len(set(counts.values())) == 1:
        return next(iter(counts.values()))
    listed = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    msg = f"topics differ in their number of partitions: {listed}"
    raise StartRefused(msg)


async def _check_clock(admin: AIOKafkaAdminClient, config: Config) -> None:
    for name, found in (await _setting(admin, config, topics.BROKER_CLOCK_REQUIRED, _CLOCK)).items():
        if found != "LogAppendTime":
            msg = f"topic {name} has {_CLOCK}={found}, not LogAppendTime"
            raise StartRefused(msg)


async def _setting(
    admin: AIOKafkaAdminClient, config: Config, wanted: Iterable[Topic], setting: str
) -> dict[str, str]:
    """Return what a setting is for each of the topics, by their full names."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name(config.prefix)) for topic in wanted]
    found = {}
    for response in await admin.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            if code:
                raise for_code(code)(message)
            found[name] = {entry[0]: entry[1] for entry in entries}[setting]
    return found
