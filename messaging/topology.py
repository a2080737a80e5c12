"""Create and check the topics, and bind the database to its Kafka cluster."""

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
    """The cluster's id, the number of partitions of every topic, and the largest batch in bytes.

    Every topic accepts batches of `max_batch_bytes`, every dead-letter topic of `max_dead_letter_bytes`.
    """

    cluster: str
    partitions: int
    batch_bytes: int
    dead_letter_bytes: int


async def ensure(config: Config) -> Topology:
    """Create the missing topics and check the existing ones.

    Raises `IncompatibleDeployment` if partition counts differ, if a topic is missing and must not be created,
    or if a topic lacks the required broker timestamps. Raises aiokafka's errors while Kafka is unavailable.
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
    """Bind the database to this cluster, topic prefix and partition count.

    Raises `IncompatibleDeployment` if it is bound to others.
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
            msg = (
                f"the database belongs to {name} {remembered!r}, but this is {found!r}; "
                "point the service to its own database"
            )
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
    # Checked before any topic is created, because a wrong number of partitions cannot be undone.
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
    # A new topic is not known to every broker at once.
    while config.create_topics and _lacking(found) and time.monotonic() < deadline:
        await asyncio.sleep(_LOOK_SECONDS)
        found = await _described(admin, config)
    for topic in found:
        if topic["error_code"] == _UNKNOWN_TOPIC and not config.create_topics:
            msg = (
                f"topic {topic['topic']} does not exist, and COHOST_CREATE_TOPICS is false; "
                "create the topic or set COHOST_CREATE_TOPICS to true"
            )
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
    msg = f"all topics must have the same number of partitions, but they have: {listed}"
    raise StartRefused(msg)


async def _check_clock(admin: AIOKafkaAdminClient, config: Config) -> None:
    for name, found in (await _setting(admin, config, topics.BROKER_CLOCK_REQUIRED, _CLOCK)).items():
        if found != "LogAppendTime":
            msg = f"topic {name} has {_CLOCK}={found}; set it to LogAppendTime"
            raise StartRefused(msg)


async def _setting(
    admin: AIOKafkaAdminClient, config: Config, wanted: Iterable[Topic], setting: str
) -> dict[str, str]:
    """Return the value of a setting of each topic, by the topic's full name."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name(config.prefix)) for topic in wanted]
    found = {}
    for response in await admin.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            if code:
                raise for_code(code)(message)
            found[name] = {entry[0]: entry[1] for entry in entries}[setting]
    return found
