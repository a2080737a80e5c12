"""Create and check the topics, and bind the database to its Kafka cluster."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from cohost.kafka.connection import TopicDescription, describe_topics
from cohost.kafka.errors import UNAVAILABLE_ERRORS
from cohost_schemas import topics
from cohost_schemas.topics import Topic
from messaging.config import Config
from messaging.database import Connection
from messaging.errors import IncompatibleDeployment

_CREATION_TIMEOUT_SECONDS = 5
_POLL_SECONDS = 0.05
_WATCH_SECONDS = 15
_TIMESTAMP_TYPE = "message.timestamp.type"
_BROKER_CLOCK = "LogAppendTime"
_CLEANUP_POLICY = "cleanup.policy"
_COMPACT = "compact"
_DELETE = "delete"
_NEW_TOPICS = "new topics"
_COUNT_NAME = "partition count"
_COUNT_ADVICE = (
    "the number cannot change, because keys would move between partitions: "
    "use another topic prefix and an empty database"
)

log = structlog.get_logger()
# A century: a longer setting means without limit.
_LONGEST_MS = 100 * 366 * 86_400_000


@dataclass(frozen=True, slots=True)
class ClusterInfo:
    """The cluster's id, the number of partitions of every topic, and the largest batch in bytes.

    Every topic accepts batches of `max_batch_bytes`, every dead-letter topic of `max_dead_letter_bytes`.
    """

    cluster_id: str
    partitions: int
    max_batch_bytes: int
    max_dead_letter_bytes: int


async def ensure_topics(config: Config) -> ClusterInfo:
    """Create the missing topics and check the existing ones.

    Raises `IncompatibleDeployment` if partition counts differ, if a topic is missing and must not be created,
    if a topic lacks the required broker timestamps, or if its clean-up would delete what is still needed.
    Raises aiokafka's errors while Kafka is unavailable.
    """
    async with config.kafka.open_admin() as admin:
        cluster_id = (await admin.describe_cluster())["cluster_id"]
        if config.create_topics:
            await _create_missing(admin, config)
        found = await _existing_topics(admin, config)
        settings = await _topic_settings(admin, config, topics.ALL)
    _check_settings(settings, config)
    if config.expects_replicas:
        _warn_of_single_replicas(found)
    sizes = {name: int(values["max.message.bytes"]) for name, values in settings.items()}
    dead_letter_sizes = [sizes[topic.full_name(config.prefix)] for topic in topics.DEAD_LETTERS]
    count = _require_same_count({topic.name: topic.partition_count for topic in found})
    return ClusterInfo(cluster_id, count, min(sizes.values()), min(dead_letter_sizes))


async def bind_database(connection: Connection, cluster: ClusterInfo, prefix: str) -> None:
    """Bind the database to this cluster, topic prefix and partition count.

    Raises `IncompatibleDeployment` if it is bound to others.
    """
    current = (cluster.cluster_id, prefix, cluster.partitions)
    await connection.execute(
        "INSERT INTO installation (cluster_id, prefix, partitions) VALUES ($1, $2, $3)"
        " ON CONFLICT DO NOTHING",
        *current,
    )
    row = await connection.fetchrow("SELECT cluster_id, prefix, partitions FROM installation")
    for name, stored, actual in zip(("cluster", "prefix", _COUNT_NAME), row or (), current, strict=True):
        if stored != actual:
            advice = _COUNT_ADVICE if name == _COUNT_NAME else "point the service to its own database"
            msg = f"the database belongs to {name} {stored!r}, but this is {actual!r}; {advice}"
            raise IncompatibleDeployment(msg)


async def watch_partition_counts(config: Config, cluster: ClusterInfo) -> None:
    """Check the partition counts again and again. Raises `IncompatibleDeployment` once one has changed."""
    while True:
        await asyncio.sleep(_WATCH_SECONDS)
        try:
            await check_partition_counts(config, cluster)
        except UNAVAILABLE_ERRORS as error:
            log.debug("partition counts unknown", error=str(error))


async def check_partition_counts(config: Config, cluster: ClusterInfo) -> None:
    """Raise `IncompatibleDeployment` if a topic has another number of partitions than at the start."""
    async with config.kafka.open_admin() as admin:
        described = await _describe_topics(admin, config)
    changed = [
        f"{topic.name} {topic.partition_count}"
        for topic in described
        if topic.error is None and topic.partition_count != cluster.partitions
    ]
    if changed:
        msg = (
            f"topics had {cluster.partitions} partitions when the service started, and have others now: "
            f"{', '.join(sorted(changed))}; {_COUNT_ADVICE}"
        )
        raise IncompatibleDeployment(msg)


async def longest_retention(config: Config, wanted: Iterable[Topic]) -> timedelta | None:
    """Return the longest time that a record can lie in one of these topics, or None if there is no limit.

    Kafka deletes whole segments, `retention.ms` after the last record of a segment, which may be `segment.ms`
    younger than its first.
    """
    async with config.kafka.open_admin() as admin:
        settings = (await _topic_settings(admin, config, wanted)).values()
    if any(values["retention.ms"] == "-1" or _DELETE not in values[_CLEANUP_POLICY] for values in settings):
        return None
    longest = max(int(values["retention.ms"]) + int(values["segment.ms"]) for values in settings)
    return timedelta(milliseconds=longest) if longest < _LONGEST_MS else None


async def _create_missing(admin: AIOKafkaAdminClient, config: Config) -> None:
    present = {
        topic.name: topic.partition_count
        for topic in await _describe_topics(admin, config)
        if topic.error is None
    }
    missing = [topic for topic in topics.ALL if topic.full_name(config.prefix) not in present]
    if not missing:
        return
    # Checked before any topic is created, because a wrong number of partitions cannot be undone.
    _require_same_count({**present, _NEW_TOPICS: config.partitions})
    response = await admin.create_topics(
        [
            NewTopic(
                topic.full_name(config.prefix),
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
            raise IncompatibleDeployment(msg)


async def _describe_topics(admin: AIOKafkaAdminClient, config: Config) -> list[TopicDescription]:
    return await describe_topics(admin, map(config.kafka.topic_name, topics.ALL))


async def _existing_topics(admin: AIOKafkaAdminClient, config: Config) -> list[TopicDescription]:
    """Return every topic's description, once all of them exist.

    Raises `IncompatibleDeployment` if one is missing for seconds and must not be created.
    """
    found = await _describe_topics(admin, config)
    deadline = time.monotonic() + _CREATION_TIMEOUT_SECONDS
    # Brokers learn of a new topic one after the other.
    while any(map(_is_missing, found)) and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_SECONDS)
        found = await _describe_topics(admin, config)
    for topic in found:
        if _is_missing(topic) and not config.create_topics:
            msg = (
                f"topic {topic.name} does not exist, and this service must not create topics; "
                "create the topic, or let the service create it"
            )
            raise IncompatibleDeployment(msg, setting="create_topics")
        if topic.error is not None:
            raise topic.error
    return found


def _warn_of_single_replicas(found: Iterable[TopicDescription]) -> None:
    single = sorted(topic.name for topic in found if topic.replica_count == 1)
    if single:
        log.warning("topics without replicas", topics=single)


def _is_missing(topic: TopicDescription) -> bool:
    return isinstance(topic.error, UnknownTopicOrPartitionError)


def _require_same_count(counts: Mapping[str, int]) -> int:
    if len(set(counts.values())) == 1:
        return next(iter(counts.values()))
    listed = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    msg = f"all topics must have the same number of partitions, but they have: {listed}"
    raise IncompatibleDeployment(msg, setting="partitions" if _NEW_TOPICS in counts else None)


def _check_settings(settings: Mapping[str, Mapping[str, str]], config: Config) -> None:
    """Raise `IncompatibleDeployment` with every setting to correct, so that an operator does it in one go."""
    clock_topics = [topic.full_name(config.prefix) for topic in topics.BROKER_CLOCK_REQUIRED]
    wrong = [(name, _TIMESTAMP_TYPE, settings[name][_TIMESTAMP_TYPE], _BROKER_CLOCK) for name in clock_topics]
    for topic in topics.ALL:
        name = topic.full_name(config.prefix)
        policy = settings[name][_CLEANUP_POLICY]
        wrong.append((name, _CLEANUP_POLICY, policy, _required_policy(topic, policy)))
    msg = "; ".join(
        f"topic {name} has {setting}={found}; set it to {required}"
        for name, setting, found, required in wrong
        if found != required
    )
    if msg:
        raise IncompatibleDeployment(msg)


def _required_policy(topic: Topic, found: str) -> str:
    """Return the clean-up policy that the topic must have, given the one that was found."""
    if topic in topics.COMPACTION_REQUIRED:
        return _COMPACT
    if not topic.is_compacted:
        # Compaction would remove records that were not read yet: all but the last one of a room.
        return _DELETE if _COMPACT in found.split(",") else found
    if found != _COMPACT:
        log.warning("last records of a topic will be deleted", topic=topic.suffix, cleanup_policy=found)
    return found


async def _topic_settings(
    admin: AIOKafkaAdminClient, config: Config, wanted: Iterable[Topic]
) -> dict[str, dict[str, str]]:
    """Return the settings of each topic, by the topic's full name."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.full_name(config.prefix)) for topic in wanted]
    found = {}
    for response in await admin.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            if code:
                raise for_code(code)(message)
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found
